package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProblems is the golden list of error texts. FILE stands for the path.
func TestProblems(t *testing.T) {
	for _, f := range []struct {
		name, file string
		env        []string
		want       string
	}{
		{"unknown key", minimal + "log_levle: info\n", nil,
			`FILE:10: log_levle: unknown key; did you mean log_level?`},
		{"unknown key in a section", strings.Replace(minimal, "  access_key: BACKENDKEY", "  access_key: BACKENDKEY\n  regin: eu", 1), nil,
			`FILE:4: backend.regin: unknown key; did you mean backend.region?`},
		{"a key nothing is like", minimal + "zzzzqqqq: 1\n", nil,
			`FILE:10: zzzzqqqq: unknown key`},
		{"a section of the earlier deploy script", minimal + "proxy:\n  listen_addr: :1\n  tls_cert: x\n", nil,
			"FILE:11: proxy.listen_addr: unknown key; did you mean listen_addr?\nFILE:12: proxy.tls_cert: unknown key"},
		{"a key written flat", minimal + "tls.auto: true\n", nil,
			`FILE:10: tls.auto: unknown key; write auto: on an indented line below tls:`},
		{"key twice", minimal + "log_level: info\nlog_level: debug\n", nil,
			`FILE:11: log_level: it is given twice, first on line 10`},
		{"section twice", minimal + "admin:\n  token: x\n", nil,
			`FILE:10: admin: it is given twice, first on line 8`},
		{"bad choice", minimal + "log_level: loud\n", nil,
			`FILE:10: log_level is "loud": want debug, info, warn or error`},
		{"bad boolean", minimal + "tls:\n  auto: yes\n", nil,
			`FILE:11: tls.auto is "yes": want true or false`},
		{"map for a value", minimal + "log_level:\n  a: b\n", nil,
			`FILE:10: log_level: it is not a single value; want debug, info, warn or error`},
		{"list for a value", minimal + "listen_addr: [\":1\"]\n", nil,
			`FILE:10: listen_addr: it is not a single value; want host:port, [IPv6]:port or :port for all interfaces`},
		{"value for a list", minimal + "allowed_buckets: abc\n", nil,
			"FILE:10: allowed_buckets: it is not a list; want lines that begin with `- `, or [a, b]"},
		{"map in a list", minimal + "allowed_buckets: [{a: b}]\n", nil,
			`FILE:10: allowed_buckets: an item of the list is no single value`},
		{"value for a section", minimal + "tls: files\n", nil,
			"FILE:10: tls: it is a section; want indented `key: value` lines below it"},
		{"no value", minimal + "log_level:\n", nil,
			`FILE:10: log_level: it has no value; write "" for empty, or take the line out`},
		{"no list", minimal + "allowed_buckets:\n", nil,
			`FILE:10: allowed_buckets: it has no value; write [] for empty, or take the line out`},
		{"bad bucket", minimal + "allowed_buckets: [good-one, Bad_One]\n", nil,
			`FILE:10: allowed_buckets: "Bad_One" is not allowed; want bucket names of 3 to 63 lower-case letters, digits, dots and hyphens`},
		{"bucket twice", minimal + "allowed_buckets: [abc, abc]\n", nil,
			`FILE:10: allowed_buckets: "abc" is in it twice; want bucket names of 3 to 63 lower-case letters, digits, dots and hyphens`},
		{"anchor", minimal + "log_level: &a info\n", nil,
			"FILE:10: log_level: YAML anchors and aliases are not supported; put a value that begins with & or * into quotes"},
		{"tag", minimal + "log_level: !!str info\n", nil,
			"FILE:10: log_level: YAML tags are not supported; put a value that begins with ! into quotes"},
		{"second document", minimal + "---\nlog_level: info\n", nil,
			`FILE:10: there is a second YAML document; want one`},
		{"no YAML", "backend: [\n", nil,
			`FILE:1: it is no valid YAML: did not find expected node content`},
		{"a list as the file", "- a\n", nil,
			"FILE:1: the file is no set of `key: value` lines"},
		{"bad address", minimal + "listen_addr: \"8080\"\n", nil,
			`FILE:10: listen_addr is "8080": want host:port, [IPv6]:port or :port for all interfaces`},
		{"bad port", minimal + "listen_addr: :http\n", nil,
			`FILE:10: listen_addr is ":http": the port is no number from 0 to 65535; want host:port, [IPv6]:port or :port for all interfaces`},
		{"bad size", minimal + "encryption:\n  chunk_size: 4M\n", nil,
			`FILE:11: encryption.chunk_size is "4M": ambiguous unit; write MiB (1024) or MB (1000); want 64KiB to 64MiB, or 0`},
		{"size out of range", minimal + "encryption:\n  chunk_size: 128MiB\n", nil,
			`FILE:11: encryption.chunk_size is "128MiB": want 64KiB to 64MiB, or 0`},
		{"hint that does not fit", minimal + "encryption:\n  block_size: 2048\n  block_hint: true\n", nil,
			`FILE:12: encryption.block_hint is true: a block of 2048 bytes, encryption.block_size, does not fit into the 2 KiB of user metadata that S3 has; the largest that does is 1024`},
		{"bad block size", minimal + "encryption:\n  block_size: 1000\n", nil,
			`FILE:11: encryption.block_size is "1000": want 512, 1024, 2048 or 4096`},
		{"bad cipher", minimal + "encryption:\n  cipher: AES-256-GCM\n", nil,
			`FILE:11: encryption.cipher is "AES-256-GCM": want xchacha20-poly1305, aes-256-gcm or auto`},
		{"duration without unit", minimal + "shutdown_timeout: 30\n", nil,
			`FILE:10: shutdown_timeout is "30": it has no unit; write 30s for seconds; want 100ms to 1h`},
		{"whole object above the budget", minimal + "pipeline:\n  budget: 64MiB\n  whole_object: 65MiB\n", nil,
			`FILE:12: pipeline.whole_object is "65MiB": it is above pipeline.budget, 64MiB`},
		{"cert without key", minimal + "tls:\n  cert_file: /c\n", nil,
			`tls.key_file: it is missing: TLS with files needs tls.cert_file and tls.key_file`},
		{"nowhere to keep a certificate", minimal + "tls:\n  auto: true\n  dir: relative\n", nil,
			`FILE:12: tls.dir is "relative": want an absolute path, or nothing`},
		{"ca_file that is ignored", strings.Replace(minimal, "client:", "  insecure_skip_verify: true\n  ca_file: /ca\nclient:", 1), nil,
			`FILE:6: backend.ca_file: backend.insecure_skip_verify would ignore it; give one of the two`},
		{"two listeners on one port", minimal + "listen_addr: :8081\n", nil,
			`admin_listen_addr is "127.0.0.1:8081": it has the port of listen_addr, :8081`},
		{"memkey.endpoint", minimal + "memkey:\n  endpoint: https://10.0.0.1:7070\n", nil,
			`FILE:11: memkey.endpoint: keys come only through the local socket memkey.socket_path; take this key out`},
		{"relative socket", minimal, []string{"S3CP_MEMKEY_SOCKET=memkey.sock"},
			`S3CP_MEMKEY_SOCKET (memkey.socket_path) is "memkey.sock": want an absolute path`},
		{"empty socket", minimal, []string{"S3CP_MEMKEY_SOCKET="},
			`S3CP_MEMKEY_SOCKET (memkey.socket_path): it is missing; set it in the file, or S3CP_MEMKEY_SOCKET`},
		{"endpoint without scheme", strings.Replace(minimal, "https://s3.example.com", "s3.example.com:9000", 1), nil,
			`FILE:2: backend.endpoint: want an http:// or https:// URL of a host, perhaps with a port and a path`},
		{"secret with a line break", minimal, []string{"S3CP_CLIENT_SECRET_KEY=abc\ndef"},
			`S3CP_CLIENT_SECRET_KEY (client.secret_key): it has a line break or control character; want any text without line breaks and control characters`},
		{"a secret from the output of check", minimal, []string{"S3CP_CLIENT_SECRET_KEY=redacted"},
			"S3CP_CLIENT_SECRET_KEY (client.secret_key): `redacted` is what `check` prints in place of a secret, not a secret; put the secret itself there; want any text without line breaks and control characters"},
		{"unknown variable", minimal, []string{"S3CP_LOGLEVEL=info"},
			`S3CP_LOGLEVEL: unknown variable; did you mean S3CP_LOG_LEVEL?`},
		{"bad variable", minimal, []string{"S3CP_LOG_LEVEL=loud"},
			`S3CP_LOG_LEVEL (log_level) is "loud": want debug, info, warn or error`},
		{"empty variable of a choice", minimal, []string{"S3CP_LOG_LEVEL="},
			`S3CP_LOG_LEVEL (log_level) is "": want debug, info, warn or error`},
		{"everything missing", "log_level: info\n", nil,
			"backend.endpoint: it is missing; set it in the file, or S3CP_BACKEND_ENDPOINT\n" +
				"backend.access_key: it is missing; set it in the file, or S3CP_BACKEND_ACCESS_KEY\n" +
				"backend.secret_key: it is missing; set it in the file, backend.secret_key_file, or S3CP_BACKEND_SECRET_KEY\n" +
				"client.access_key: it is missing; set it in the file, or S3CP_CLIENT_ACCESS_KEY\n" +
				"client.secret_key: it is missing; set it in the file, client.secret_key_file, or S3CP_CLIENT_SECRET_KEY\n" +
				"admin.token: it is missing; set it in the file, admin.token_file, or S3CP_ADMIN_TOKEN"},
		{"many at once", minimal + "log_level: loud\nlisten_addr: x\nnope_nope: 1\n", []string{"S3CP_TLS=maybe"},
			"FILE:12: nope_nope: unknown key\n" +
				"FILE:11: listen_addr is \"x\": want host:port, [IPv6]:port or :port for all interfaces\n" +
				"S3CP_TLS (tls.mode) is \"maybe\": want off, auto, files, or nothing\n" +
				"FILE:10: log_level is \"loud\": want debug, info, warn or error"},
	} {
		t.Run(f.name, func(t *testing.T) {
			path := write(t, "proxy.yaml", f.file)
			_, err := Load(path, f.env)
			if err == nil {
				t.Fatalf("accepted; want %q", f.want)
			}
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("the error is a %T", err)
			}
			if got := strings.ReplaceAll(err.Error(), path, "FILE"); got != f.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, f.want)
			}
		})
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	f := func(path, want string) {
		t.Helper()
		_, err := Load(path, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%v, want %q and the path once", err, want)
		}
	}
	f(filepath.Join(dir, "none.yaml"), "cannot read the configuration: no such file or directory")
	f(dir, "cannot read the configuration: is a directory")
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, make([]byte, maxFileBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	f(big, "it has more than 1048576 bytes")
}

