//go:build integration

package packages

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

const (
	bucket = "backups"

	// hostile is a secret with everything that quoting gets wrong, twice: bytes that are no UTF-8 are in it too.
	hostile = "  $(touch /root/pwned) `touch /root/pwned` ${HOME} 'q' \"d\" \\n \\ %s %d !! # : - {a: b} [c] &x *y |>< ~ ; = @ é \xff\xfe end  "

	// token is every byte that a bearer token may have.
	token = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
)

// scene is a machine on which the package lives its life, one subtest after the other.
type scene struct {
	*machine
	backend            *rig.Backend
	proxy, admin, keys string // addresses
	fingerprint        string // of the proxy's certificate
	objects            map[string]string
}

// TestPackage is the life of the package on one machine; a later part stands on the earlier ones.
func TestPackage(t *testing.T) {
	s := &scene{machine: boot(t), objects: map[string]string{}}
	var err error
	if s.backend, err = rig.StartVersitygw(context.Background(), rig.BackendConfig{Dir: t.TempDir(), Bucket: bucket, TLS: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.backend.Stop(); err != nil {
			t.Error(err)
		}
	})
	at, err := pbs.New(s.backend.PBS(bucket))
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	for _, more := range []string{"other-bucket", "asked-for"} {
		if err := at.Bucket(more).CreateBucket(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	free(t, &s.proxy, &s.admin, &s.keys)
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"install", s.install}, {"units", s.units}, {"unconfigured", s.unconfigured}, {"manual", s.manual}, {"bad answers", s.badAnswers},
		{"deploy", s.deploy}, {"deploy again", s.deployAgain}, {"deploy by asking", s.deployAsking}, {"keys", s.bringKeys}, {"secrets", s.secrets}, {"secrets are found", s.secretsAreFound}, {"upgrade", s.upgrade},
		{"update that crashes", s.updateCrashes}, {"update that is never ready", s.updateNeverReady}, {"update that is refused", s.updateRefused},
		{"update", s.update}, {"update with key", s.updateWithKey}, {"sockets", s.sockets}, {"remove", s.remove}, {"purge", s.purge},
	} {
		if !t.Run(part.name, part.run) {
			t.Fatalf("%s failed: what follows stands on it", part.name)
		}
	}
}

// free gives addresses on loopback that nothing listens on. Their ports are below those that the system gives away by
// itself (ip_local_port_range), so that nothing else gets them before the services do.
func free(t *testing.T, addresses ...*string) {
	t.Helper()
	for _, a := range addresses {
		var l net.Listener
		var err error
		for range 100 {
			if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))); err == nil {
				break
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // when all are found
		*a = l.Addr().String()
	}
}

