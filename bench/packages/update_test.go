//go:build integration

package packages

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func (s *scene) upgrade(t *testing.T) {
	proxy, keys := s.pid(t, "s3-crypt-proxy"), s.pid(t, "memkey-server")
	s.copyIn(t, variant(t, 1, func(tree string) { longer(t, tree, "s3-crypt-proxy", "memkey-server") }), "/root/9.1.deb")
	out := s.run(t, "dpkg -i /root/9.1.deb")
	if !strings.Contains(out, "memkey-server goes on with the version it was started with") {
		t.Errorf("it does not tell of memkey-server:\n%s", out)
	}
	if now := s.pid(t, "s3-crypt-proxy"); now == proxy || now == "0" {
		t.Errorf("the proxy was %s and is %s", proxy, now)
	}
	if now := s.pid(t, "memkey-server"); now != keys {
		t.Error("memkey-server was restarted: the keys are lost")
	}
	s.ready(t)
	s.put(t, "after an upgrade")
}

const programs = "sha256sum /usr/bin/s3-crypt-proxy /usr/bin/memkey-server"

func (s *scene) updateCrashes(t *testing.T) {
	s.copyIn(t, variant(t, 2, func(tree string) { wrapped(t, tree, "echo 'this one crashes' >&2; exit 1") }), "/root/9.2.deb")
	s.goesBack(t, "/root/9.2.deb", "this one crashes")
}

func (s *scene) updateNeverReady(t *testing.T) {
	s.copyIn(t, variant(t, 3, func(tree string) { wrapped(t, tree, `S3CP_MEMKEY_SOCKET=/nowhere exec "$real" "$@"`) }), "/root/9.3.deb")
	s.goesBack(t, "/root/9.3.deb", "healthz 200, readyz 503")
}

// goesBack updates to a package whose proxy is no good, and wants all to be as before.
func (s *scene) goesBack(t *testing.T, deb, says string) {
	t.Helper()
	keys, before := s.pid(t, "memkey-server"), s.run(t, programs)
	out := s.exits(t, 1, "READY_WAIT=5 s3-crypt-proxy-update --skip-key --deb "+deb)
	if !strings.Contains(out, says) || !strings.Contains(out, "the old version is back and ready") {
		t.Errorf("it says\n%s", out)
	}
	if now := s.run(t, programs); now != before {
		t.Errorf("programs were\n%s\nand are\n%s", before, now)
	}
	if s.pid(t, "memkey-server") != keys {
		t.Error("memkey-server was restarted")
	}
	s.ready(t)
	s.put(t, "after "+deb)
}

func (s *scene) updateRefused(t *testing.T) {
	proxy, before := s.pid(t, "s3-crypt-proxy"), s.run(t, programs)
	s.copyIn(t, variant(t, 4, func(tree string) { wrapped(t, tree, "exit 0"); cripple(t, tree) }), "/root/9.4.deb")
	if out := s.exits(t, 1, "s3-crypt-proxy-update --skip-key --deb /root/9.4.deb"); !strings.Contains(out, "nothing is changed: the new memkey-admin does not run here") {
		t.Errorf("it says\n%s", out)
	}
	if out := s.exits(t, 0, "s3-crypt-proxy-update --skip-key --deb /root/first.deb"); !strings.Contains(out, "nothing to do: it is not newer") {
		t.Errorf("it says\n%s", out)
	}
	s.exits(t, 2, "s3-crypt-proxy-update --deb /root/none.deb")
	s.exits(t, 2, "s3-crypt-proxy-update") // it is in no source tree
	s.exits(t, 1, "s3-crypt-proxy-update --force --deb /root/answers")
	if s.pid(t, "s3-crypt-proxy") != proxy || s.run(t, programs) != before {
		t.Error("something changed")
	}
}

