package config

import (
	"fmt"
	"io"
	"strings"
)

// WriteManual explains every key: what it is for, its variable, its default and
// what it takes. It is the source of `check --keys`.
func WriteManual(w io.Writer) error {
	var b strings.Builder
	for i, k := range Keys() {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s (%s)\n", k.Name, k.Env)
		wrap(&b, k.Doc)
		fmt.Fprintf(&b, "    Takes: %s.\n", k.Allowed)
		switch {
		case k.Secret():
			fmt.Fprintf(&b, "    Required; also from a file (%s_file, %s_FILE) or the systemd credential %s.\n", k.Name, k.Env, k.Name)
		case k.Required && k.Default == "":
			b.WriteString("    Required.\n")
		case k.Default == "":
			b.WriteString("    Default: empty.\n")
		default:
			fmt.Fprintf(&b, "    Default: %s.\n", k.Default)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap writes text indented, in lines of at most 80 columns.
func wrap(b *strings.Builder, text string) {
	const indent, width = "    ", 80
	column := 0
	for _, word := range strings.Fields(text) {
		if column > 0 && column+1+len(word) > width {
			b.WriteByte('\n')
			column = 0
		}
		if column == 0 {
			b.WriteString(indent)
			column = len(indent)
		} else {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	b.WriteByte('\n')
}
