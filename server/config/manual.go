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
		explain(&b, k)
	}
	for _, e := range EntryLists() {
		fmt.Fprintf(&b, "\n%s (a list of entries, in the file alone; a change takes effect on SIGHUP)\n", e.Name)
		wrap(&b, e.Doc)
		for _, k := range e.Keys {
			fmt.Fprintf(&b, "\n%s[].%s\n", e.Name, k.Name)
			explain(&b, k)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// explain writes what there is to say of a key below its name.
func explain(b *strings.Builder, k Key) {
	wrap(b, k.Doc)
	fmt.Fprintf(b, "    Takes: %s.\n", k.Allowed)
	required := "Required"
	if k.Unless != "" {
		required += ", unless " + k.Unless + " are given"
	}
	switch {
	case k.Secret() && k.Env == "":
		fmt.Fprintf(b, "    %s; also from a file (%s_file) or the systemd credential clients.NAME.%s.\n", required, k.Name, k.Name)
	case k.Secret():
		fmt.Fprintf(b, "    %s; also from a file (%s_file, %s_FILE) or the systemd credential %s.\n", required, k.Name, k.Env, k.Name)
	case k.Required && k.Default == "":
		b.WriteString("    " + required + ".\n")
	case k.Default == "":
		b.WriteString("    Default: empty.\n")
	default:
		fmt.Fprintf(b, "    Default: %s.\n", k.Default)
	}
	if k.Live {
		b.WriteString("    A change takes effect on SIGHUP.\n")
	}
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
