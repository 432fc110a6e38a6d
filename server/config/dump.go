package config

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// String tells where a value came from, in words.
func (o Origin) String() string {
	if key := o.Derived; key != "" {
		o.Derived = ""
		return "from " + key + ", " + o.String()
	}
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
	Value  string   // a List: its items joined by commas; a Secret: "redacted" or ""
	Items  []string // of a List
	Origin Origin
}

// Settings returns every key with its effective value, in the table's order, then the
// keys of every entry.
func (c *Config) Settings() []Setting {
	keys := c.keys()
	out := make([]Setting, len(keys))
	for i, k := range keys {
		items := k.bind.get(c)
		out[i] = Setting{Key: k, Value: strings.Join(items, ","), Origin: c.origins[k.Name]}
		if k.Kind == List {
			out[i].Items = items
		}
	}
	return out
}

// WriteYAML writes every value that has an effect, with its origin, as a
// configuration file. Load takes it once the secrets are put in: one that stood
// in the file or a variable reads "redacted", which Load refuses; one from a file
// is that file's name, and one from a systemd credential a comment.
func (c *Config) WriteYAML(w io.Writer) error {
	settings := c.Settings()
	fileOf := make(map[string]string) // of secrets that came from a file
	for _, s := range settings {
		if s.Key.FileFor != "" {
			fileOf[s.Key.FileFor] = s.Value
		}
	}
	var b strings.Builder
	section := ""
	for _, s := range settings {
		if !c.hasEffect(s) || fileOf[s.Key.Name] != "" {
			continue
		}
		name, indent := s.Key.Name, ""
		if s.Key.isEntry() {
			if s.Key.list != section {
				section = s.Key.list
				fmt.Fprintf(&b, "%s:\n", section)
			}
			name, indent = s.Key.leaf(), "    "
			if s.Key.first {
				indent = "  - "
			}
		} else if head, leaf, ok := strings.Cut(name, "."); ok {
			if head != section {
				fmt.Fprintf(&b, "%s:\n", head)
			}
			section, name, indent = head, leaf, "  "
		}
		if s.Origin.Credential != "" {
			indent += "# "
		}
		fmt.Fprintf(&b, "%s%s: %s # %s\n", indent, name, yamlValue(s), s.Origin)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// hasEffect tells whether a setting changes anything beside the others.
func (c *Config) hasEffect(s Setting) bool {
	switch s.Key.Name {
	case "tls.auto":
		return false // tls.mode is there, and wins
	case "tls.cert_file", "tls.key_file":
		return c.TLS.Mode == TLSFiles
	case "tls.names", "tls.dir":
		return c.TLS.Mode == TLSAuto
	case "client.access_key", "client.secret_key":
		return c.Client.AccessKey != "" // clients stand in its place
	case "memkey.endpoint", "memkey.poll_interval", "memkey.insecure_skip_verify":
		return false // kept for old files
	}
	return s.Key.FileFor == "" || s.Value != ""
}

func yamlValue(s Setting) string {
	switch s.Key.Kind {
	case Bool, Int, Bytes, Duration:
		return s.Value
	case List:
		items := make([]string, len(s.Items))
		for i, item := range s.Items {
			items[i] = strconv.Quote(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return strconv.Quote(s.Value)
}
