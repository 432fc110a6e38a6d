//go:build integration

package packages

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

// answers are good ones; secrets but the client's are plain.
func (s *scene) answers() map[string]string {
	return map[string]string{
		"BACKEND_ENDPOINT": s.backend.Endpoint(), "BACKEND_REGION": s.backend.Region, "BACKEND_CA_FILE": "/etc/s3-crypt-proxy/backend.pem",
		"BACKEND_ACCESS_KEY": s.backend.AccessKey, "BACKEND_SECRET_KEY": s.backend.SecretKey, "ALLOWED_BUCKETS": bucket + " , other-bucket",
		"LISTEN_ADDR": s.proxy, "ADMIN_LISTEN_ADDR": s.admin, "MEMKEY_LISTEN_ADDR": s.keys, "TLS_NAMES": "it.example.com,10.9.8.7",
		"CLIENT_ACCESS_KEY": "it's'a'KEY", "CLIENT_SECRET_KEY": hostile, "ADMIN_TOKEN": token, "START": "yes",
	}
}

func lines(answers map[string]string) string {
	var b strings.Builder
	b.WriteString("# of a test\n\n")
	for k, v := range answers {
		b.WriteString(k + "=" + v + "\n")
	}
	return b.String()
}

func (s *scene) badAnswers(t *testing.T) {
	s.copyIn(t, s.backend.CAFile, "/etc/s3-crypt-proxy/backend.pem")
	if err := os.Chmod(filepath.Join(s.root, "/etc/s3-crypt-proxy/backend.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := s.run(t, "find /etc/s3-crypt-proxy /etc/credstore /var/lib/memkey /var/lib/s3-crypt-proxy -printf '%p %i %T@\\n' | grep -v '^/etc/s3-crypt-proxy [0-9]' | sort")
	for name, c := range map[string]struct {
		status int
		says   string
		change func(map[string]string) string
	}{
		"unknown":      {2, "unknown answer", func(a map[string]string) string { return lines(a) + "BACKEND_SECRET=x\n" }},
		"no answer":    {2, "unknown answer", func(a map[string]string) string { return lines(a) + "just words\n" }},
		"twice":        {2, "answered twice", func(a map[string]string) string { return lines(a) + "START=no\n" }},
		"zero byte":    {1, "zero byte", func(a map[string]string) string { a["ADMIN_TOKEN"] = "abcdefghijkl\x00mnop"; return lines(a) }},
		"control":      {2, "CLIENT_SECRET_KEY has a line break, a tab", func(a map[string]string) string { a["CLIENT_SECRET_KEY"] = "a\tb"; return lines(a) }},
		"windows":      {2, "control character", func(a map[string]string) string { return strings.ReplaceAll(lines(a), "\n", "\r\n") }},
		"public admin": {2, "must be on loopback", func(a map[string]string) string { a["ADMIN_LISTEN_ADDR"] = "0.0.0.0:8081"; return lines(a) }},
		"no endpoint":  {2, "BACKEND_ENDPOINT is missing", func(a map[string]string) string { delete(a, "BACKEND_ENDPOINT"); return lines(a) }},
		"no secret":    {2, "BACKEND_SECRET_KEY is missing", func(a map[string]string) string { delete(a, "BACKEND_SECRET_KEY"); return lines(a) }},
		"bad bucket":   {1, "allowed_buckets", func(a map[string]string) string { a["ALLOWED_BUCKETS"] = "Not A Bucket"; return lines(a) }},
		"bad endpoint": {1, "backend.endpoint", func(a map[string]string) string { a["BACKEND_ENDPOINT"] = "ftp://x': {"; return lines(a) }},
		"bad token": {1, "admin.token", func(a map[string]string) string {
			a["ADMIN_TOKEN"] = "has spaces in it, so it is none"
			return lines(a)
		}},
		"bad memkey":  {2, "MEMKEY_LISTEN_ADDR", func(a map[string]string) string { a["MEMKEY_LISTEN_ADDR"] = "x: y"; return lines(a) }},
		"bad backend": {1, "the backend cannot be used so", func(a map[string]string) string { a["BACKEND_SECRET_KEY"] = hostile; return lines(a) }},
		"no bucket":   {1, "not-there", func(a map[string]string) string { a["ALLOWED_BUCKETS"] += ",not-there"; return lines(a) }},
		"bad START":   {2, "START: want yes or no", func(a map[string]string) string { a["START"] = "perhaps"; return lines(a) }},
	} {
		s.write(t, "/root/answers", c.change(s.answers()))
		out := s.exits(t, c.status, "s3-crypt-proxy-deploy --answers /root/answers")
		if !strings.Contains(out, c.says) {
			t.Errorf("%s: it says\n%s", name, out)
		}
		if strings.Contains(out, "pwned)") || strings.Contains(out, s.backend.SecretKey) {
			t.Errorf("%s: it shows a secret:\n%s", name, out)
		}
	}
	s.write(t, "/root/answers", lines(s.answers()))
	s.exits(t, 2, "chmod 644 /root/answers; s3-crypt-proxy-deploy --answers /root/answers")
	s.exits(t, 2, "s3-crypt-proxy-deploy") // there is no terminal
	s.exits(t, 2, "s3-crypt-proxy-deploy --answer x")
	after := s.run(t, "find /etc/s3-crypt-proxy /etc/credstore /var/lib/memkey /var/lib/s3-crypt-proxy -printf '%p %i %T@\\n' | grep -v '^/etc/s3-crypt-proxy [0-9]' | sort")
	if before != after {
		t.Errorf("bad answers changed\n%s\nto\n%s", before, after)
	}
}

func (s *scene) deploy(t *testing.T) {
	// A file of somebody else's making is not replaced unasked.
	s.write(t, "/root/answers", lines(s.answers()))
	s.write(t, "/etc/s3-crypt-proxy/proxy.yaml", "# mine\n")
	if out := s.exits(t, 1, "s3-crypt-proxy-deploy --answers /root/answers"); !strings.Contains(out, "was not written by this script") {
		t.Errorf("it says\n%s", out)
	}
	// First without starting, with a backend's secret that is as hostile as the client's.
	odd := s.answers()
	odd["BACKEND_SECRET_KEY"], odd["START"] = "'\""+hostile, "no"
	s.write(t, "/root/odd", lines(odd))
	s.run(t, "s3-crypt-proxy-deploy --force --answers /root/odd; grep -q mine /etc/s3-crypt-proxy/proxy.yaml.old")
	if got := s.stored(t, "backend.secret_key"); got != "'\""+hostile+"\n" {
		t.Errorf("the backend's secret is %q", got)
	}
	if got := s.run(t, "systemctl is-active s3-crypt-proxy memkey-server || true"); got != "inactive\ninactive" {
		t.Errorf("started nevertheless: %q", got)
	}

	out := s.run(t, "s3-crypt-proxy-deploy --answers /root/answers")
	// The administrator is told a way to a key holder that listens on loopback.
	_, port, _ := strings.Cut(s.keys, ":")
	for _, want := range []string{"\n  ssh -N -L " + port + ":" + s.keys + " ", "\n  memkey-admin init --server https://" + s.keys + " --fingerprint "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for name, want := range map[string]string{"backend.secret_key": s.backend.SecretKey, "client.secret_key": hostile, "admin.token": token} {
		if got := s.stored(t, name); got != want+"\n" {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := s.run(t, "stat -c '%a %U %G %n' /etc/credstore/* /etc/s3-crypt-proxy/proxy.yaml; ls /root /etc/s3-crypt-proxy"); got != `600 root root /etc/credstore/s3-crypt-proxy.admin.token
600 root root /etc/credstore/s3-crypt-proxy.backend.secret_key
600 root root /etc/credstore/s3-crypt-proxy.client.secret_key
640 root s3-crypt-proxy /etc/s3-crypt-proxy/proxy.yaml
/etc/s3-crypt-proxy:
backend.pem
deploy.answers
memkey.yaml
proxy.yaml
proxy.yaml.old

/root:
answers
first.deb
odd
page` {
		t.Errorf("files:\n%s", got)
	}
	// TLS on, with the fingerprint that is to be pasted; operators on loopback.
	c, err := tls.Dial("tcp", s.proxy, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatalf("%v after\n%s", err, out)
	}
	defer c.Close()
	leaf := c.ConnectionState().PeerCertificates[0]
	s.fingerprint = pbs.FormatFingerprint(leaf.Raw)
	if !strings.Contains(out, s.fingerprint) || !strings.Contains(out, "it's'a'KEY") || strings.Contains(out, "pwned)") {
		t.Errorf("it says\n%s\nwith the fingerprint %s", out, s.fingerprint)
	}
	if err := leaf.VerifyHostname("it.example.com"); err != nil {
		t.Error(err)
	}
	if err := leaf.VerifyHostname("10.9.8.7"); err != nil {
		t.Error(err)
	}
	if got := s.status(t, "/healthz"); got != "200" {
		t.Errorf("healthz: %s", got)
	}
	if got := s.run(t, "systemctl is-enabled s3-crypt-proxy memkey-server"); got != "enabled\nenabled" {
		t.Errorf("not enabled: %q", got)
	}
}

// stored is what a credential holds.
func (s *scene) stored(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.root, "etc/credstore/s3-crypt-proxy."+name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// status is what the admin listener answers.
func (s *scene) status(t *testing.T, path string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(s.admin)
	if err != nil {
		t.Fatal(err)
	}
	return s.run(t, fmt.Sprintf(`exec 3<>/dev/tcp/%s/%s; printf 'GET %s HTTP/1.0\r\n\r\n' >&3; read -r _ status _ <&3; echo $status`, host, port, path))
}

const everything = "find /etc/s3-crypt-proxy /etc/credstore /var/lib/s3-crypt-proxy /var/lib/memkey -type f -not -name 'audit.log*' -not -name 'pins*' -printf '%p %i %T@\\n' | sort"

func (s *scene) deployAgain(t *testing.T) {
	proxy, keys, files := s.pid(t, "s3-crypt-proxy"), s.pid(t, "memkey-server"), s.run(t, everything)
	s.run(t, "s3-crypt-proxy-deploy --answers /root/answers")
	s.write(t, "/root/none", "")
	s.run(t, "s3-crypt-proxy-deploy --answers /root/none") // all is known already
	if now := s.run(t, everything); now != files {
		t.Errorf("files were\n%s\nand are\n%s", files, now)
	}
	if s.pid(t, "s3-crypt-proxy") != proxy || s.pid(t, "memkey-server") != keys {
		t.Error("something was restarted")
	}
	// What changes is the proxy's alone: memkey-server goes on.
	s.write(t, "/root/more", "ALLOWED_BUCKETS="+bucket+"\n")
	s.run(t, "s3-crypt-proxy-deploy --answers /root/more")
	if s.pid(t, "s3-crypt-proxy") == proxy {
		t.Error("the proxy was not restarted")
	}
	if s.pid(t, "memkey-server") != keys {
		t.Error("memkey-server was restarted")
	}
}

// deployAsking answers questions on a terminal: with nothing, which changes nothing, and with another list of buckets.
func (s *scene) deployAsking(t *testing.T) {
	proxy, keys, files := s.pid(t, "s3-crypt-proxy"), s.pid(t, "memkey-server"), s.run(t, everything)
	ask := func(answers string) string {
		t.Helper()
		s.write(t, "/root/typed", answers)
		return s.run(t, "script -qec s3-crypt-proxy-deploy /root/screen </root/typed; rm /root/typed /root/screen")
	}
	const questions = 15
	out := ask(strings.Repeat("\n", questions))
	if !strings.Contains(out, "secret key [as it is]") || strings.Contains(out, "pwned)") || strings.Contains(out, s.backend.SecretKey) {
		t.Errorf("it says\n%s", out)
	}
	if now := s.run(t, everything); now != files {
		t.Errorf("files were\n%s\nand are\n%s", files, now)
	}
	if s.pid(t, "s3-crypt-proxy") != proxy {
		t.Error("the proxy was restarted")
	}
	ask(strings.Repeat("\n", 6) + bucket + ",asked-for\n" + strings.Repeat("\n", questions-7))
	if out := s.run(t, "grep allowed_buckets /etc/s3-crypt-proxy/proxy.yaml"); out != "allowed_buckets: ['"+bucket+"', 'asked-for']" {
		t.Errorf("the proxy has %s", out)
	}
	s.run(t, "s3-crypt-proxy-deploy --answers /root/more") // as before
	if s.pid(t, "memkey-server") != keys {
		t.Error("memkey-server was restarted")
	}
}