// TestNoErrorShowsASecret makes every mistake that is likely with secrets and
// looks for them in the error.
func TestNoErrorShowsASecret(t *testing.T) {
	const word = "wJalrXUtnFEMI"
	for _, f := range []struct{ file, env string }{
		{minimal + "client_secret: " + word, ""},
		{strings.Replace(minimal, "client-secret-text", "*"+word, 1), ""},
		{strings.Replace(minimal, "client-secret-text", "&"+word, 1), ""},
		{strings.Replace(minimal, "client-secret-text", "!"+word+" x", 1), ""},
		{strings.Replace(minimal, "client-secret-text", "["+word, 1), ""},
		{strings.Replace(minimal, "client-secret-text", "{"+word+": 1", 1), ""},
		{strings.Replace(minimal, "client-secret-text", "'"+word, 1), ""},
		{strings.Replace(minimal, "client-secret-text", "\""+word+"\\q\"", 1), ""},
		{strings.Replace(minimal, "client-secret-text", "%"+word, 1), ""},
		{strings.Replace(minimal, "client-secret-text", "@"+word, 1), ""},
		{strings.Replace(minimal, "client-secret-text", "`"+word, 1), ""},
		{strings.Replace(minimal, "client-secret-text", word+": x", 1), ""},
		{strings.Replace(minimal, "client-secret-text", "["+word+"]", 1), ""},
		{strings.Replace(minimal, "client-secret-text", "|\n    "+word+"\n    two lines", 1), ""},
		{strings.Replace(minimal, "client-secret-text", "\""+word+"\\u0001\"", 1), ""},
		{strings.Replace(minimal, "admin-token-0123456789", "\""+word+" space\"", 1), ""},
		{strings.Replace(minimal, "CLIENTKEY", word+"/K7MDENG", 1), ""}, // the secret in the place of the access key
		{strings.Replace(minimal, "https://s3", "https://user:"+word+"@s3", 1), ""},
		{strings.Replace(minimal, "https://s3", "ftp://user:"+word+"@s3", 1), ""},
		{strings.Replace(minimal, "https://s3", "https://%zz:"+word+"@s3", 1), ""},
		{minimal + "memkey: {endpoint: 'https://x:" + word + "@h'}\n", ""},
		{minimal, "S3CP_CLIENT_SECRET_KEY=" + word + "\n"},
		{minimal, "S3CP_SECRET=" + word},
		{minimal, "S3CP_ADMIN_TOKEN=" + word + " x"},
		{"client: " + word + "\n", ""},
		{"client: [" + word + "]\n", ""},
	} {
		_, err := Load(write(t, "proxy.yaml", f.file), []string{f.env})
		if err == nil {
			t.Errorf("accepted: %q %q", f.file, f.env)
		} else if strings.Contains(err.Error(), word) {
			t.Errorf("%q %q: shown in %v", f.file, f.env, err)
		}
	}
}

