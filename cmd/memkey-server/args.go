package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// twoDashes gives known long flags their second dash: those of the earlier system had one. Values of flags, and all
// that follows "--", stay as they are.
func twoDashes(args []string, root *cobra.Command) []string {
	takesValue := map[string]bool{"help": false, "version": false}
	commands := []*cobra.Command{root}
	for len(commands) > 0 {
		c := commands[0]
		commands = append(commands[1:], c.Commands()...)
		for _, set := range []*pflag.FlagSet{c.PersistentFlags(), c.Flags()} {
			set.VisitAll(func(f *pflag.Flag) { takesValue[f.Name] = f.NoOptDefVal == "" })
		}
	}
	out := append([]string(nil), args...)
	for i := 0; i < len(out) && out[i] != "--"; i++ {
		if !strings.HasPrefix(out[i], "-") {
			continue
		}
		bare := strings.TrimPrefix(strings.TrimPrefix(out[i], "-"), "-")
		name, _, hasValue := strings.Cut(bare, "=")
		value, known := takesValue[name]
		if !known || len(name) < 2 {
			continue
		}
		out[i] = "--" + bare
		if value && !hasValue {
			i++ // the next one is its value, whatever it looks like
		}
	}
	return out
}
