package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func newStore(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGeneratedPairIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "as needed")
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, ErrNone) {
		t.Fatalf("Open of an empty place: %v, want ErrNone", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("Open made the directory")
	}
	first := newStore(t, Config{Dir: dir, Names: []string{"pbs.lan", "10.1.2.3"}})
	if !first.Generated() {
		t.Error("a new certificate is not called generated")
	}
	path := filepath.Join(dir, pairName)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the pair has mode %v, want 0600 (%v)", info.Mode(), err)
	}
	if info, err = os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, want 0700 (%v)", info.Mode(), err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again := newStore(t, Config{Dir: dir, Names: []string{"other.lan"}})
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Error("the second start changed the pair")
	}
	if again.Generated() || again.Fingerprint() != first.Fingerprint() {
		t.Error("the second start has another certificate")
	}
	if w := again.Warnings(); len(w) != 1 || !strings.Contains(w[0], "not for other.lan") {
		t.Errorf("warnings %q, want one of the missing name", w)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left over in the directory: %v %v", entries, err)
	}
	if w := first.Warnings(); len(w) > 0 {
		t.Errorf("warnings of a fresh certificate: %q", w)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if w := first.Warnings(); len(w) != 1 || !strings.Contains(w[0], "chmod 600") {
		t.Errorf("warnings %q, want one of the mode", w)
	}
}

func TestGeneratedCertificate(t *testing.T) {
	s := newStore(t, Config{Dir: t.TempDir(), Names: []string{"pbs.lan", "*.s3.lan", "10.1.2.3", "2001:db8::1", "localhost"}})
	leaf := s.Leaf()
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("the key is a %T, want ECDSA P-256", leaf.PublicKey)
	}
	if years := leaf.NotAfter.Sub(leaf.NotBefore).Hours() / 24 / 365; years < 10 || years > 10.1 {
		t.Errorf("valid for %.2f years", years)
	}
	if time.Since(leaf.NotBefore) < 23*time.Hour {
		t.Error("a client whose clock is behind would refuse it")
	}
	if leaf.IsCA || leaf.SerialNumber.Sign() <= 0 || leaf.SerialNumber.BitLen() > 159 {
		t.Errorf("CA %v, serial %v", leaf.IsCA, leaf.SerialNumber)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pbs.lan", "bucket.s3.lan", "10.1.2.3", "2001:db8::1", "localhost", "127.0.0.1", "::1", host} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Errorf("not for %s: %v", name, err)
		}
	}
	if n := len(leaf.DNSNames); n > 4 {
		t.Errorf("names %q: one is in it twice", leaf.DNSNames)
	}
	other := newStore(t, Config{Dir: t.TempDir()})
	if other.Fingerprint() == s.Fingerprint() || other.Leaf().SerialNumber.Cmp(leaf.SerialNumber) == 0 {
		t.Error("two certificates are the same")
	}
	if !regexp.MustCompile(`^[0-9a-f]{2}(:[0-9a-f]{2}){31}$`).MatchString(s.Fingerprint()) || len(s.Fingerprint()) != 95 {
		t.Errorf("fingerprint %q", s.Fingerprint())
	}
}

