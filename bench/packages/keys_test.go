//go:build integration

package packages

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

func (s *scene) bringKeys(t *testing.T) {
	s.write(t, "/root/passphrase", "correct horse battery staple 4711\n")
	out := s.run(t, `cd; memkey-admin --passphrase-file passphrase init --server https://`+s.keys+` --fingerprint "$(memkey-server fingerprint)" --name anna 2>&1`)
	public := regexp.MustCompile(`admin add ([0-9a-f]{64})`).FindStringSubmatch(out)
	if public == nil {
		t.Fatalf("no public key in\n%s", out)
	}
	s.run(t, "memkey-server admin add "+public[1]+" --roles deliver,enroll,clear,status --name anna; systemctl reload memkey-server")
	s.run(t, "cd; memkey-admin --passphrase-file passphrase key generate; memkey-admin --passphrase-file passphrase key enroll")
	s.ready(t)
	s.put(t, "first")
}

// ready waits until the proxy can serve.
func (s *scene) ready(t *testing.T) {
	t.Helper()
	within(t, 30*time.Second, "the proxy is ready", func() error {
		if got, err := s.try("systemctl is-active s3-crypt-proxy"); err != nil {
			return fmt.Errorf("it is %s", got)
		}
		if got := s.status(t, "/readyz"); got != "200" {
			return fmt.Errorf("readyz is %s", got)
		}
		return nil
	})
}

func (s *scene) client(t *testing.T) *pbs.Client {
	t.Helper()
	c, err := pbs.New(pbs.Config{Address: s.proxy, Bucket: bucket, AccessKey: "it's'a'KEY", SecretKey: hostile, Fingerprint: s.fingerprint})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// put stores an object, as PBS does, and reads back all that were stored before.
func (s *scene) put(t *testing.T, key string) {
	t.Helper()
	ctx, c := t.Context(), s.client(t)
	body := strings.Repeat(key, 100_000)
	if _, err := c.Put(ctx, key, pbs.NewBody([]byte(body)), false); err != nil {
		t.Fatalf("cannot store %s: %v", key, err)
	}
	s.objects[key] = body
	for key, want := range s.objects {
		o, err := c.Get(ctx, key)
		if err != nil || string(o.Body) != want {
			t.Fatalf("%s does not read back: %v", key, err)
		}
	}
}

// secrets looks for them where every user could: arguments, environments, the journal, readable files.
func (s *scene) secrets(t *testing.T) {
	for name, secret := range map[string]string{"client's": "touch /root/pwned) `", "backend's": s.backend.SecretKey, "token": token[10:40]} {
		s.write(t, "/root/pattern", secret)
		if out := s.run(t, "journalctl --no-pager -o cat | grep -aF -f /root/pattern || true; grep -laF -f /root/pattern /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || true; grep -rlaF -f /root/pattern /etc/s3-crypt-proxy /var/lib /run /var/log --exclude-dir=credentials 2>/dev/null || true"); out != "" {
			t.Errorf("the %s secret is in\n%s", name, out)
		}
	}
	if out := s.run(t, "rm /root/pattern; grep 'Max core' /proc/$(systemctl show -P MainPID s3-crypt-proxy)/limits /proc/$(systemctl show -P MainPID memkey-server)/limits | awk '{print $5, $6}'"); out != "0 0\n0 0" {
		t.Errorf("core limits: %q", out)
	}
	// The proxy's user cannot read the key holder's files, nor the other way round; the socket is for its group.
	for _, script := range []string{
		"setpriv --reuid s3-crypt-proxy --regid s3-crypt-proxy --clear-groups cat /var/lib/memkey/pins", "setpriv --reuid memkey --regid memkey --clear-groups ls /var/lib/s3-crypt-proxy",
		"setpriv --reuid nobody --regid nogroup --clear-groups ls /run/memkey", "setpriv --reuid s3-crypt-proxy --regid s3-crypt-proxy --clear-groups cat /etc/credstore/s3-crypt-proxy.admin.token",
	} {
		if out, err := s.try(script); err == nil || !strings.Contains(out, "Permission denied") {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}
