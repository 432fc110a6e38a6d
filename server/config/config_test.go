package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// minimal is the shortest file that is complete.
const minimal = `backend:
  endpoint: https://s3.example.com
  access_key: BACKENDKEY
  secret_key: backend-secret-text
client:
  access_key: CLIENTKEY
  secret_key: client-secret-text
admin:
  token: admin-token-0123456789
`

// write puts content into a file that only we can read.
func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, content string, environ ...string) *Config {
	t.Helper()
	c, err := Load(write(t, "proxy.yaml", content), environ)
	if err != nil {
		t.Fatalf("cannot load: %v", err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := load(t, minimal, "HOME=/home/me")
	for _, f := range []struct {
		name      string
		got, want any
	}{
		{"listen_addr", c.ListenAddr, ":8080"},
		{"admin_listen_addr", c.AdminListenAddr, "127.0.0.1:8081"},
		{"multipart.resume", c.Multipart.Resume, true},
		{"backend.region", c.Backend.Region, "us-east-1"},
		{"backend.path_style", c.Backend.PathStyle, false},
		{"allowed_buckets", len(c.AllowedBuckets), 0},
		{"tls.mode", c.TLS.Mode, TLSOff},
		{"encryption.cipher", c.Encryption.Cipher, "xchacha20-poly1305"},
		{"encryption.chunk_size", c.Encryption.ChunkSize, Size(0)},
		{"encryption.block_size", c.Encryption.BlockSize, 1024},
		{"pipeline.workers", c.Pipeline.Workers, 0},
		{"pipeline.budget", c.Pipeline.Budget, Size(256 << 20)},
		{"encryption.block_hint", c.Encryption.BlockHint, false},
		{"encryption.etag", c.Encryption.ETag, ETagOpaque},
		{"encryption.default_checksum", c.Encryption.Checksum, ChecksumCRC64NVME},
		{"encryption.etag_cache", c.Encryption.ETagCache, 100000},
		{"backend.key_rules", c.Backend.KeyRules, KeysAuto},
		{"backend.conditional_writes", c.Backend.ConditionalWrites, ConditionsNative},
		{"backend.multipart_threads", c.Backend.MultipartThreads, 1},
		{"pipeline.queue_timeout", c.Pipeline.QueueTimeout, 5 * time.Second},
		{"pipeline.whole_object", c.Pipeline.WholeObject, Size(64 << 20)},
		{"pipeline.hashing", c.Pipeline.Hashing, "auto"},
		{"limits.max_connections", c.Limits.MaxConnections, 4096},
		{"limits.max_object_size", c.Limits.MaxObjectSize, Size(5 << 30)},
		{"limits.header_timeout", c.Limits.HeaderTimeout, 30 * time.Second},
		{"limits.progress_timeout", c.Limits.ProgressTimeout, time.Minute},
		{"limits.idle_timeout", c.Limits.IdleTimeout, 3 * time.Minute},
		{"memkey.socket_path", c.Memkey.SocketPath, "/run/memkey/memkey.sock"},
		{"memkey.mode", c.Memkey.Mode, MemkeyExport},
		{"memkey.poll_interval", c.Memkey.PollInterval, 5 * time.Second},
		{"log_level", c.LogLevel, "info"},
		{"log_format", c.LogFormat, "json"},
		{"shutdown_timeout", c.ShutdownTimeout, 30 * time.Second},
	} {
		if f.got != f.want {
			t.Errorf("%s is %v, want %v", f.name, f.got, f.want)
		}
	}
}

// TestFileSetsEveryKey gives each key of the table a value that is not its
// default, through the file and through the environment, and looks for it.
func TestFileSetsEveryKey(t *testing.T) {
	other := map[string]string{
		"listen_addr": "127.0.0.1:1", "admin_listen_addr": "[::1]:2", "admin.show_names": "true", "backend.endpoint": "http://127.0.0.1:9000/s3",
		"backend.region": "garage", "backend.access_key": "AK2", "backend.path_style": "true", "backend.insecure_skip_verify": "true", "backend.key_rules": "posix", "backend.conditional_writes": "emulated",
		"backend.multipart_threads": "4",
		"client.access_key":         "CK2", "allowed_buckets": "one-bucket,two-buckets", "region": "eu-west-1", "post_forms": "true", "bucket_cors": "true", "tls.mode": "files",
		"tls.auto": "true", "tls.cert_file": "/c.pem", "tls.key_file": "/k.pem", "tls.names": "pbs.lan,10.0.0.1,*.lan,::1", "tls.dir": "/tls",
		"encryption.cipher": "auto", "encryption.chunk_size": "2MiB", "encryption.block_size": "512", "encryption.block_hint": "true", "encryption.etag": "md5", "encryption.etag_cache": "0", "encryption.default_checksum": "none", "pipeline.workers": "3", "pipeline.admission": "9",
		"pipeline.budget": "512MiB", "pipeline.queue_timeout": "7s", "pipeline.whole_object": "32MiB", "pipeline.hashing": "standard", "multipart.resume": "false", "limits.max_connections": "17",
		"encryption.sealed_names": "one-bucket,*", "encryption.padded_sizes": "two-buckets",
		"limits.max_object_size": "1GiB", "limits.header_timeout": "9s", "limits.progress_timeout": "11s", "limits.idle_timeout": "2m0s",
		"memkey.socket_path": "/tmp/s", "memkey.server_users": "root,memkey", "memkey.mode": "agent", "memkey.poll_interval": "1s", "memkey.insecure_skip_verify": "true",
		"log_level": "debug", "log_format": "console", "shutdown_timeout": "1s",
	}
	elsewhere := map[string]string{ // tested by name in other tests
		"backend.secret_key": "TestSecretSources", "client.secret_key": "TestSecretSources", "admin.token": "TestSecretSources",
		"backend.secret_key_file": "TestSecretSources", "client.secret_key_file": "TestSecretSources", "admin.token_file": "TestSecretSources",
		"backend.ca_file": "contradicts insecure_skip_verify", "memkey.endpoint": "always refused: TestProblems",
	}
	var environ []string
	for _, k := range Keys() {
		v, ok := other[k.Name]
		if !ok {
			if elsewhere[k.Name] == "" {
				t.Errorf("%s: no value here; add one", k.Name)
			}
			continue
		}
		if v == k.Default {
			t.Errorf("%s: the value here is its default", k.Name)
		}
		environ = append(environ, k.Env+"="+v)
	}
	fromEnv := load(t, minimal, environ...)
	other["backend.secret_key"], other["client.secret_key"], other["admin.token"] = "secret-1", "secret-2", "secret-token"
	fromFile := load(t, asFile(other))
	for key := range elsewhere {
		delete(other, key)
	}
	for name, c := range map[string]*Config{"environment": fromEnv, "file": fromFile} {
		for _, s := range c.Settings() {
			if want, ok := other[s.Key.Name]; ok && s.Value != want {
				t.Errorf("%s: %s is %q, want %q", name, s.Key.Name, s.Value, want)
			}
		}
	}
}

// asFile writes values as a configuration file.
func asFile(values map[string]string) string {
	var b strings.Builder
	section := ""
	for _, k := range Keys() {
		v, ok := values[k.Name]
		if !ok {
			continue
		}
		if k.Kind == List {
			v = `["` + strings.ReplaceAll(v, ",", `", "`) + `"]`
		} else {
			v = strconv.Quote(v)
		}
		head, leaf, nested := strings.Cut(k.Name, ".")
		switch {
		case !nested:
			b.WriteString(head + ": " + v + "\n")
			continue
		case head != section:
			b.WriteString(head + ":\n")
			section = head
		}
		b.WriteString("  " + leaf + ": " + v + "\n")
	}
	return b.String()
}

func TestSources(t *testing.T) {
	file := minimal + "listen_addr: 127.0.0.1:1\nallowed_buckets: [one-bucket]\n"
	c := load(t, file)
	if c.ListenAddr != "127.0.0.1:1" || len(c.AllowedBuckets) != 1 {
		t.Errorf("the file does not win over the defaults: %+v", c)
	}
	c = load(t, file, "S3CP_LISTEN_ADDR=127.0.0.1:0", "S3CP_ALLOWED_BUCKETS= two-buckets , three-buckets ")
	if c.ListenAddr != "127.0.0.1:0" || strings.Join(c.AllowedBuckets, "|") != "two-buckets|three-buckets" {
		t.Errorf("the environment does not win over the file: %+v", c)
	}
	if c = load(t, file, "S3CP_ALLOWED_BUCKETS="); len(c.AllowedBuckets) != 0 {
		t.Errorf("a variable that is set but empty is not an empty value: %v", c.AllowedBuckets)
	}
	env := []string{
		"S3CP_BACKEND_ENDPOINT=http://127.0.0.1:1", "S3CP_BACKEND_ACCESS_KEY=a", "S3CP_BACKEND_SECRET_KEY=b",
		"S3CP_CLIENT_ACCESS_KEY=c", "S3CP_CLIENT_SECRET_KEY=d", "S3CP_ADMIN_TOKEN=e", "PATH=/bin",
	}
	if _, err := Load("", env); err != nil {
		t.Errorf("the environment alone is not enough: %v", err)
	}
}

func TestNothingIsExpanded(t *testing.T) {
	const odd = `pa$sword$1x ${HOME} 'q' "q" \n # : & * %`
	c := load(t, strings.Replace(minimal, "client-secret-text", "'"+strings.ReplaceAll(odd, "'", "''")+"'", 1), "HOME=/x")
	if got := c.Client.SecretKey.Reveal(); got != odd {
		t.Errorf("from the file: %q, want %q", got, odd)
	}
	c = load(t, minimal, "S3CP_CLIENT_SECRET_KEY="+odd, "HOME=/x")
	if got := c.Client.SecretKey.Reveal(); got != odd {
		t.Errorf("from the environment: %q, want %q", got, odd)
	}
}

// TestScalarsKeepTheirText: YAML would read these as numbers or booleans.
func TestScalarsKeepTheirText(t *testing.T) {
	for _, v := range []string{"0123", "1e5", "0x1F", "12:30", "yes", "1_000", "2001-01-01", "~a", "1.10"} {
		c := load(t, strings.Replace(minimal, "client-secret-text", v, 1))
		if got := c.Client.SecretKey.Reveal(); got != v {
			t.Errorf("%q became %q", v, got)
		}
	}
}

func TestTLSMode(t *testing.T) {
	f := func(tls string, environ []string, want string) {
		t.Helper()
		if c := load(t, minimal+tls, append(environ, "HOME=/h")...); c.TLS.Mode != want {
			t.Errorf("%q %v: mode %q, want %q", tls, environ, c.TLS.Mode, want)
		}
	}
	f("", nil, TLSOff)
	f("tls:\n  auto: true\n", nil, TLSAuto)
	f("tls:\n  auto: true\n", []string{"S3CP_TLS=off"}, TLSOff)
	f("tls:\n  mode: \"off\"\n", []string{"S3CP_TLS=auto"}, TLSAuto)
	f("tls:\n  mode: off\n", nil, TLSOff)
	f("tls:\n  cert_file: /c\n  key_file: /k\n", nil, TLSFiles)
	f("tls:\n  cert_file: /c\n  key_file: /k\n  auto: true\n", nil, TLSFiles)
	f("tls:\n  cert_file: /c\n  key_file: /k\n", []string{"S3CP_TLS=off"}, TLSOff)
	f("", []string{"S3CP_TLS_CERT=/c", "S3CP_TLS_KEY=/k"}, TLSFiles)
	f("tls:\n  cert_file: /c\n  key_file: /k\n", []string{"S3CP_TLS_CERT=", "S3CP_TLS_KEY="}, TLSOff)
}

func TestStateDir(t *testing.T) {
	f := func(env map[string]string, root bool, want string) {
		t.Helper()
		if got := stateDir(env, root); got != want {
			t.Errorf("stateDir(%v, %v) = %q, want %q", env, root, got, want)
		}
	}
	f(map[string]string{"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "HOME": "/h"}, true, "/var/lib/a")
	f(map[string]string{"HOME": "/h"}, true, "/var/lib/s3-crypt-proxy")
	f(map[string]string{"HOME": "/h", "XDG_STATE_HOME": "/s"}, false, "/s/s3-crypt-proxy")
	f(map[string]string{"HOME": "/h", "XDG_STATE_HOME": "relative"}, false, "/h/.local/state/s3-crypt-proxy")
	f(nil, false, "")
}

func TestWholeObjectFollowsTheBudget(t *testing.T) {
	f := func(pipeline string, want Size) {
		t.Helper()
		if c := load(t, minimal+pipeline); c.Pipeline.WholeObject != want {
			t.Errorf("%q: %v, want %v", pipeline, c.Pipeline.WholeObject, want)
		}
	}
	f("", 64<<20)
	f("pipeline: {budget: 1GiB}\n", 64<<20)
	f("pipeline: {budget: 64MiB}\n", 16<<20)
	f("pipeline: {budget: 64MiB, whole_object: 64MiB}\n", 64<<20)
}

func TestSuite(t *testing.T) {
	for _, name := range []string{"xchacha20-poly1305", "aes-256-gcm"} {
		suite, auto := load(t, minimal+"encryption: {cipher: "+name+"}\n").Encryption.Suite()
		if auto || suite.String() != name {
			t.Errorf("%s: suite %v, auto %v", name, suite, auto)
		}
	}
	if _, auto := load(t, minimal+"encryption: {cipher: auto}\n").Encryption.Suite(); !auto {
		t.Error("auto is not auto")
	}
}

func TestWarnings(t *testing.T) {
	f := func(extra string, environ []string, key string) {
		t.Helper()
		c := load(t, minimal+extra, append(environ, "HOME=/h")...)
		for _, w := range c.Warnings {
			if strings.HasPrefix(w, key+": ") {
				return
			}
		}
		t.Errorf("%q %v: no warning of %s in %q", extra, environ, key, c.Warnings)
	}
	f("", nil, "tls.mode")
	f("listen_addr: 10.0.0.1:8080\n", nil, "tls.mode")
	f("admin_listen_addr: :8081\n", nil, "admin_listen_addr")
	f("", []string{"S3CP_BACKEND_INSECURE=true"}, "backend.insecure_skip_verify")
	f("", []string{"S3CP_BACKEND_ENDPOINT=http://10.0.0.1"}, "backend.endpoint")
	f("", []string{"S3CP_ADMIN_TOKEN=short"}, "admin.token")
	f("limits: {idle_timeout: 90s}\n", nil, "limits.idle_timeout")
	f("pipeline: {budget: 64MiB}\n", []string{"S3CP_BACKEND_MULTIPART_THREADS=5"}, "backend.multipart_threads")
	f("memkey: {poll_interval: 5s}\n", nil, "memkey.poll_interval")
	f("", []string{"S3CP_MEMKEY_INSECURE=false"}, "memkey.insecure_skip_verify")
	f("tls: {mode: auto, cert_file: /c}\n", nil, "tls.cert_file")

	path := write(t, "proxy.yaml", minimal)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, nil)
	if err != nil || !strings.Contains(strings.Join(c.Warnings, "\n"), "client.secret_key: "+path+" can be read by every user") {
		t.Errorf("no warning of a public file: %v %q", err, c.Warnings)
	}

	quiet := load(t, minimal, "S3CP_LISTEN_ADDR=localhost:8080", "S3CP_BACKEND_ENDPOINT=http://[::1]:9000")
	if len(quiet.Warnings) > 0 {
		t.Errorf("warnings of a configuration on loopback: %q", quiet.Warnings)
	}
	if w := load(t, minimal+"tls: {auto: true}\n", "HOME=/h").Warnings; len(w) > 0 {
		t.Errorf("warnings of a good configuration: %q", w)
	}
}
