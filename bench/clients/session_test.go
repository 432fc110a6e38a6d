//go:build integration

package clients

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// commandTime is what one run of a client may take: seconds, and many more on a machine that builds at the same time.
const commandTime = 4 * time.Minute

// session is one client with a bucket, a home and an environment of its own.
type session struct {
	*testing.T
	*stack
	proxy  *rig.Proxy
	url    string // of the proxy
	bucket string
	home   string
	env    []string
	more   time.Duration // that a command may take
	store  *store        // what is really there
}

func newSession(t *testing.T, s *stack, name, scheme string) *session {
	t.Helper()
	p := s.proxies[scheme]
	c := &session{T: t, stack: s, proxy: p, url: scheme + "://" + p.Address, bucket: name + "-" + scheme, home: t.TempDir()}
	c.env = []string{
		"PATH=" + strings.Join([]string{os.Getenv("S3CP_BIN"), "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", os.Getenv("PATH")}, ":"),
		"HOME=" + c.home, "TMPDIR=" + c.home, "LC_ALL=C.UTF-8", "TZ=UTC",
		"AWS_ACCESS_KEY_ID=" + p.AccessKey, "AWS_SECRET_ACCESS_KEY=" + p.SecretKey, "AWS_DEFAULT_REGION=us-east-1", "AWS_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1", "AWS_CA_BUNDLE=" + s.caFile, "NODE_EXTRA_CA_CERTS=" + s.caFile,
	}
	c.store = newStore(c)
	t.Cleanup(func() {
		if t.Failed() {
			for line := range strings.Lines(p.Log()) {
				if strings.Contains(line, `"fault"`) {
					t.Logf("the proxy said: %s", line)
				}
			}
		}
	})
	return c
}

// path is a file or directory in the client's home.
func (c *session) path(name string) string { return filepath.Join(c.home, name) }

// file writes a file into the client's home.
func (c *session) file(name string, b []byte) string {
	c.Helper()
	must(c.T, os.MkdirAll(filepath.Dir(c.path(name)), 0o700))
	must(c.T, os.WriteFile(c.path(name), b, 0o600))
	return c.path(name)
}

// result is what a command printed.
type result struct {
	stdout []byte
	stderr string
	err    error
}

// try runs a command; stdin may be nil.
func (c *session) try(stdin []byte, name string, args ...string) result {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTime+c.more)
	defer cancel()
	path := name
	if !filepath.IsAbs(name) {
		path = c.find(name)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Dir = c.env, c.home
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &errs
	begin := time.Now()
	err := cmd.Run()
	c.Logf("%6.2f s  %s %s", time.Since(begin).Seconds(), filepath.Base(name), strings.Join(args, " "))
	return result{out.Bytes(), errs.String(), err}
}

// run is try for what must succeed.
func (c *session) run(name string, args ...string) result {
	c.Helper()
	return c.feed(nil, name, args...)
}

// feed is run with a standard input.
func (c *session) feed(stdin []byte, name string, args ...string) result {
	c.Helper()
	r := c.try(stdin, name, args...)
	if r.err != nil {
		c.Fatalf("%s %q: %v\n%s%s", name, args, r.err, tail(string(r.stdout)), tail(r.stderr))
	}
	return r
}

// find looks a binary up in the client's PATH and not in the caller's: what is tested is what was installed for it.
func (c *session) find(name string) string {
	c.Helper()
	for _, kv := range c.env {
		if list, ok := strings.CutPrefix(kv, "PATH="); ok {
			for _, dir := range filepath.SplitList(list) {
				path := filepath.Join(dir, name)
				if st, err := os.Stat(path); err == nil && !st.IsDir() {
					return path
				}
			}
		}
	}
	c.Fatalf("cannot find %s: make clients installs it", name)
	return ""
}

// tail is the end of a long output.
func tail(s string) string {
	const most = 4000
	if len(s) > most {
		return fmt.Sprintf("… %d bytes …%s", len(s)-most, s[len(s)-most:])
	}
	return s
}

// idle fails if a client did again what it had done: its second sync transfers nothing. The first one shows the word that
// the client has for a transfer.
func (c *session) idle(first, second result, word string) {
	c.Helper()
	says := func(r result) bool { return bytes.Contains(r.stdout, []byte(word)) || strings.Contains(r.stderr, word) }
	if !says(first) {
		c.Errorf("the first run transferred nothing:\n%s%s", tail(string(first.stdout)), tail(first.stderr))
	}
	if says(second) {
		c.Errorf("the second run transferred something:\n%s%s", tail(string(second.stdout)), tail(second.stderr))
	}
}
