package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/memkey-server/internal/settings"
)

const longHelp = `memkey-server keeps the master keys of s3-crypt-proxy, in memory only. An
administrator delivers them with memkey-admin after every start; the proxies of
this host get them through a Unix socket. Without a command it serves.

First start, as root:
  memkey-server init
  memkey-server admin add PUBLIC-KEY --roles deliver,enroll,clear,status --name NAME
  memkey-server serve

Exit status: 0 done, 1 internal error, 2 usage, 3 configuration or file,
4 identity, 5 cannot listen, 8 pins or audit log contradict what is known.`

// environment is what every command gets from the command line.
type environment struct {
	file   string // -config
	json   bool
	getenv func(string) string
}

// load reads the settings.
func (e *environment) load() (*settings.Settings, error) {
	s, err := settings.Load(e.file)
	if err == nil {
		return s, nil
	}
	try := "correct the file; the keys are explained in `memkey-server help config`"
	if e.file != "" && isMissing(err) {
		try = "give an existing file, or none for the defaults: memkey-server serve"
	}
	return nil, &failure{exitFile, fmt.Errorf("cannot use the configuration: %s", strings.ReplaceAll(err.Error(), "\n", "\n  ")), try}
}

func isMissing(err error) bool {
	var problems settings.Problems
	return errors.As(err, &problems) && len(problems) == 1 && strings.Contains(problems[0].Why, "no such file")
}

// newRoot makes the command tree.
func newRoot(getenv func(string) string) *cobra.Command {
	e := &environment{getenv: getenv}
	var generate, fingerprint bool
	root := &cobra.Command{
		Use:           "memkey-server",
		Short:         "keeps master keys in memory for s3-crypt-proxy",
		Long:          longHelp,
		Version:       version,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case generate && fingerprint:
				return errors.New("give -generate-identity or -print-fingerprint")
			case generate:
				return initialise(e, cmd.OutOrStdout(), cmd.ErrOrStderr())
			case fingerprint:
				return printFingerprint(e, cmd.OutOrStdout())
			}
			return serve(cmd.Context(), e, cmd.ErrOrStderr())
		},
	}
	root.SetVersionTemplate(versionLine())
	root.PersistentFlags().StringVar(&e.file, "config", "", "the YAML configuration `FILE` (default "+settings.DefaultPath+", if it is there)")
	root.PersistentFlags().BoolVar(&e.json, "json", false, "print one JSON object")
	root.Flags().BoolVar(&generate, "generate-identity", false, "the same as the command init")
	root.Flags().BoolVar(&fingerprint, "print-fingerprint", false, "the same as the command fingerprint")
	root.AddCommand(newServe(e), newInit(e), newAdmin(e), newFingerprint(e), newAudit(e), newPins(e), newConfigHelp())
	root.CompletionOptions.DisableDefaultCmd = true
	return root
}

func newServe(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "hold the keys and hand them to the proxies of this host",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), e, cmd.ErrOrStderr()) },
	}
}

func newInit(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "make the server's identity, once, and print its fingerprint",
		Long: `init makes the server's identity, an Ed25519 seed of 32 bytes in identity.file
(mode 0600), unless there is one already, and prints its fingerprint. Made by
root, it belongs to the owner of its directory. Give that
to the administrators on a way that nobody can forge: it is what their machines
know this server by. The identity signs; it opens nothing.

To keep it encrypted at rest, let systemd do it and remove the file:
  systemd-creds encrypt --name=identity FILE /etc/credstore.encrypted/identity
and LoadCredentialEncrypted=identity in the unit.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return initialise(e, cmd.OutOrStdout(), cmd.ErrOrStderr()) },
	}
}

func newFingerprint(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "fingerprint",
		Short: "print the fingerprint of the server's identity",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return printFingerprint(e, cmd.OutOrStdout()) },
	}
}

func newConfigHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "the keys of memkey.yaml (a help topic)",
		Long:  settings.Manual(),
	}
}
