package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// tuneWindow is how long each figure is measured: all of them take some ten seconds.
const tuneWindow = 400 * time.Millisecond

func newTune() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "tune",
		Short: "measure this host, and say what to set",
		Long: `tune measures hashing and sealing on this host, in some ten seconds, and prints
what it would set, with the reason, as a part of a configuration file. It reads no
configuration, needs no key and sends nothing. Run it while the host is idle: what
else runs there is measured, too.

Exit status: 0 measured, 1 it could not be, or FILE is there already.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			host, err := measureHost(tuneWindow, cmd.ErrOrStderr())
			if err != nil {
				return &failure{exitInternal, err}
			}
			return orInternal(writeAdvice(host.advice(), file, cmd.OutOrStdout()))
		},
	}
	cmd.Flags().StringVar(&file, "write", "", "write it to this new `FILE` instead of printing it")
	return cmd
}

// advice is one setting and why.
type advice struct{ section, key, value, why string }

// writeAdvice renders settings as YAML, to a file that is not there yet or to out.
func writeAdvice(list []advice, file string, out io.Writer) error {
	var b strings.Builder
	section := ""
	for _, a := range list {
		if a.section != section {
			section = a.section
			fmt.Fprintf(&b, "%s:\n", section)
		}
		fmt.Fprintf(&b, "  %s: %s # %s\n", a.key, a.value, a.why)
	}
	if file == "" {
		_, err := io.WriteString(out, b.String())
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("cannot write what was found: %w", err)
	}
	_, err = f.WriteString(b.String())
	return errors.Join(err, f.Close())
}
