package certificate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// listen serves one byte to every client that gets through the handshake.
func listen(t *testing.T, s *Store) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tl := tls.NewListener(ln, s.TLSConfig())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := tl.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				_, _ = c.Write([]byte("k")) // the client looks at the result
			})
		}
	})
	t.Cleanup(func() { tl.Close(); wg.Wait() })
	return ln.Addr().String()
}

// handshake connects, reads the byte and returns what was agreed on.
func handshake(addr string, cfg *tls.Config) (tls.ConnectionState, error) {
	raw, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer raw.Close()
	c := tls.Client(raw, cfg)
	if err := raw.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return tls.ConnectionState{}, err
	}
	var b [1]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return tls.ConnectionState{}, err
	}
	return c.ConnectionState(), nil
}

// pinned trusts a fingerprint and nothing else, as PBS does; no server name.
func pinned(fingerprint string) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			if Fingerprint(raw[0]) != fingerprint {
				return x509.CertificateInvalidError{}
			}
			return nil
		},
	}
}

func TestHandshakeWithoutSNI(t *testing.T) {
	s := newStore(t, Config{Dir: t.TempDir()})
	state, err := handshake(listen(t, s), pinned(s.Fingerprint()))
	if err != nil {
		t.Fatal(err)
	}
	if state.ServerName != "" {
		t.Fatalf("the client sent the name %q", state.ServerName)
	}
	if state.Version != tls.VersionTLS13 || state.CurveID != tls.X25519MLKEM768 {
		t.Errorf("version %x, key exchange %v; want TLS 1.3 with X25519MLKEM768", state.Version, state.CurveID)
	}
	sum := sha256.Sum256(state.PeerCertificates[0].Raw)
	var pairs []string
	for _, b := range sum {
		const digits = "0123456789abcdef"
		pairs = append(pairs, string([]byte{digits[b>>4], digits[b&15]}))
	}
	if want := strings.Join(pairs, ":"); s.Fingerprint() != want {
		t.Errorf("fingerprint %s, on the wire %s", s.Fingerprint(), want)
	}
	if _, err := handshake(listen(t, s), pinned(Fingerprint([]byte("other")))); err == nil {
		t.Error("another fingerprint was accepted: this test proves nothing")
	}
}

func TestHandshakeVersions(t *testing.T) {
	s := newStore(t, Config{Dir: t.TempDir()})
	addr := listen(t, s)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		cfg := pinned(s.Fingerprint())
		cfg.MinVersion, cfg.MaxVersion = version, version
		_, err := handshake(addr, cfg)
		if ok := version >= tls.VersionTLS12; (err == nil) != ok {
			t.Errorf("version %x: %v", version, err)
		}
	}
	cfg := pinned(s.Fingerprint())
	cfg.NextProtos = []string{"h2", "http/1.1"}
	state, err := handshake(addr, cfg)
	if err != nil || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("agreed on %q, %v; want http/1.1", state.NegotiatedProtocol, err)
	}
}

// TestHandshakeWithNames: a client that trusts the certificate itself, and checks
// names, as curl --cacert does.
func TestHandshakeWithNames(t *testing.T) {
	s := newStore(t, Config{Dir: t.TempDir(), Names: []string{"pbs.lan"}})
	addr := listen(t, s)
	roots := x509.NewCertPool()
	roots.AddCert(s.Leaf())
	for name, ok := range map[string]bool{"pbs.lan": true, "127.0.0.1": true, "localhost": true, "evil.lan": false} {
		_, err := handshake(addr, &tls.Config{RootCAs: roots, ServerName: name})
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHandshakeDuringReload: connections never see anything but one of the two.
func TestHandshakeDuringReload(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := pair(t, dir, "a")
	s := newStore(t, Config{CertFile: certFile, KeyFile: keyFile})
	addr := listen(t, s)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := s.Reload(); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for range 20 {
		if _, err := handshake(addr, pinned(s.Fingerprint())); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}
