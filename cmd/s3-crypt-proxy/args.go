package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// twoDashes rewrites -name and -name=value to --name, since the earlier system's
// flags had one dash; unknown ones too, lest they be taken for letters in a row.
// One letter, values of flags and everything after "--" stay as they are.
func twoDashes(args []string, root *cobra.Command) []string {
	takesValue := map[string]bool{"help": false, "version": false}
	var collect func(c *cobra.Command)
	collect = func(c *cobra.Command) {
		for _, set := range []*pflag.FlagSet{c.PersistentFlags(), c.Flags()} {
			set.VisitAll(func(f *pflag.Flag) { takesValue[f.Name] = f.NoOptDefVal == "" })
		}
		for _, sub := range c.Commands() {
			collect(sub)
		}
	}
	collect(root)

	out := make([]string, len(args))
	copy(out, args)
	for i := 0; i < len(out) && out[i] != "--"; i++ {
		bare := strings.TrimPrefix(strings.TrimPrefix(out[i], "-"), "-")
		if bare == out[i] {
			continue
		}
		name, _, hasValue := strings.Cut(bare, "=")
		value, known := takesValue[name]
		if len(name) < 2 {
			continue
		}
		out[i] = "--" + bare
		if known && value && !hasValue {
			i++ // the next one is its value, whatever it looks like
		}
	}
	return out
}
