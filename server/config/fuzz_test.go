package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad: no file makes the loader panic; what it accepts is complete, and its
// dump loads to the same; what it refuses is refused with problems. The secrets
// appear nowhere.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(minimal + "allowed_buckets: [aaa, bbb]\nlog_level: debug\ntls: {auto: true, names: [x.lan]}\n"))
	f.Add([]byte(strings.Replace(minimal, "client:\n", "client: {}\nclients:\n- name: x\n", 1)))
	f.Add([]byte(minimal + twoClients))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Add([]byte("<<: {listen_addr: x}\n"))
	f.Add([]byte("%YAML 1.1\n---\nlog_level: off\n"))
	f.Add([]byte("log_level: !!binary aW5mbw==\n"))
	f.Add([]byte("\xef\xbb\xbflog_level: info\n"))
	f.Add([]byte("log_level: |\n  info\n"))
	f.Add([]byte("backend: {endpoint: 'http://u:p@h'}\n...\n---\n"))
	path := filepath.Join(f.TempDir(), "proxy.yaml")
	dumped := filepath.Join(f.TempDir(), "dump.yaml")
	const secretWord = "HIDDENwJalrXUtn"
	environ := []string{
		"S3CP_BACKEND_SECRET_KEY=" + secretWord, "S3CP_CLIENT_SECRET_KEY=" + secretWord, "S3CP_ADMIN_TOKEN=" + secretWord, "HOME=/h",
		"S3CP_BACKEND_ENDPOINT=http://127.0.0.1:1", "S3CP_BACKEND_ACCESS_KEY=a", "S3CP_CLIENT_ACCESS_KEY=b",
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, environ)
		if err != nil {
			if err.Error() == "" || strings.Contains(err.Error(), secretWord) || c != nil {
				t.Fatalf("bad refusal: %q", err)
			}
			if len(err.(Problems)) == 0 {
				t.Fatal("refused without a problem")
			}
			return
		}
		dump := func(c *Config) string {
			var b strings.Builder
			if err := c.WriteYAML(&b); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), secretWord) {
				t.Fatalf("a secret is shown: %s", b.String())
			}
			return b.String()
		}
		first := dump(c)
		if err := os.WriteFile(dumped, []byte(strings.ReplaceAll(first, `: "redacted" # `, `: "put-in" # `)), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Load(dumped, environ[3:4])
		if err != nil {
			t.Fatalf("the dump does not load: %v\n%s", err, first)
		}
		for i, s := range again.Settings() {
			if want := c.Settings()[i]; s.Value != want.Value && c.hasEffect(want) {
				t.Fatalf("%s: %q became %q", s.Key.Name, want.Value, s.Value)
			}
		}
	})
}
