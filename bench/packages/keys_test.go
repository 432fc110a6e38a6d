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

// leaks is where a part of a secret can be seen: the journal, arguments and environments, the files of services and
// logs, and every file that all users can read. Each place is a line.
func (s *scene) leaks(t *testing.T, part string) string {
	t.Helper()
	s.write(t, "/root/pattern", part)
	return s.run(t, `journalctl --sync
journalctl --all --no-pager -o cat | grep -aF -f /root/pattern | sed 's/^/journal: /' || true
grep -laF -f /root/pattern /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || true
grep -rlaF -f /root/pattern /etc/s3-crypt-proxy /var/lib /run /var/log --exclude-dir=credentials --exclude-dir=journal 2>/dev/null | sed 's/^/services: /' || true
find /etc /var /run /tmp /root /home /srv -xdev -type f -perm /004 -exec grep -laF -f /root/pattern {} + 2>/dev/null | sed 's/^/readable: /' || true
rm /root/pattern`)
}

// secretsAreFound is the control of secrets: one planted in each of these places is found there, though it has bytes that
// the journal hides as a blob.
func (s *scene) secretsAreFound(t *testing.T) {
	const part = "touch /root/planted) `"
	if !strings.Contains(strings.ReplaceAll(hostile, "pwned", "planted"), part) {
		t.Fatal("the planted secret is another than the one that is looked for")
	}
	if out := s.leaks(t, part); out != "" {
		t.Fatalf("before it was planted it is in\n%s", out)
	}
	s.write(t, "/root/planted", strings.ReplaceAll(hostile, "pwned", "planted"))
	pid := s.run(t, `systemd-cat -t planted cat /root/planted
for dir in /etc/s3-crypt-proxy /var/lib/memkey /run /var/log; do cp -p /root/planted $dir/planted; done
install -m 644 /root/planted /etc/planted
PLANTED="$(cat /root/planted)" setsid sleep 1000 </dev/null >/dev/null 2>&1 & environ=$!
setsid bash -c 'sleep 1000; exit' "$(cat /root/planted)" </dev/null >/dev/null 2>&1 & echo $environ $!`)
	environ, cmdline, _ := strings.Cut(pid, " ")
	out := ""
	within(t, 20*time.Second, "all that was planted is found", func() error {
		out = s.leaks(t, part)
		for _, place := range []string{"journal: ", "/proc/" + environ + "/environ", "/proc/" + cmdline + "/cmdline", "services: /etc/s3-crypt-proxy/planted",
			"services: /var/lib/memkey/planted", "services: /run/planted", "services: /var/log/planted", "readable: /etc/planted"} {
			if !strings.Contains("\n"+out, "\n"+place) {
				return fmt.Errorf("%q is not in\n%s", place, out)
			}
		}
		return nil
	})
	// What was never world-readable is not called so.
	if strings.Contains(out, "readable: /run/planted") {
		t.Errorf("a file of mode 0600 counts as readable:\n%s", out)
	}
	s.run(t, "kill "+pid+"; rm /root/planted /etc/s3-crypt-proxy/planted /var/lib/memkey/planted /run/planted /var/log/planted /etc/planted")
}

// secrets looks for them where they could be seen.
func (s *scene) secrets(t *testing.T) {
	for name, secret := range map[string]string{"client's": "touch /root/pwned) `", "backend's": s.backend.SecretKey, "token": token[10:40], "passphrase": "horse battery staple"} {
		if out := s.leaks(t, secret); out != "" {
			t.Errorf("the %s secret is in\n%s", name, out)
		}
	}
	if out := s.run(t, "grep 'Max core' /proc/$(systemctl show -P MainPID s3-crypt-proxy)/limits /proc/$(systemctl show -P MainPID memkey-server)/limits | awk '{print $5, $6}'"); out != "0 0\n0 0" {
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