func TestProblemsAreBounded(t *testing.T) {
	var b strings.Builder
	for range 40000 {
		b.WriteString("k")
		b.WriteString(strings.Repeat("x", b.Len()%23))
		b.WriteString(": 1\n")
		if b.Len() > maxFileBytes-100 {
			break
		}
	}
	_, err := Load(write(t, "proxy.yaml", b.String()), nil)
	if n := strings.Count(err.Error(), "\n"); n != maxProblems || !strings.Contains(err.Error(), " more") {
		t.Errorf("%d lines", n)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"log_level", "log_format", "listen_addr", "backend.region"}
	f := func(name, want string) {
		t.Helper()
		if got := nearest(name, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
	f("log_levle", "log_level")
	f("loglevel", "log_level")
	f("LOG_LEVEL", "log_level")
	f("listen_address", "listen_addr")
	f("backend.regoin", "backend.region")
	f("colour", "")
	f("backend.cipher", "") // the section alone makes nothing near
	f("backend.bucket", "")
	f("", "")
}

func TestDistance(t *testing.T) {
	f := func(a, b string, want int) {
		t.Helper()
		if got := distance(a, b, 100); got != want {
			t.Errorf("distance(%q, %q) = %d, want %d", a, b, got, want)
		}
		if got := distance(a, b, want-1); want > 0 && got < want {
			t.Errorf("distance(%q, %q) with limit %d = %d: below the truth", a, b, want-1, got)
		}
	}
	f("", "", 0)
	f("abc", "abc", 0)
	f("abc", "", 3)
	f("kitten", "sitting", 3)
	f("abc", "acb", 2)
}
