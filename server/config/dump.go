package config

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// String tells where a value came from, in words.
func (o Origin) String() string {
	switch {
	case o.Env != "":
		return o.Env
	case o.File != "":
		return o.File + ":" + strconv.Itoa(o.Line)
	case o.Credential != "":
		return "systemd credential " + o.Credential
	}
	return "default"
}

// Setting is one effective value, fit to be shown.
type Setting struct {
	Key    Key
	Value  string // a List: its items joined by commas; a Secret: "redacted" or ""
	Origin Origin
}

// Settings returns every key with its effective value, in the table's order.
func (c *Config) Settings() []Setting {
	keys := Keys()
	out := make([]Setting, len(keys))
	for i, k := range keys {
		out[i] = Setting{Key: k, Value: strings.Join(k.bind.get(c), ","), Origin: c.origins[k.Name]}
	}
	return out
}

// WriteYAML writes every effective value with its origin, as a configuration
// file that Load would take; secrets read "redacted".
func (c *Config) WriteYAML(w io.Writer) error {
	var b strings.Builder
	section := ""
	for _, s := range c.Settings() {
		name, indent := s.Key.Name, ""
		if head, leaf, ok := strings.Cut(name, "."); ok {
			if head != section {
				fmt.Fprintf(&b, "%s:\n", head)
			}
			section, name, indent = head, leaf, "  "
		}
		if s.Key.FileFor != "" && s.Value != "" {
			// The secret itself stands in its own line; both would contradict.
			fmt.Fprintf(&b, "%s# %s: %s # %s\n", indent, name, yamlValue(s), s.Origin)
			continue
		}
		fmt.Fprintf(&b, "%s%s: %s # %s\n", indent, name, yamlValue(s), s.Origin)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func yamlValue(s Setting) string {
	switch s.Key.Kind {
	case Bool, Int, Bytes, Duration:
		return s.Value
	case List:
		if s.Value == "" {
			return "[]"
		}
		items := strings.Split(s.Value, ",")
		for i := range items {
			items[i] = strconv.Quote(items[i])
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return strconv.Quote(s.Value)
}
