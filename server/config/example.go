package config

import (
	"fmt"
	"io"
	"strings"
)

// WriteExample writes a configuration file that explains every key. Keys in set
// (name to value, a List with commas) are given, all others stand in comments with
// their defaults.
func WriteExample(w io.Writer, set map[string]string) error {
	var b strings.Builder
	section := ""
	for _, k := range Keys() {
		head, leaf, nested := strings.Cut(k.Name, ".")
		if !nested {
			head, leaf = "", k.Name
		}
		b.WriteByte('\n')
		if head != section && nested {
			fmt.Fprintf(&b, "%s:\n", head)
		}
		section = head
		indent := ""
		if nested {
			indent = "  "
		}
		exampleKey(&b, k, indent, leaf, set)
	}
	for _, e := range EntryLists() {
		b.WriteByte('\n')
		comment(&b, "", e.Doc)
		fmt.Fprintf(&b, "#%s:\n", e.Name)
		for i, k := range e.Keys {
			indent := "    "
			if i == 0 {
				indent = "  - "
			}
			comment(&b, "    ", k.Doc+" Takes: "+k.Allowed+".")
			fmt.Fprintf(&b, "#%s%s: %s\n", indent, k.Name, k.sample(k.Default))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func exampleKey(b *strings.Builder, k Key, indent, leaf string, set map[string]string) {
	about := k.Doc + " Takes: " + k.Allowed + "."
	if k.Secret() {
		about += " Better than here it is in the systemd credential " + k.Name + "."
	}
	comment(b, indent, about+" Variable: "+k.Env+".")
	value, given := set[k.Name]
	mark := ""
	if !given {
		mark, value = "#", k.Default
	}
	fmt.Fprintf(b, "%s%s%s: %s\n", indent, mark, leaf, k.sample(value))
}

// sample is a value as a file would have it.
func (k Key) sample(v string) string {
	s := Setting{Key: k, Value: v}
	if k.Kind == List {
		s.Items = splitList(v)
	}
	return yamlValue(s)
}

// comment wraps text in comment lines.
func comment(b *strings.Builder, indent, text string) {
	const width = 100
	line := indent + "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = indent + "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}
