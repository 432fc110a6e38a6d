package main

import (
	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

const longHelp = `s3-crypt-proxy seals every object on its way to an S3 backend and opens it on
the way back. Without a command it serves.

The configuration is a YAML file, and S3CP_* variables on top of it:
s3-crypt-proxy check --keys explains every key, s3-crypt-proxy check what they
come to.

Exit status: 0 done, 1 internal error, 2 usage, 3 configuration, 4 certificate,
5 cannot listen, 6 ended before all requests had.`

// newRoot makes the command tree. environ is where S3CP_* variables are.
func newRoot(environ []string) *cobra.Command {
	var file string
	load := func() (*config.Config, error) {
		cfg, err := config.Load(file, environ)
		if err != nil {
			return nil, &failure{exitConfig, &configError{err}}
		}
		return cfg, nil
	}
	root := &cobra.Command{
		Use:           "s3-crypt-proxy",
		Short:         "transparent encryption proxy for S3",
		Long:          longHelp,
		Version:       version,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load()
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, cmd.ErrOrStderr())
		},
	}
	root.SetVersionTemplate(versionLine())
	root.PersistentFlags().StringVar(&file, "config", "", "the YAML configuration `FILE`; without it, variables alone")
	root.AddCommand(newCheck(load), newFingerprint(load))
	return root
}
