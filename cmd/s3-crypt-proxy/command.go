package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

const longHelp = `s3-crypt-proxy seals every object on its way to an S3 backend and opens it on
the way back. Without a command it serves.

The configuration is a YAML file, and S3CP_* variables on top of it:
s3-crypt-proxy check --keys explains every key, s3-crypt-proxy check what they
come to. Flags may have one dash or two: -config and --config are the same.

Exit status: 0 done, 1 internal error, 2 usage, 3 configuration, 4 certificate,
5 cannot listen, 6 ended before all requests had, 7 the backend cannot be used.`

// newRoot makes the command tree. environ is where S3CP_* variables are.
func newRoot(environ []string) *cobra.Command {
	var file string
	load := func() (*config.Config, error) {
		cfg, err := config.Load(file, environ)
		if err == nil {
			err = cfg.RefuseUselessVerbs(server.Operations(), func(c config.Client, verb string) bool { return grant(c).Reaches(verb) })
		}
		if err != nil && file == "" {
			err = fmt.Errorf("%w\nno file was read: none was given with --config FILE", err)
		}
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
			return serve(cmd.Context(), cfg, load, cmd.ErrOrStderr())
		},
	}
	root.SetVersionTemplate(versionLine())
	root.Flags().BoolP("version", "v", false, "print the version and end")
	root.SetFlagErrorFunc(asTyped)
	root.SetHelpCommand(newHelp(root))
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().StringVar(&file, "config", "", "the YAML configuration `FILE`; without it, variables alone")
	root.AddCommand(newCheck(load), newFingerprint(load), newTune())
	return root
}

// newHelp is cobra's help command, but an unknown topic is wrong usage.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "explain a command",
		Long: `help prints what a command does, its flags and its exit status.

Exit status: 0 printed, 2 there is no such command.`,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return fmt.Errorf("there is no help on %q", strings.Join(args, " "))
			}
			cmd.InitDefaultHelpFlag() // else it is not among the flags shown
			return orInternal(cmd.Help())
		},
	}
}

// asTyped names an unknown flag as the user wrote it: twoDashes may have added a
// dash, and cobra would take -x apart.
func asTyped(_ *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	name := unknown.GetSpecifiedName()
	if unknown.GetSpecifiedShortnames() == "" && len(name) > 1 {
		name = "-" + name
	}
	return fmt.Errorf("unknown flag: -%s", name)
}
