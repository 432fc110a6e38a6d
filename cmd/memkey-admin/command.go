package main

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

// version is set by the linker (see the Makefile); nothing writes it.
var version = "unknown"

const longHelp = `memkey-admin makes, keeps and delivers the master keys of s3-crypt-proxy.

The key ring and the identity that signs are files sealed under a passphrase. The
passphrase is asked for on the terminal, or read with --passphrase-file or
--passphrase-fd; it is never an argument or a variable.

First start:
  memkey-admin init --server https://HOST:7070 --fingerprint HEX64
  (on the server: the memkey-server admin add line that init prints)
  memkey-admin key generate
  memkey-admin key export --paper key.pdf
  memkey-admin key enroll
After a restart of the server:
  memkey-admin key send

Exit status: 0 done, 1 internal error, 2 usage, 3 configuration or file,
4 passphrase or identity, 5 server not reachable, 6 server refused,
7 server is not the expected one: do not go on, 8 keys do not match those pinned,
130 interrupted at a question.`

// newRoot makes the command tree.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "memkey-admin",
		Short:         "make, keep and deliver master keys",
		Long:          longHelp,
		Version:       version,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			a.command = strings.TrimPrefix(cmd.CommandPath(), "memkey-admin ")
		},
		RunE: needCommand,
	}
	root.SetVersionTemplate(fmt.Sprintf("memkey-admin %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH))
	root.CompletionOptions.DisableDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&a.configPath, "config", "", "the configuration `FILE`; ~/.memkey-admin.json without it")
	flags.BoolVar(&a.json, "json", false, "print one JSON object on stdout")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say on stderr what is going on")
	flags.StringVar(&a.passphraseFile, "passphrase-file", "", "read the passphrase from `FILE`")
	flags.IntVar(&a.passphraseFD, "passphrase-fd", -1, "read the passphrase from descriptor `N`")

	key := &cobra.Command{Use: "key", Short: "master keys: make, deliver, rotate, print, prove", Args: cobra.NoArgs, RunE: needCommand}
	key.AddCommand(
		newGenerate(a), newImport(a), newSend(a), newEnroll(a), newRotate(a), newClear(a), newShow(a),
		newExport(a), newDrill(a), newSplit(a), newShare(a),
	)
	root.AddCommand(newInit(a), newStatus(a), key)
	return root
}

func needCommand(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.Name() != "help" {
			names = append(names, c.Name())
		}
	}
	return fail(exitUsage, "memkey-admin help", errors.New("cannot do anything without a command: "+strings.Join(names, ", ")))
}
