package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v3"
)

const hidden = "wJalrXUtnFEMI"

// TestSecretIsRedactedEverywhere prints a secret in every way that somebody
// could by accident, bare, in structs exported and not, and behind pointers.
func TestSecretIsRedactedEverywhere(t *testing.T) {
	type inside struct{ S Secret }
	type private struct{ s Secret }
	s := NewSecret(hidden)
	config := &Config{Client: Client{SecretKey: s}, Admin: Admin{Token: s}, Backend: Backend{SecretKey: s}}
	values := []any{s, &s, inside{s}, &inside{s}, []Secret{s}, map[string]Secret{"k": s}, config, *config}
	hiddenFields := []any{private{s}, &private{s}, []private{{s}}}

	var seen []string
	see := func(b []byte, err error) {
		if err != nil {
			b = append(b, err.Error()...)
		}
		seen = append(seen, string(b))
	}
	for _, v := range append(append([]any{}, values...), hiddenFields...) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T"} {
			see([]byte(fmt.Sprintf(verb, v)), nil)
		}
		see(json.Marshal(v))
		see(yaml.Marshal(v))
		var b bytes.Buffer
		log := zerolog.New(&b)
		log.Info().Interface("v", v).Any("w", v).Str("x", fmt.Sprint(v)).Msg("")
		slog.New(slog.NewJSONHandler(&b, nil)).Info("", "v", v)
		slog.New(slog.NewTextHandler(&b, nil)).Info("", "v", v)
		see(b.Bytes(), nil)
	}
	see(xml.Marshal(inside{s}))
	var b bytes.Buffer
	log := zerolog.New(&b)
	log.Info().Stringer("v", s).Msg("")
	see(b.Bytes(), nil)
	see([]byte(fmt.Errorf("wrapped %v %s %w", s, s, fmt.Errorf("%+v", config)).Error()), nil)

	for _, out := range seen {
		if strings.Contains(out, hidden) || strings.Contains(out, fmt.Sprintf("%x", hidden)) {
			t.Errorf("shown: %s", out)
		}
	}
	if fmt.Sprint(s) != "redacted" || fmt.Sprint(Secret{}) != "" {
		t.Errorf("a set secret prints %q, an empty one %q", s, Secret{})
	}
	if s.Reveal() != hidden || (Secret{}).Reveal() != "" || NewSecret("").IsSet() || !s.IsSet() {
		t.Error("Reveal or IsSet is wrong")
	}
}

func TestSecretSources(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bare := strings.Replace(minimal, "  secret_key: client-secret-text\n", "", 1)
	fileKey := strings.Replace(minimal, "secret_key: client-secret-text", "secret_key_file: "+put("inFile", "from-a-file\n"), 1)
	envFile := "S3CP_CLIENT_SECRET_KEY_FILE=" + put("inEnv", "from-env-file\r\n")
	put("client.secret_key", "from-credential")
	credentials := "CREDENTIALS_DIRECTORY=" + dir

	f := func(file string, env []string, want, origin string) {
		t.Helper()
		c := load(t, file, env...)
		if got := c.Client.SecretKey.Reveal(); got != want {
			t.Errorf("%v: %q, want %q", env, got, want)
		}
		if got := c.origins["client.secret_key"].String(); !strings.Contains(got, origin) {
			t.Errorf("%v: origin %q, want %q", env, got, origin)
		}
	}
	f(minimal, nil, "client-secret-text", "proxy.yaml:7")
	f(fileKey, nil, "from-a-file", "proxy.yaml:7")
	f(bare, []string{envFile}, "from-env-file", "S3CP_CLIENT_SECRET_KEY_FILE")
	f(bare, []string{credentials}, "from-credential", "systemd credential client.secret_key")
	f(minimal, []string{credentials}, "client-secret-text", "proxy.yaml:7")
	f(fileKey, []string{credentials}, "from-a-file", "proxy.yaml:7")
	f(minimal, []string{envFile}, "from-env-file", "S3CP_CLIENT_SECRET_KEY_FILE")
	f(fileKey, []string{"S3CP_CLIENT_SECRET_KEY=from-env"}, "from-env", "S3CP_CLIENT_SECRET_KEY")
	f(minimal, []string{"S3CP_CLIENT_SECRET_KEY_FILE="}, "client-secret-text", "proxy.yaml:7")

	bad := func(file string, env []string, want string) {
		t.Helper()
		path := write(t, "proxy.yaml", file)
		_, err := Load(path, env)
		if err == nil || strings.ReplaceAll(strings.ReplaceAll(err.Error(), path, "FILE"), dir, "DIR") != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	bad(minimal, []string{"S3CP_CLIENT_SECRET_KEY=a", envFile},
		"S3CP_CLIENT_SECRET_KEY_FILE (client.secret_key_file): give either this or client.secret_key")
	bad(strings.Replace(minimal, "admin:", "  secret_key_file: /x\nadmin:", 1), nil,
		"FILE:8: client.secret_key_file: give either this or client.secret_key")
	bad(bare, []string{credentials + "/none"},
		"client.secret_key: it is missing; set it in the file, client.secret_key_file, or S3CP_CLIENT_SECRET_KEY")
	bad(minimal, []string{"S3CP_CLIENT_SECRET_KEY="},
		"S3CP_CLIENT_SECRET_KEY (client.secret_key): it is missing; set it in the file, client.secret_key_file, or S3CP_CLIENT_SECRET_KEY")
	file := func(content, why string) {
		t.Helper()
		bad(bare, []string{"S3CP_CLIENT_SECRET_KEY_FILE=" + put("bad", content)},
			`S3CP_CLIENT_SECRET_KEY_FILE (client.secret_key_file) is "DIR/bad": cannot take client.secret_key from it: `+why)
	}
	file("", "it is empty")
	file("\n", "it is empty")
	file("two\nlines\n", "it has a line break or control character")
	file("\x00\x01", "it has a line break or control character")
	file(strings.Repeat("x", maxSecretBytes+1), "it has more than 4096 bytes")
	bad(bare, []string{"S3CP_CLIENT_SECRET_KEY_FILE=/nonexistent/x"},
		`S3CP_CLIENT_SECRET_KEY_FILE (client.secret_key_file) is "/nonexistent/x": cannot take client.secret_key from it: no such file or directory`)
	put("admin.token", "has a space")
	bad(strings.Replace(minimal, "admin:\n  token: admin-token-0123456789\n", "", 1), []string{credentials},
		"admin.token: cannot take it from the systemd credential admin.token: want printable ASCII without spaces")
}
