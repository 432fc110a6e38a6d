package backend

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func newTLSScript(t testing.TB, steps ...step) *script {
	s := &script{steps: steps}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.EnableHTTP2 = true // offered, so that a client that takes it is noticed
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func caFile(t testing.TB, cert *x509.Certificate) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestCertificatesAreVerified(t *testing.T) {
	var proto atomic.Value
	s := newTLSScript(t, func(w http.ResponseWriter, r *http.Request) {
		proto.Store(r.Proto)
		stored(w, r)
	})
	_, err := put(newTestClient(t, s.URL), pattern(10), Conditions{})
	if e := wantKind(t, err, Unreachable); e.Attempts != 1 {
		t.Errorf("a wrong certificate was tried %d times", e.Attempts)
	}
	if n := len(s.requests()); n != 0 {
		t.Fatalf("%d requests reached a store nobody trusts", n)
	}
	for name, change := range map[string]func(*Config){
		"CAFile":             func(c *Config) { c.CAFile = caFile(t, s.Certificate()) },
		"InsecureSkipVerify": func(c *Config) { c.InsecureSkipVerify = true },
	} {
		if _, err := put(newTestClient(t, s.URL, change), pattern(10), Conditions{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p := proto.Load(); p != "HTTP/1.1" {
			t.Errorf("%s: spoke %v", name, p)
		}
	}
}

// rawStore is a TLS server that reads a request's header only, answers an upload with refusal and closes
// the connection at once, as some stores do. With awaits it is one that knows Expect; without, the
// unread body makes the kernel reset the connection, and the answer is mostly lost.
type rawStore struct {
	net.Listener
	cert    *x509.Certificate
	puts    atomic.Int64
	heads   atomic.Int64
	expects atomic.Int64
}

func newRawStore(t *testing.T, refusal, head string) *rawStore {
	t.Helper()
	// httptest owns a certificate for 127.0.0.1; borrow it.
	h := httptest.NewUnstartedServer(nil)
	h.StartTLS()
	config := &tls.Config{Certificates: h.TLS.Certificates}
	s := &rawStore{cert: h.Certificate()}
	h.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Listener = tcp
	t.Cleanup(func() { tcp.Close() })
	go func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			go s.serve(tls.Server(conn, config), conn, refusal, head)
		}
	}()
	return s
}

func (s *rawStore) serve(conn *tls.Conn, tcp net.Conn, refusal, head string) {
	defer tcp.Close() // without TLS's farewell
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(conn)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	if req.Method == http.MethodHead {
		s.heads.Add(1)
		io.WriteString(conn, head)
		return
	}
	s.puts.Add(1)
	if req.Header.Get("Expect") != "" {
		s.expects.Add(1)
	}
	io.WriteString(conn, refusal)
}

const (
	refused412 = "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 50\r\nConnection: close\r\n\r\n<Error><Code>PreconditionFailed</Code></Error>    "
	refused403 = "HTTP/1.1 403 Forbidden\r\nContent-Length: 42\r\nConnection: close\r\n\r\n<Error><Code>AccessDenied</Code></Error>  "
	headThere  = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"now\"\r\nConnection: close\r\n\r\n"
	headAbsent = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)

func TestEarlyRefusalOverTLSIsNotLost(t *testing.T) {
	for _, size := range []int{64 << 10, continueFrom, 1 << 20, 8 << 20} {
		for range 5 {
			s := newRawStore(t, refused412, headThere)
			c := newTestClient(t, "https://"+s.Addr().String(), func(c *Config) { c.CAFile = caFile(t, s.cert) })
			_, err := put(c, pattern(size), Conditions{IfNoneMatch: true})
			wantKind(t, err, Precondition)
			if size >= continueFrom && (s.expects.Load() != 1 || s.heads.Load() != 0) {
				t.Errorf("%d bytes: %d with Expect, %d HEAD", size, s.expects.Load(), s.heads.Load())
			}
		}
	}
}

func TestEarlyDenialOfAConditionalUploadIsNotLost(t *testing.T) {
	s := newRawStore(t, refused403, headAbsent)
	c := newTestClient(t, "https://"+s.Addr().String(), func(c *Config) { c.CAFile = caFile(t, s.cert) })
	_, err := put(c, pattern(8<<20), Conditions{IfNoneMatch: true})
	wantKind(t, err, Denied)
}

// A store that ignores Expect and resets: the answer cannot be had any more.
func TestLostRefusalIsFoundOutByHead(t *testing.T) {
	for name, tc := range map[string]struct {
		cond Conditions
		head string
		want Kind
	}{
		"exists":             {Conditions{IfNoneMatch: true}, headThere, Precondition},
		"does not exist":     {Conditions{IfNoneMatch: true}, headAbsent, Busy},
		"other ETag":         {Conditions{IfMatch: `"old"`}, headThere, Precondition},
		"gone":               {Conditions{IfMatch: `"old"`}, headAbsent, Precondition},
		"still the old ETag": {Conditions{IfMatch: `"now"`}, headThere, Busy},
		"no condition":       {Conditions{}, headThere, Busy},
	} {
		t.Run(name, func(t *testing.T) {
			s := newRawStore(t, "", tc.head)
			c := newTestClient(t, "https://"+s.Addr().String(), func(c *Config) { c.CAFile = caFile(t, s.cert) })
			_, err := put(c, pattern(8<<20), tc.cond)
			e := wantKind(t, err, tc.want)
			if !e.Unsure {
				t.Error("the error does not say that the outcome is unsure")
			}
			if tc.want == Precondition && (s.puts.Load() != 1 || s.heads.Load() != 1) {
				t.Errorf("%d PUT, %d HEAD", s.puts.Load(), s.heads.Load())
			}
			if tc.want == Busy && s.puts.Load() != 4 {
				t.Errorf("%d attempts, want 4", s.puts.Load())
			}
			if tc.cond == (Conditions{}) && s.heads.Load() != 0 {
				t.Error("an unconditional upload asked by HEAD")
			}
		})
	}
}

func TestErrorsHoldNoSecret(t *testing.T) {
	leaky := s3fault(403, "SignatureDoesNotMatch", "key "+testAccess+" signed\n/bucket/key")
	s := newScript(t, leaky)
	c := newTestClient(t, s.URL)
	_, err := put(c, pattern(10), Conditions{})
	down := httptest.NewServer(nil)
	down.Close()
	_, err2 := put(newTestClient(t, down.URL), pattern(10), Conditions{})
	var b bytes.Buffer
	for _, e := range []error{err, err2} {
		wantKind(t, e, map[bool]Kind{true: Denied, false: Unreachable}[e == err])
		b.WriteString(e.Error())
	}
	for _, v := range []any{c, c.config, &c.config} {
		for _, f := range []string{"%v", "%+v", "%#v", "%s"} {
			b.WriteString(sprintf(f, v))
		}
	}
	for _, secret := range []string{testSecret, testAccess, "Signature=", "X-Amz-Signature", "\n"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("output has %q: %s", secret, b.String())
		}
	}
}