func (s *scene) update(t *testing.T) {
	proxy, keys := s.pid(t, "s3-crypt-proxy"), s.pid(t, "memkey-server")
	s.copyIn(t, variant(t, 5, func(tree string) { longer(t, tree, "s3-crypt-proxy") }), "/root/9.5.deb")
	// From a source tree, whose make is a stand-in here: it says so, and takes what is there already.
	s.run(t, "mkdir -p /root/tree/deploy /root/tree/dist; cp /usr/sbin/s3-crypt-proxy-update /root/tree/deploy/update.sh; touch /root/tree/go.mod")
	s.exits(t, 2, "/root/tree/deploy/update.sh --skip-build") // nothing was built yet
	s.write(t, "/usr/local/bin/make", "#!/bin/sh\necho \"stand-in for make: $*\"; cp /root/9.5.deb /root/tree/dist/s3-crypt-proxy_9.5.deb\n")
	out := s.exits(t, 0, "chmod 755 /usr/local/bin/make; /root/tree/deploy/update.sh --skip-key")
	if !strings.Contains(out, "stand-in for make: -C /root/tree/deploy/.. deb") || !strings.Contains(out, "the proxy is updated and as ready as before") {
		t.Errorf("it says\n%s", out)
	}
	if now := s.pid(t, "s3-crypt-proxy"); now == proxy || now == "0" {
		t.Errorf("the proxy was %s and is %s", proxy, now)
	}
	if out := s.exits(t, 0, "/root/tree/deploy/update.sh --skip-build --skip-key"); !strings.Contains(out, "nothing to do") {
		t.Errorf("it says\n%s", out)
	}
	// Without a terminal nobody was asked, so nobody restarts it.
	s.copyIn(t, variant(t, 6, func(tree string) { longer(t, tree, "s3-crypt-proxy", "memkey-server", "memkey-server") }), "/root/9.6.deb")
	if out := s.exits(t, 0, "s3-crypt-proxy-update --deb /root/9.6.deb"); !strings.Contains(out, "memkey-server was not restarted") {
		t.Errorf("it says\n%s", out)
	}
	if now := s.pid(t, "memkey-server"); now != keys {
		t.Error("memkey-server was restarted")
	}
	s.put(t, "after an update")
}