// TestFingerprintVector: SHA-256 of "abc", FIPS 180-2 appendix B.1.
func TestFingerprintVector(t *testing.T) {
	const want = "ba:78:16:bf:8f:01:cf:ea:41:41:40:de:5d:ae:22:23:b0:03:61:a3:96:17:7a:9c:b4:10:ff:61:f2:00:15:ad"
	if got := Fingerprint([]byte("abc")); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestRacingStartsAgree(t *testing.T) {
	dir := t.TempDir()
	const starts = 8
	prints := make([]string, starts)
	var wg sync.WaitGroup
	for i := range starts {
		wg.Go(func() {
			s, err := New(Config{Dir: dir})
			if err != nil {
				t.Error(err)
				return
			}
			prints[i] = s.Fingerprint()
		})
	}
	wg.Wait()
	for _, p := range prints {
		if p != prints[0] || p == "" {
			t.Fatalf("different certificates: %q", prints)
		}
	}
}

func TestExpiryWarnings(t *testing.T) {
	dir := t.TempDir()
	newStore(t, Config{Dir: dir})
	f := func(in time.Duration, want string) {
		t.Helper()
		s := newStore(t, Config{Dir: dir, Now: func() time.Time { return time.Now().Add(in) }})
		if w := strings.Join(s.Warnings(), "|"); !strings.Contains(w, want) || (want == "") != (w == "") {
			t.Errorf("in %v: %q, want %q", in, w, want)
		}
	}
	f(0, "")
	f(validity-expiryWarning-time.Hour, "")
	f(validity-expiryWarning+time.Hour, "expires on")
	f(validity+time.Hour, "expired on")
	f(-25*time.Hour, "not valid before")
}

// pair writes a fresh pair as two files.
func pair(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	content, err := newPair(Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	cut := bytes.Index(content, []byte("-----BEGIN CERTIFICATE"))
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	for path, b := range map[string][]byte{certFile: content[cut:], keyFile: content[:cut]} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestReload(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := pair(t, dir, "a")
	s := newStore(t, Config{CertFile: certFile, KeyFile: keyFile})
	first := s.Fingerprint()
	if s.Generated() {
		t.Error("files are called generated")
	}

	otherCert, otherKey := pair(t, dir, "b")
	if err := os.Rename(otherCert, certFile); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err == nil || s.Fingerprint() != first {
		t.Errorf("a certificate without its key: %v; in service %s, want %s", err, s.Fingerprint(), first)
	}
	if err := os.Rename(otherKey, keyFile); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err != nil || s.Fingerprint() == first {
		t.Errorf("the new pair is not in service: %v", err)
	}
	second := s.Fingerprint()
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err == nil || s.Fingerprint() != second {
		t.Errorf("a missing file: %v; in service %s, want %s", err, s.Fingerprint(), second)
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := pair(t, dir, "a")
	_, otherKey := pair(t, dir, "b")
	empty, big := filepath.Join(dir, "empty"), filepath.Join(dir, "big")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(cfg Config, want ...string) {
		t.Helper()
		_, err := New(cfg)
		if err == nil {
			t.Errorf("%+v accepted", cfg)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%v, want %q in it", err, w)
			}
		}
	}
	f(Config{}, "neither CertFile nor Dir")
	f(Config{CertFile: certFile}, "go together")
	f(Config{KeyFile: keyFile}, "go together")
	f(Config{CertFile: certFile, KeyFile: keyFile, Dir: dir}, "both")
	f(Config{CertFile: dir + "/none", KeyFile: keyFile}, dir+"/none", "no such file")
	f(Config{CertFile: certFile, KeyFile: dir + "/none"}, "key "+dir+"/none", "no such file")
	f(Config{CertFile: certFile, KeyFile: otherKey}, certFile, otherKey, "does not match")
	f(Config{CertFile: empty, KeyFile: keyFile}, empty)
	f(Config{CertFile: certFile, KeyFile: big}, big, "more than")
	f(Config{Dir: filepath.Join(certFile, "sub")}, certFile)
	f(Config{Dir: filepath.Join(dir, "x"), Names: []string{"näme"}}, "no DNS name")
}

func TestErrorsShowNoKey(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := pair(t, dir, "a")
	key, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Split(string(key), "\n")[1]
	for name, content := range map[string]string{
		"truncated": string(key[:len(key)/2]),
		"swapped":   strings.Replace(string(key), body[:8], body[8:16], 1),
		"bare":      body,
	} {
		if err := os.WriteFile(keyFile, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := New(Config{CertFile: certFile, KeyFile: keyFile})
		if err == nil || strings.Contains(err.Error(), body[16:32]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestInterruptedWriteIsNoCertificate: what a crash leaves is not taken for one.
func TestInterruptedWriteIsNoCertificate(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "."+pairName+"-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStore(t, Config{Dir: dir})
	if !s.Generated() {
		t.Error("the left-over was taken")
	}
	// A broken file in its place is never replaced behind the operator's back.
	if err := os.WriteFile(filepath.Join(dir, pairName), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Dir: dir}); err == nil || errors.Is(err, ErrNone) {
		t.Errorf("a broken file: %v", err)
	}
}

// TestChangedOnce: whatever tells two versions of the files apart is a change, once.
func TestChangedOnce(t *testing.T) {
	dir := t.TempDir()
	s, err := New(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if s.Changed() {
		t.Error("nothing happened, and it has changed")
	}
	pair := filepath.Join(dir, pairName)
	content, err := os.ReadFile(pair)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, change := range map[string]func() error{
		"another size": func() error { return os.WriteFile(pair, append(content, '\n'), 0o600) },
		"another time": func() error { return os.Chtimes(pair, now, now.Add(time.Hour)) },
		"another file": func() error {
			return errors.Join(os.Rename(pair, pair+".old"), os.WriteFile(pair, content, 0o600), os.Chtimes(pair, now, now))
		},
		"the same time": func() error {
			return errors.Join(os.Remove(pair), os.WriteFile(pair, append(content, "\n\n"...), 0o600), os.Chtimes(pair, now, now))
		},
		"no file": func() error { return os.Rename(pair, pair+".gone") },
	} {
		if err := os.WriteFile(pair, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(pair, now, now); err != nil {
			t.Fatal(err)
		}
		s.Changed()
		if s.Changed() {
			t.Errorf("%s: changed before", name)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if !s.Changed() {
			t.Errorf("%s is not seen", name)
		}
		if s.Changed() {
			t.Errorf("%s is seen twice", name)
		}
	}
}
