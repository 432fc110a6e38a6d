package keyfile

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

var (
	_ memkey.Signer = (*Identity)(nil)
	_ memkey.Signer = (*AgentSigner)(nil)
)

func testIdentity(t testing.TB) *Identity {
	t.Helper()
	id, err := NewIdentity("anna", time.Unix(1_700_000_000, 5))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(id.Wipe)
	return id
}

// fixedIdentity is the same in every process.
func fixedIdentity(t testing.TB) *Identity {
	t.Helper()
	id, err := newIdentity("anna", time.Unix(1, 0), secret(t, 9))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(id.Wipe)
	return id
}

func TestIdentityRoundTrip(t *testing.T) {
	want := testIdentity(t)
	file, err := SealIdentity(want, passphrase, LowCost())
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenIdentity(file, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Wipe()
	if !got.Public().Equal(want.Public()) || got.Name != "anna" || !got.Created.Equal(time.Unix(1_700_000_000, 0)) {
		t.Errorf("%x %q %v", got.Public(), got.Name, got.Created)
	}
	sig, err := got.Sign([]byte("m"))
	if err != nil || !ed25519.Verify(want.Public(), []byte("m"), sig) {
		t.Errorf("its signature is not that of the original: %v", err)
	}
	if _, err := OpenIdentity(file, []byte("other")); !errors.Is(err, ErrPassphrase) {
		t.Errorf("another passphrase: %v", err)
	}
	for i := range len(file) * 8 {
		bad := bytes.Clone(file)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := OpenIdentity(bad, passphrase); !errors.Is(err, ErrPassphrase) && !errors.Is(err, ErrFormat) {
			t.Fatalf("bit %d: %v", i, err)
		}
	}
}

func TestLayoutOfTheIdentity(t *testing.T) {
	seed := master(9)
	plain := append([]byte{1}, binary.BigEndian.AppendUint64(nil, 1_700_000_000)...)
	plain = append(append(plain, seed...), 4)
	plain = append(plain, "anna"...)
	id, err := decodeIdentity(bytes.Clone(plain))
	if err != nil {
		t.Fatal(err)
	}
	defer id.Wipe()
	if want := ed25519.NewKeyFromSeed(seed).Public(); !id.Public().Equal(want) || id.Name != "anna" || id.Created.Unix() != 1_700_000_000 {
		t.Errorf("%x %q %v", id.Public(), id.Name, id.Created)
	}
	file, err := SealIdentity(id, passphrase, LowCost())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := open(kindIdentity, file, passphrase, true); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%v\n%x\n%x", err, got, plain)
	}
	for n := range plain {
		if _, err := decodeIdentity(bytes.Clone(plain[:n])); !errors.Is(err, ErrFormat) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
	if _, err := decodeIdentity(append(bytes.Clone(plain), 0)); !errors.Is(err, ErrFormat) {
		t.Errorf("one byte more: %v", err)
	}
}

func TestIdentitySigns(t *testing.T) {
	id := testIdentity(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 20 {
				m := bytes.Repeat([]byte{7}, n)
				if sig, err := id.Sign(m); err != nil || !ed25519.Verify(id.Public(), m, sig) {
					t.Errorf("%d bytes: %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	id.Wipe()
	if _, err := id.Sign([]byte("m")); !errors.Is(err, keyagent.ErrWiped) {
		t.Errorf("signed after Wipe: %v", err)
	}
	if _, err := SealIdentity(id, passphrase, LowCost()); !errors.Is(err, keyagent.ErrWiped) {
		t.Errorf("sealed after Wipe: %v", err)
	}
	(*Identity)(nil).Wipe()
	for _, name := range []string{strings.Repeat("x", MaxName+1), "a\nb", "\xff"} {
		if _, err := NewIdentity(name, time.Now()); err == nil {
			t.Errorf("the name %q was taken", name)
		}
	}
}

// serveAgent runs an in-process agent and returns its socket.
func serveAgent(t *testing.T, a agent.Agent) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "a")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = agent.ServeAgent(a, conn) // ends with the client
			}()
		}
	}()
	return socket
}

func signAndCheck(t *testing.T, socket string, public ed25519.PublicKey) {
	t.Helper()
	s, err := SSHAgentSigner(socket, public)
	if err != nil {
		t.Fatal(err)
	}
	m := []byte("memkey/2 M1\x00 …")
	sig, err := s.Sign(m)
	if err != nil || !ed25519.Verify(public, m, sig) {
		t.Errorf("not the raw Ed25519 signature: %v", err)
	}
	if !s.Public().Equal(public) {
		t.Errorf("public key %x", s.Public())
	}
}

func TestSSHAgentSigns(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: private, Comment: "anna@host"}); err != nil {
		t.Fatal(err)
	}
	socket := serveAgent(t, ring)
	signAndCheck(t, socket, public)

	keys, err := SSHAgentKeys(socket)
	if err != nil || len(keys) != 1 || !keys[0].Public.Equal(public) || keys[0].Comment != "anna@host" || !strings.HasPrefix(keys[0].SHA256, "SHA256:") {
		t.Errorf("%+v, %v", keys, err)
	}
	if _, err := SSHAgentSigner(socket, testIdentity(t).Public()); !errors.Is(err, ErrNoKey) {
		t.Errorf("a key it does not have: %v", err)
	}
	s, err := SSHAgentSigner(socket, public)
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Lock([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign([]byte("m")); !errors.Is(err, ErrNoKey) {
		t.Errorf("a locked agent: %v", err)
	}
	for _, socket := range []string{"", filepath.Join(t.TempDir(), "none")} {
		if _, err := SSHAgentKeys(socket); !errors.Is(err, ErrNoAgent) {
			t.Errorf("socket %q: %v", socket, err)
		}
	}
}

// TestOpenSSHAgentSigns is TestSSHAgentSigns with OpenSSH's own program.
func TestOpenSSHAgentSigns(t *testing.T) {
	program, err := exec.LookPath("ssh-agent")
	if err != nil {
		t.Skip("OpenSSH's ssh-agent is not installed")
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "a")
	cmd := exec.Command(program, "-D", "-a", socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var conn net.Conn
	for range 500 {
		if conn, err = net.Dial("unix", socket); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.NewClient(conn).Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	signAndCheck(t, socket, public)
}

// liar signs something else.
type liar struct{ agent.Agent }

func (l liar) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return l.Agent.Sign(key, append([]byte("not "), data...))
}

func TestSSHAgentThatLies(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	s, err := SSHAgentSigner(serveAgent(t, liar{ring}), public)
	if err != nil {
		t.Fatal(err)
	}
	if sig, err := s.Sign([]byte("m")); !errors.Is(err, ErrNoKey) || sig != nil {
		t.Errorf("%x, %v", sig, err)
	}
}

func TestAuthorizedKeyLines(t *testing.T) {
	public := testIdentity(t).Public()
	line, err := AuthorizedKey(public)
	if err != nil {
		t.Fatal(err)
	}
	got, comment, err := ParseAuthorizedKey([]byte(line + " anna@host\n"))
	if err != nil || !got.Equal(public) || comment != "anna@host" {
		t.Errorf("%x %q %v", got, comment, err)
	}
	const fido = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAICFo/k5LU8863u66YC9eUO2170QduohPURkQnbLa/dczAAAABHNzaDo="
	for _, bad := range []string{"", "ssh-ed25519", "ssh-ed25519 AAAA", fido, line + "\n" + line} {
		if _, _, err := ParseAuthorizedKey([]byte(bad)); err == nil {
			t.Errorf("taken: %q", bad)
		}
	}
}
