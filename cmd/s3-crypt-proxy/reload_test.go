package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/certificate"
)

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const oneClient = `client:
  access_key: CLIENT
  secret_key: secret
allowed_buckets: [backups]
`

// TestReloadChangesWhatClientsMayDo: credentials, buckets, the level of the log; a
// request that runs meanwhile goes on under the old ones.
func TestReloadChangesWhatClientsMayDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	write(t, file, oneClient)
	b := newBenchOf(t, file)
	running := b.head(t)
	<-b.asked
	if code, err := status(b.headAs(t, "CLIENT", "secret", "/others")); err != nil || code != 403 {
		t.Fatalf("a bucket that is not served: %d %v", code, err)
	}
	write(t, file, `log_level: debug
shutdown_timeout: 7s
listen_addr: 127.0.0.1:1
clients:
  - name: second
    access_key: SECOND
    secret_key: new
allowed_buckets: [others]
`)
	b.signals <- syscall.SIGHUP
	b.until(t, "configuration reloaded")
	close(b.answer)
	if code, err := status(running); err != nil || code == 403 {
		t.Errorf("the request that was running: %d %v", code, err)
	}
	for _, c := range []struct {
		access, secret, target string
		refused                bool
	}{
		{"CLIENT", "secret", "/backups", true},
		{"CLIENT", "secret", "/others", true},
		{"SECOND", "new", "/backups", true},
		{"SECOND", "new", "/others", false},
	} {
		code, err := status(b.headAs(t, c.access, c.secret, c.target))
		if err != nil || (code == 403) != c.refused {
			t.Errorf("%s at %s: %d %v", c.access, c.target, code, err)
		}
	}
	b.atDebug(t)
	if got := b.proxy.source.level.level.Load(); got != 0 {
		t.Errorf("the log's level is %d", got)
	}
	// listen_addr came from a variable, which wins over the file: nothing waits.
	if strings.Contains(b.log.String(), "next start") {
		t.Errorf("something waits for the next start:\n%s", b.log)
	}
	b.signals <- syscall.SIGTERM
	if err := b.wait(t); err != nil {
		t.Error(err)
	}
	if !strings.Contains(b.log.String(), `"at_most_ms":7000`) {
		t.Errorf("shutdown_timeout did not change:\n%s", b.log)
	}
}

// atDebug waits for a line that the level debug alone lets through.
func (b *bench) atDebug(t *testing.T) {
	t.Helper()
	b.proxy.log.Debug().Msg("a line at debug")
	b.until(t, "a line at debug")
}

// TestReloadSaysWhatWaitsForTheNextStart.
func TestReloadSaysWhatWaitsForTheNextStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	write(t, file, oneClient)
	b := newBenchOf(t, file)
	write(t, file, oneClient+"pipeline:\n  budget: 64MiB\n")
	b.signals <- syscall.SIGHUP
	b.until(t, `"keys":["pipeline.budget"`)
}

// TestReloadRefusesABadFile: it is named with its line, and everything stays.
func TestReloadRefusesABadFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "proxy.yaml")
	write(t, file, oneClient)
	b := newBenchOf(t, file)
	close(b.answer)
	for _, bad := range []struct{ text, says string }{
		{oneClient + "log_levle: debug\n", file + ":5: log_levle"},
		{strings.Replace(oneClient, "secret_key: secret", "secret_key: ''", 1), "client.secret_key"},
		{oneClient + "clients:\n  - name: x\n    access_key: X\n    secret_key: y\n    verbs: [GetObjct]\n", "GetObjct"},
		{oneClient + "clients:\n  - name: x\n    access_key: X\n    secret_key: y\n    access: read-only\n    verbs: [PutObject]\n", `rule out \"PutObject\"`},
		{oneClient + "clients:\n  - name: x\n    access_key: X\n    secret_key: y\n    prefixes: [a/]\n    verbs: [GetObject, GetBucketPolicy]\n", `rule out \"GetBucketPolicy\"`},
	} {
		write(t, file, bad.text)
		before := strings.Count(b.log.String(), "not reloaded")
		b.signals <- syscall.SIGHUP
		for range 2000 {
			if strings.Count(b.log.String(), "not reloaded") > before {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if !strings.Contains(b.log.String(), bad.says) {
			t.Errorf("the log does not say %q:\n%s", bad.says, b.log)
		}
		if code, err := status(b.head(t)); err != nil || code == 403 {
			t.Errorf("the old client is refused: %d %v", code, err)
		}
	}
	if strings.Contains(b.log.String(), "configuration reloaded") {
		t.Errorf("a bad file took effect:\n%s", b.log)
	}
}

// TestCertificateFollowsItsFiles: new connections get the new one, running ones go on,
// and a bad pair is told once and changes nothing.
func TestCertificateFollowsItsFiles(t *testing.T) {
	made := func() string {
		dir := t.TempDir()
		if _, err := certificate.New(certificate.Config{Dir: dir}); err != nil {
			t.Fatal(err)
		}
		pair, err := os.ReadFile(filepath.Join(dir, "s3-crypt-proxy.pem"))
		if err != nil {
			t.Fatal(err)
		}
		return string(pair)
	}
	file := filepath.Join(t.TempDir(), "pair.pem")
	write(t, file, made())
	b := newBench(t, "S3CP_TLS_CERT="+file, "S3CP_TLS_KEY="+file)
	close(b.answer)
	go b.followCertificate(t.Context(), 10*time.Millisecond)
	dial := func() (*tls.Conn, string) {
		c, err := tls.Dial("tcp", b.clients.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c, certificate.Fingerprint(c.ConnectionState().PeerCertificates[0].Raw)
	}
	old, first := dial()
	replace := func(text string) {
		write(t, file+".new", text)
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	replace(made())
	b.until(t, "certificate reloaded")
	if _, second := dial(); second == first {
		t.Error("a new connection gets the old certificate")
	}
	if _, err := old.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if code, err := status(old); err != nil || code != 403 {
		t.Errorf("the connection made before: %d %v", code, err)
	}
	_, good := dial()
	replace("no certificate")
	b.until(t, "certificate not reloaded")
	time.Sleep(100 * time.Millisecond) // ten more looks
	if n := strings.Count(b.log.String(), "certificate not reloaded"); n != 1 {
		t.Errorf("a bad pair was told %d times", n)
	}
	if _, now := dial(); now != good {
		t.Error("a bad pair changed the certificate")
	}
}