func (s *scene) updateWithKey(t *testing.T) {
	keys := s.pid(t, "memkey-server")
	s.copyIn(t, variant(t, 7, func(tree string) { longer(t, tree, "memkey-server") }), "/root/9.7.deb")
	if out := s.exits(t, 3, "KEY_WAIT=1 s3-crypt-proxy-update --force --deb /root/9.7.deb"); !strings.Contains(out, "still has no key") {
		t.Errorf("it says\n%s", out)
	}
	if now := s.pid(t, "memkey-server"); now == keys || now == "0" {
		t.Errorf("memkey-server was %s and is %s", keys, now)
	}
	s.put(t, "while memkey-server has no key") // the proxy goes on with its own

	s.copyIn(t, variant(t, 8, nil), "/root/9.8.deb")
	s.run(t, "cd; memkey-admin --passphrase-file passphrase key send")
	s.ready(t)
	cmd := s.command("s3-crypt-proxy-update --force --deb /root/9.8.deb")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for in := bufio.NewScanner(stdout); in.Scan(); {
		said.WriteString(in.Text() + "\n")
		if in.Text() == "waiting for: memkey-admin key send" {
			s.run(t, "cd; memkey-admin --passphrase-file passphrase key send")
		}
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(said.String(), "memkey-server has its keys") {
		t.Errorf("%v; it says\n%s", err, &said)
	}
	s.ready(t)
	s.put(t, "after a key was sent")
}

// sockets lets systemd hold both listening sockets, and connects all the time while the proxy restarts.
func (s *scene) sockets(t *testing.T) {
	for unit, addr := range map[string]string{"s3-crypt-proxy.socket": s.proxy, "s3-crypt-proxy-admin.socket": s.admin} {
		s.run(t, fmt.Sprintf("mkdir -p /etc/systemd/system/%[1]s.d; printf '[Socket]\\nListenStream=\\nListenStream=%[2]s\\n' >/etc/systemd/system/%[1]s.d/address.conf", unit, addr))
	}
	s.run(t, "systemctl daemon-reload; systemctl stop s3-crypt-proxy; systemctl enable --now s3-crypt-proxy.socket s3-crypt-proxy-admin.socket; systemctl start s3-crypt-proxy")
	s.ready(t)
	if out := s.run(t, "journalctl -u s3-crypt-proxy -o cat | grep -c 'listening on a socket of systemd'"); out != "2" {
		t.Errorf("%s sockets were taken", out)
	}
	var refused, connected int
	stop := make(chan struct{})
	var connecting sync.WaitGroup
	connecting.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			c, err := net.DialTimeout("tcp", s.proxy, 10*time.Second)
			if err != nil {
				refused++
			} else {
				connected++
				c.Close()
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	proxy := s.pid(t, "s3-crypt-proxy")
	s.run(t, "systemctl restart s3-crypt-proxy")
	s.ready(t)
	close(stop)
	connecting.Wait()
	if refused > 0 || connected == 0 {
		t.Errorf("%d connections, %d refused", connected, refused)
	}
	if s.pid(t, "s3-crypt-proxy") == proxy {
		t.Error("it was not restarted")
	}
	s.put(t, "through sockets of systemd")
	s.run(t, "systemctl reload s3-crypt-proxy; systemctl is-active s3-crypt-proxy")
}

func (s *scene) remove(t *testing.T) {
	files := s.run(t, everything)
	out := s.run(t, "dpkg -r s3-crypt-proxy")
	if !strings.Contains(out, "memkey-server ends, and the master keys in its memory with it") {
		t.Errorf("it does not tell of the keys:\n%s", out)
	}
	if got := s.run(t, "systemctl list-units --plain --no-legend 's3-crypt-proxy*' 'memkey*' --state=active,failed; ls /usr/bin/s3-crypt-proxy 2>/dev/null || true; pgrep -x memkey-server || true"); got != "" {
		t.Errorf("left: %s", got)
	}
	if now := s.run(t, everything); now != files {
		t.Errorf("files were\n%s\nand are\n%s", files, now)
	}
	// Installed again, all is as it was; the key has to be sent. On the way, the identity and a secret become files that
	// only this machine can open, as the units say.
	s.run(t, `dpkg -i /root/9.8.deb
mkdir -p /etc/credstore.encrypted /etc/systemd/system/memkey-server.service.d /etc/systemd/system/s3-crypt-proxy.service.d
systemd-creds encrypt --name=identity /var/lib/memkey/identity /etc/credstore.encrypted/memkey.identity
systemd-creds encrypt --name=client.secret_key /etc/credstore/s3-crypt-proxy.client.secret_key /etc/credstore.encrypted/s3-crypt-proxy.client.secret_key
rm /var/lib/memkey/identity /etc/credstore/s3-crypt-proxy.client.secret_key
printf '[Service]\nLoadCredentialEncrypted=identity:memkey.identity\n' >/etc/systemd/system/memkey-server.service.d/identity.conf
printf '[Service]\nLoadCredentialEncrypted=client.secret_key:s3-crypt-proxy.client.secret_key\n' >/etc/systemd/system/s3-crypt-proxy.service.d/secret.conf
systemctl daemon-reload
systemctl start memkey-server s3-crypt-proxy`)
	if out := s.run(t, "journalctl -u memkey-server -o cat | grep '\"message\":\"ready\"' | tail -n 1"); !strings.Contains(out, `"identity":"/run/credentials/memkey-server.service/identity"`) {
		t.Errorf("the identity is not the encrypted one: %s", out)
	}
	s.run(t, "cd; memkey-admin --passphrase-file passphrase key send")
	s.ready(t)
	s.put(t, "after installing again")
	// Encrypted credentials are an administrator's own: the deployment leaves them, and makes no others beside them.
	files = s.run(t, everything)
	identity := s.run(t, "CREDENTIALS_DIRECTORY=/run/credentials/memkey-server.service memkey-server fingerprint")
	if out := s.run(t, "s3-crypt-proxy-deploy --answers /root/more"); !strings.Contains(out, "cat /run/credentials/s3-crypt-proxy.service/client.secret_key") || !strings.Contains(out, "--fingerprint "+identity) {
		t.Errorf("it says\n%s", out)
	}
	if now := s.run(t, everything); now != files {
		t.Errorf("files were\n%s\nand are\n%s", files, now)
	}
	if out := s.exits(t, 2, "s3-crypt-proxy-deploy --answers /root/answers"); !strings.Contains(out, "CLIENT_SECRET_KEY: it is encrypted on this machine") {
		t.Errorf("it says\n%s", out)
	}
}

func (s *scene) purge(t *testing.T) {
	out := s.run(t, "dpkg -P s3-crypt-proxy")
	if !strings.Contains(out, "purge deletes from this host") || !strings.Contains(out, "No master key is among them") {
		t.Errorf("it does not say what goes:\n%s", out)
	}
	if got := strings.TrimSpace(s.run(t, "find / -xdev \\( -name 's3-crypt-proxy*' -o -name 'memkey*' \\) -not -path '/proc/*' -not -path '/sys/*' -not -path '/run/*' -not -path '/root/*' -not -path '/etc/systemd/system/*.d*'; ls -A /etc/credstore /etc/credstore.encrypted | grep -v ^/ || true")); got != "" {
		t.Errorf("left:\n%s", got)
	}
	if got := s.run(t, "ls -A /root | grep memkey | tr '\\n' ' '"); !strings.Contains(got, ".memkey-keyring") {
		t.Errorf("the administrator's files: %s", got)
	}
	// Without credentials, with the secrets in the configuration: that is a way too.
	s.write(t, "/root/proxy.yaml", fmt.Sprintf("listen_addr: '%s'\nadmin_listen_addr: '%s'\nbackend: {endpoint: '%s', access_key: a, secret_key: b}\nclient: {access_key: c, secret_key: d}\nadmin: {token: abcdefghijklmnop}\ntls: {auto: true}\n",
		s.proxy, s.admin, s.backend.Endpoint()))
	s.run(t, "rm -r /etc/systemd/system/*.d; dpkg -i /root/first.deb; install -m 640 -g s3-crypt-proxy /root/proxy.yaml /etc/s3-crypt-proxy/; systemctl start s3-crypt-proxy")
	if got := s.status(t, "/healthz"); got != "200" {
		t.Errorf("healthz: %s", got)
	}
	s.run(t, "dpkg -P s3-crypt-proxy; ! [ -e /etc/s3-crypt-proxy ]")
}
