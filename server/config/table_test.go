package config

import (
	"regexp"
	"strings"
	"testing"
)

// TestTable holds every key to the rules of the table.
func TestTable(t *testing.T) {
	names, envs, fields := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, k := range Keys() {
		if names[k.Name] || envs[k.Env] {
			t.Errorf("%s, %s: given twice", k.Name, k.Env)
		}
		names[k.Name], envs[k.Env] = true, true
		if !regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)?$`).MatchString(k.Name) {
			t.Errorf("%s: not a dotted name", k.Name)
		}
		if !regexp.MustCompile(`^S3CP_[A-Z_]+$`).MatchString(k.Env) {
			t.Errorf("%s: bad variable %q", k.Name, k.Env)
		}
		if k.Kind == "" || k.Allowed == "" || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s: no kind, no Allowed, or no sentence in Doc", k.Name)
		}
		if k.bind.set == nil || k.bind.get == nil {
			t.Fatalf("%s: bound to no field", k.Name)
		}
		if k.Required && k.Default != "" && k.Name != "memkey.socket_path" {
			t.Errorf("%s: required and has a default", k.Name)
		}
		// Two keys on one field would overwrite each other.
		var c Config
		for _, v := range []string{"7s", "700000", "7", "70MiB", "true", "warn", "json", "aes-256-gcm", "files", "agent", "/x", "2048", "x.example:1", "http://h", "any", "emulated", "md5", "none", "fused", "abc"} {
			if k.bind.set(&c, []string{v}) == nil {
				for _, other := range Keys() {
					if other.Name != k.Name && strings.Join(other.bind.get(&c), ",") != strings.Join(other.bind.get(&Config{}), ",") {
						t.Errorf("%s and %s share a field", k.Name, other.Name)
					}
				}
				fields[k.Name] = true
				break
			}
		}
		if !fields[k.Name] {
			t.Errorf("%s: none of the test's values fits; add one", k.Name)
		}
		if k.FileFor != "" && (k.Name != k.FileFor+"_file") {
			t.Errorf("%s: should be %s_file", k.Name, k.FileFor)
		}
	}
	for _, k := range Keys() {
		if k.Secret() && (!names[k.Name+"_file"] || !envs[k.Env+"_FILE"]) {
			t.Errorf("%s: a secret without _file forms", k.Name)
		}
		if k.FileFor != "" && !names[k.FileFor] {
			t.Errorf("%s: names a file for the unknown %s", k.Name, k.FileFor)
		}
	}
}

// TestNoKeyReadsAMasterKey: the only secrets are three that the backend, the
// clients and the administrators know, the only files are those and the TLS
// pair, and nothing is named like a master key. Whoever adds a key that fails
// here must not.
func TestNoKeyReadsAMasterKey(t *testing.T) {
	secrets := map[string]bool{"backend.secret_key": true, "client.secret_key": true, "admin.token": true}
	files := map[string]bool{
		"backend.secret_key_file": true, "client.secret_key_file": true, "admin.token_file": true,
		"backend.ca_file": true, "tls.cert_file": true, "tls.key_file": true, "tls.dir": true, "memkey.socket_path": true,
	}
	named := regexp.MustCompile(`(?i)master|passphrase|passwd|password|seed|mnemonic|keyring|kek|dek|root_?key|data_?key|encryption\.(.*_)?key|memkey\.(.*_)?(key|file|secret|token)`)
	pathLike := regexp.MustCompile(`(?i)file|path of|absolute path|dir`)
	for _, k := range Keys() {
		if k.Secret() != secrets[k.Name] {
			t.Errorf("%s: secret is %v", k.Name, k.Secret())
		}
		if pathLike.MatchString(k.Name+" "+k.Allowed) && k.Name != "tls.mode" && !files[k.Name] {
			t.Errorf("%s: reads something from disk that this test does not know", k.Name)
		}
		if named.MatchString(k.Name) || named.MatchString(strings.TrimPrefix(k.Env, "S3CP_MEMKEY")) {
			t.Errorf("%s, %s: named like a master key", k.Name, k.Env)
		}
	}
	for _, name := range []string{"master_key", "memkey.master_key", "encryption.key", "encryption.master_key_file"} {
		var content string
		if section, leaf, ok := strings.Cut(name, "."); ok {
			content = section + ":\n  " + leaf + ": 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
		} else {
			content = name + ": 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
		}
		_, err := Load(write(t, "proxy.yaml", minimal+content), nil)
		if err == nil || !strings.Contains(err.Error(), name+": unknown key") || strings.Contains(err.Error(), "00010203") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, env := range []string{"S3CP_MASTER_KEY", "S3CP_ENCRYPTION_KEY", "S3CP_MASTER_KEY_FILE", "S3CP_MEMKEY_KEY"} {
		_, err := Load(write(t, "proxy.yaml", minimal), []string{env + "=00010203"})
		if err == nil || !strings.Contains(err.Error(), env+": unknown variable") || strings.Contains(err.Error(), "00010203") {
			t.Errorf("%s: %v", env, err)
		}
	}
}

// TestEarlierNames: the earlier system's keys, variables and defaults. Two differ
// on purpose: the admin listener is on loopback, and the batch size, which had no
// effect, is chosen from the processor.
func TestEarlierNames(t *testing.T) {
	byName := map[string]Key{}
	for _, k := range Keys() {
		byName[k.Name] = k
	}
	for _, want := range []struct{ name, env, def string }{
		{"listen_addr", "S3CP_LISTEN_ADDR", ":8080"},
		{"admin_listen_addr", "S3CP_ADMIN_LISTEN_ADDR", "127.0.0.1:8081"},
		{"backend.endpoint", "S3CP_BACKEND_ENDPOINT", ""},
		{"backend.region", "S3CP_BACKEND_REGION", "us-east-1"},
		{"backend.access_key", "S3CP_BACKEND_ACCESS_KEY", ""},
		{"backend.secret_key", "S3CP_BACKEND_SECRET_KEY", ""},
		{"backend.path_style", "S3CP_BACKEND_PATH_STYLE", "false"},
		{"backend.insecure_skip_verify", "S3CP_BACKEND_INSECURE", "false"},
		{"client.access_key", "S3CP_CLIENT_ACCESS_KEY", ""},
		{"client.secret_key", "S3CP_CLIENT_SECRET_KEY", ""},
		{"encryption.chunk_size", "S3CP_CHUNK_SIZE", "0"},
		{"allowed_buckets", "S3CP_ALLOWED_BUCKETS", ""},
		{"admin.token", "S3CP_ADMIN_TOKEN", ""},
		{"tls.cert_file", "S3CP_TLS_CERT", ""},
		{"tls.key_file", "S3CP_TLS_KEY", ""},
		{"memkey.socket_path", "S3CP_MEMKEY_SOCKET", "/run/memkey/memkey.sock"},
		{"memkey.endpoint", "S3CP_MEMKEY_ENDPOINT", ""},
		{"memkey.poll_interval", "S3CP_MEMKEY_POLL_INTERVAL", "5s"},
		{"memkey.insecure_skip_verify", "S3CP_MEMKEY_INSECURE", "false"},
		{"log_level", "S3CP_LOG_LEVEL", "info"},
	} {
		k, ok := byName[want.name]
		if !ok || k.Env != want.env || k.Default != want.def {
			t.Errorf("%s: have %s %q, want %s %q", want.name, k.Env, k.Default, want.env, want.def)
		}
	}
}

func TestManualExplainsEveryKey(t *testing.T) {
	var b strings.Builder
	if err := WriteManual(&b); err != nil {
		t.Fatal(err)
	}
	for _, k := range Keys() {
		if !strings.Contains(b.String(), k.Name+" ("+k.Env+")\n") {
			t.Errorf("the manual lacks %s", k.Name)
		}
	}
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "    ") && !strings.HasPrefix(line, "    Takes") && !strings.HasPrefix(line, "    Required") && len(line) > 82 {
			t.Errorf("long line: %q", line)
		}
	}
}
