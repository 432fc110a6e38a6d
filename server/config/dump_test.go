package config

import (
	"strings"
	"testing"
)

func dump(t *testing.T, c *Config) string {
	t.Helper()
	var b strings.Builder
	if err := c.WriteYAML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// values is a dump without its comments: the origins differ.
func values(dump string) string {
	var b strings.Builder
	for line := range strings.Lines(dump) {
		line, _, _ = strings.Cut(strings.TrimSuffix(line, "\n"), " # ")
		b.WriteString(line + "\n")
	}
	return b.String()
}

func TestDumpLoadsAgain(t *testing.T) {
	c := load(t, minimal+"allowed_buckets: [aaa, b-b]\nlimits: {idle_timeout: 2h}\ntls: {auto: true, names: [a.lan, \"::1\"]}\nmemkey: {poll_interval: 1s}\n",
		"S3CP_LOG_LEVEL=warn", "S3CP_TLS_DIR=/odd \" ' \\ dir", "S3CP_PIPELINE_BUDGET=100MB")
	first := dump(t, c)
	for _, want := range []string{"  token: \"redacted\" # ", "log_level: \"warn\" # S3CP_LOG_LEVEL\n", ":11\n", "  region: \"us-east-1\" # default\n"} {
		if !strings.Contains(first, want) {
			t.Errorf("the dump lacks %q:\n%s", want, first)
		}
	}
	if _, err := Load(write(t, "proxy.yaml", first), nil); err == nil || strings.Count(err.Error(), "put the secret itself there") != 3 {
		t.Errorf("the dump was taken with its secrets redacted: %v", err)
	}
	again := load(t, strings.ReplaceAll(first, `"redacted"`, `"a-good-long-secret-text"`))
	if a, b := values(first), values(dump(t, again)); a != b {
		t.Errorf("the dump loads to something else:\n%s\n%s", a, b)
	}
	if strings.Join(again.Warnings, "") != "" && len(again.Warnings) > 0 {
		t.Errorf("the dump loads with warnings that the file itself did not need: %q", again.Warnings)
	}
}

// TestDumpNeedsNoSecretFromElsewhere: secrets from files and credentials stay
// where they are.
func TestDumpNeedsNoSecretFromElsewhere(t *testing.T) {
	secret := write(t, "secret", "from-a-file\n")
	credentials := "CREDENTIALS_DIRECTORY=" + strings.TrimSuffix(write(t, "admin.token", "a-token-from-systemd-0123\n"), "/admin.token")
	bare := strings.Replace(minimal, "admin:\n  token: admin-token-0123456789\n", "", 1)
	bare = strings.Replace(bare, "secret_key: backend-secret-text", "secret_key_file: "+secret, 1)
	first := dump(t, load(t, bare, credentials, "S3CP_CLIENT_SECRET_KEY_FILE="+secret))
	for _, want := range []string{"\n  secret_key_file: \"" + secret + "\" # S3CP_CLIENT_SECRET_KEY_FILE\n", "\nadmin:\n  # token: \"redacted\" # systemd credential admin.token\n"} {
		if !strings.Contains(first, want) {
			t.Errorf("the dump lacks %q:\n%s", want, first)
		}
	}
	again := load(t, first, credentials)
	if got := again.Backend.SecretKey.Reveal() + again.Client.SecretKey.Reveal() + again.Admin.Token.Reveal(); got != "from-a-filefrom-a-filea-token-from-systemd-0123" {
		t.Errorf("the dump loads other secrets: %q", got)
	}
	if a, b := values(first), values(dump(t, again)); a != b {
		t.Errorf("the dump loads to something else:\n%s\n%s", a, b)
	}
}

func TestDumpLeavesOutWhatHasNoEffect(t *testing.T) {
	f := func(extra string, has, lacks string) {
		t.Helper()
		got := dump(t, load(t, minimal+extra, "HOME=/h"))
		for _, key := range strings.Fields(has) {
			if !strings.Contains(got, "\n  "+key+": ") {
				t.Errorf("%q: no %s in\n%s", extra, key, got)
			}
		}
		for _, key := range strings.Fields("secret_key_file token_file auto endpoint_ poll_interval " + lacks) {
			if strings.Contains(got, "\n  "+key+": ") {
				t.Errorf("%q: %s in\n%s", extra, key, got)
			}
		}
		memkey := got[strings.Index(got, "\nmemkey:"):]
		if strings.Contains(memkey, "endpoint") || strings.Contains(memkey, "insecure_skip_verify") || !strings.Contains(memkey, "socket_path") {
			t.Errorf("keys that have no effect: %s", memkey)
		}
	}
	f("", "mode", "cert_file key_file names dir")
	f("tls: {auto: true}\n", "mode names dir", "cert_file key_file")
	f("tls: {mode: files, cert_file: /c, key_file: /k, dir: /d}\n", "mode cert_file key_file", "names dir")
	f("tls: {mode: \"off\", cert_file: /c, key_file: /k}\n", "mode", "cert_file key_file")
	f("memkey: {poll_interval: 1s, insecure_skip_verify: true}\n", "", "")
}