func (s *scene) install(t *testing.T) {
	s.copyIn(t, packageUnderTest(t), "/root/first.deb")
	out := s.run(t, "dpkg -i /root/first.deb")
	if !strings.Contains(out, "nothing started. To set it up, run: s3-crypt-proxy-deploy") {
		t.Errorf("it does not say how to go on:\n%s", out)
	}
	for unit, want := range map[string]string{"s3-crypt-proxy.service": "disabled", "memkey-server.service": "disabled", "s3-crypt-proxy.socket": "disabled", "s3-crypt-proxy-admin.socket": "disabled"} {
		if got := s.run(t, "systemctl is-enabled "+unit+" || true; systemctl is-active "+unit+" || true"); got != want+"\ninactive" {
			t.Errorf("%s is %q", unit, got)
		}
	}
	for path, want := range map[string]string{
		"/var/lib/memkey": "700 memkey memkey-socket", "/var/lib/s3-crypt-proxy": "700 s3-crypt-proxy s3-crypt-proxy",
		"/etc/credstore": "700 root root", "/etc/s3-crypt-proxy": "755 root root", "/etc/s3-crypt-proxy/memkey.yaml": "644 root root", "/usr/bin/memkey-server": "755 root root",
	} {
		if got := s.run(t, "stat -c '%a %U %G' "+path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if got := s.run(t, "getent passwd s3-crypt-proxy memkey | cut -d: -f1,6,7; id -nG s3-crypt-proxy"); got != "s3-crypt-proxy:/var/lib/s3-crypt-proxy:/usr/sbin/nologin\nmemkey:/var/lib/memkey:/usr/sbin/nologin\ns3-crypt-proxy" {
		t.Errorf("users: %q", got)
	}
	// What the documents, and the last line of the deployment, point to.
	s.run(t, "cd /usr/share/doc/s3-crypt-proxy && test -s docs/keys.md -a -s docs/install.md -a -s format/SPEC.md -a -s deploy/prometheus/alerts.yml -a -s examples/proxy.yaml -a -s changelog.gz -a -s copyright")
	s.run(t, "for p in s3-crypt-proxy memkey-server memkey-admin s3-crypt; do $p --version; done")
	if out := s.run(t, "dpkg --verify s3-crypt-proxy; dpkg -i /root/first.deb"); strings.Contains(out, "Creating") {
		t.Errorf("installing again makes something:\n%s", out)
	}
}

func (s *scene) units(t *testing.T) {
	const all = "/usr/lib/systemd/system/s3-crypt-proxy.service /usr/lib/systemd/system/memkey-server.service /usr/lib/systemd/system/s3-crypt-proxy.socket /usr/lib/systemd/system/s3-crypt-proxy-admin.socket"
	// Man pages: the minimal root has no man to ask.
	if out := s.run(t, "systemd-analyze verify --man=no "+all); out != "" {
		t.Errorf("systemd says:\n%s", out)
	}
	for _, unit := range []string{"s3-crypt-proxy", "memkey-server"} {
		s.run(t, "systemd-analyze security --offline=true --threshold=15 /usr/lib/systemd/system/"+unit+".service")
		want := "LimitCORE=0\nMemorySwapMax=0\nNoNewPrivileges=yes\nProtectSystem=strict"
		if got := s.run(t, "systemctl show -p LimitCORE -p MemorySwapMax -p NoNewPrivileges -p ProtectSystem "+unit+" | sort"); got != want {
			t.Errorf("%s: %q, want %q", unit, got, want)
		}
	}
}

func (s *scene) unconfigured(t *testing.T) {
	s.run(t, "systemctl start s3-crypt-proxy memkey-server")
	if got := s.run(t, "systemctl is-active s3-crypt-proxy memkey-server || true; systemctl list-units --failed --plain --no-legend"); got != "inactive\ninactive" {
		t.Errorf("%q", got)
	}
}

func (s *scene) manual(t *testing.T) {
	pages := strings.Fields(s.run(t, "dpkg -L s3-crypt-proxy | grep '^/usr/share/man/.*gz$'"))
	if len(pages) != 6 {
		t.Errorf("pages: %q", pages)
	}
	for _, page := range pages {
		out := s.run(t, "zcat "+page+" | groff -man -Kutf8 -Tutf8 -ww 2>&1 >/root/page; wc -l </root/page")
		if lines := 0; func() bool { _, err := fmt.Sscan(out, &lines); return err != nil || lines < 40 }() {
			t.Errorf("%s: %s", page, out)
		}
	}
	for line, want := range map[string]string{
		"s3-crypt-proxy che": "check", "s3-crypt-proxy check --k": "--keys", "memkey-server admin a": "add", "memkey-admin key gen": "generate", "s3-crypt rew": "rewrap",
	} {
		words := strings.Fields(line)
		script := fmt.Sprintf("source /usr/share/bash-completion/completions/%s\ncompopt() { :; }\n_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=(\"${COMP_WORDS[@]}\") cword=$COMP_CWORD; }\n"+
			"COMP_WORDS=(%s) COMP_CWORD=%d COMP_LINE='%s' COMP_POINT=%d COMP_TYPE=9\nset +eu\n__start_%s\necho \"${COMPREPLY[@]}\"", words[0], line, len(words)-1, line, len(line), words[0])
		if got := s.run(t, script); !strings.HasPrefix(got, want) {
			t.Errorf("%q is completed to %q, want %q", line, got, want)
		}
	}
}
