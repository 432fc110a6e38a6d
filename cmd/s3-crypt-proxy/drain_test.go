package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// bench is a proxy in this process, in front of a backend that answers when told.
type bench struct {
	*proxy
	asked   chan struct{} // one for each request that reached the backend
	answer  chan struct{} // closed: the backend answers
	signals chan os.Signal
	ended   chan error
	log     *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newBench(t *testing.T, environ ...string) *bench { return newBenchOf(t, "", environ...) }

// newBenchOf is newBench with a configuration file, which the variables win over.
func newBenchOf(t *testing.T, file string, environ ...string) *bench {
	t.Helper()
	b := &bench{asked: make(chan struct{}, 64), answer: make(chan struct{}), signals: make(chan os.Signal, 4), ended: make(chan error, 1), log: &syncBuffer{}}
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.asked <- struct{}{}
		select {
		case <-b.answer:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(store.Close)
	dir := t.TempDir()
	environ = append([]string{
		"S3CP_LISTEN_ADDR=127.0.0.1:0", "S3CP_ADMIN_LISTEN_ADDR=127.0.0.1:0", "S3CP_ADMIN_TOKEN=0123456789abcdef",
		"S3CP_BACKEND_ENDPOINT=" + store.URL, "S3CP_BACKEND_ACCESS_KEY=a", "S3CP_BACKEND_SECRET_KEY=b", "S3CP_BACKEND_PATH_STYLE=true",
		"S3CP_MEMKEY_SOCKET=" + filepath.Join(dir, "none"),
	}, environ...)
	if file == "" {
		environ = append(environ, "S3CP_CLIENT_ACCESS_KEY=CLIENT", "S3CP_CLIENT_SECRET_KEY=secret")
	}
	load := func() (*config.Config, error) { return config.Load(file, environ) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	log, level := newLogger(cfg, b.log)
	if b.proxy, err = assemble(cfg, log); err != nil {
		t.Fatal(err)
	}
	b.source = source{load: load, level: level}
	go func() { b.ended <- b.run(t.Context(), b.signals) }()
	return b
}

// head sends a signed HEAD of a bucket and returns the connection.
func (b *bench) head(t *testing.T) net.Conn { return b.headAs(t, "CLIENT", "secret", "/backups") }

// headAs is head for a client and a bucket.
func (b *bench) headAs(t *testing.T, access, secret, target string) net.Conn {
	t.Helper()
	host := b.clients.Addr().String()
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	headers, err := sigv4.NewSigner(access, secret, "us-east-1").Sign("HEAD", host, target, nil, sigv4.UnsignedPayload, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var req strings.Builder
	req.WriteString("HEAD " + target + " HTTP/1.1\r\n")
	for _, h := range headers {
		req.WriteString(h.Name + ": " + h.Value + "\r\n")
	}
	req.WriteString("\r\n")
	if _, err := c.Write([]byte(req.String())); err != nil {
		t.Fatal(err)
	}
	return c
}

func status(c net.Conn) (int, error) {
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: "HEAD"})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}

func (b *bench) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-b.ended:
		return err
	case <-time.After(20 * time.Second):
		t.Fatalf("it goes on:\n%s", b.log)
		return nil
	}
}

func (b *bench) until(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if strings.Contains(b.log.String(), text) {
			return
		}
	}
	t.Fatalf("never logged: %q\n%s", text, b.log)
}

func readyz(t *testing.T, addr string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body.String()
}

func TestDrainLetsRequestsEnd(t *testing.T) {
	b := newBench(t)
	idle, err := net.Dial("tcp", b.clients.Addr().String()) // must not hold the drain up
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	running := b.head(t)
	<-b.asked
	b.signals <- syscall.SIGTERM
	b.until(t, "draining")
	late := b.head(t)
	resp, err := http.ReadResponse(bufio.NewReader(late), &http.Request{Method: "HEAD"})
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !resp.Close {
		t.Errorf("a request that came during the drain got %d %v", resp.StatusCode, resp.Header)
	}
	if code, body := readyz(t, b.admins.Addr().String()); code != 503 || !strings.Contains(body, "shutdown: not ok") {
		t.Errorf("readiness during the drain: %d %q", code, body)
	}
	select {
	case err := <-b.ended:
		t.Fatalf("ended while a request was running: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(b.answer)
	if code, err := status(running); err != nil || code == 0 {
		t.Errorf("the running request got %d, %v", code, err)
	}
	if err := b.wait(t); err != nil {
		t.Errorf("a complete drain: %v", err)
	}
	b.until(t, "ended")
	if c, err := net.Dial("tcp", b.clients.Addr().String()); err == nil {
		c.Close()
		t.Error("new clients are still accepted")
	}
}

// TestSilentClientsDoNotHoldTheDrain: neither one that only connected, nor one
// that only shook hands, nor one that waits for its next request.
func TestSilentClientsDoNotHoldTheDrain(t *testing.T) {
	b := newBench(t, "S3CP_TLS=auto", "S3CP_TLS_DIR="+t.TempDir())
	close(b.answer)
	addr := b.clients.Addr().String()
	connected, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	dial := func() *tls.Conn {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	dial()
	served := dial()
	if _, err := served.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if code, err := status(served); err != nil || code != 403 {
		t.Fatalf("%d %v", code, err)
	}
	began := time.Now()
	b.signals <- syscall.SIGTERM
	if err := b.wait(t); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the drain took %v", took)
	}
}

func TestSecondSignalEndsTheDrain(t *testing.T) {
	b := newBench(t)
	running := b.head(t)
	<-b.asked
	b.signals <- syscall.SIGTERM
	b.until(t, "draining")
	b.signals <- syscall.SIGHUP // ends nothing
	select {
	case err := <-b.ended:
		t.Fatalf("SIGHUP ended the drain: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	b.signals <- syscall.SIGINT
	err := b.wait(t)
	var f *failure
	if !errors.As(err, &f) || f.code != exitCut || !strings.Contains(err.Error(), "a second signal (interrupt) came") {
		t.Errorf("%v", err)
	}
	running.Close()
}

func TestShutdownTimeoutEndsTheDrain(t *testing.T) {
	b := newBench(t, "S3CP_SHUTDOWN_TIMEOUT=200ms")
	running := b.head(t)
	<-b.asked
	began := time.Now()
	b.signals <- syscall.SIGTERM
	err := b.wait(t)
	var f *failure
	if !errors.As(err, &f) || f.code != exitCut || !strings.Contains(err.Error(), "shutdown_timeout passed") {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("took %v", took)
	}
	running.Close()
}

func TestFailedListenerEndsTheProcess(t *testing.T) {
	b := newBench(t)
	b.until(t, `"message":"ready"`)
	if code, _ := readyz(t, b.admins.Addr().String()); code != 503 {
		t.Errorf("ready without a key: %d", code)
	}
	b.admins.Close() // as if the system took it away
	err := b.wait(t)
	var f *failure
	if !errors.As(err, &f) || f.code != exitInternal {
		t.Errorf("%v", err)
	}
}

// TestNothingStaysOpen: what fails half-way leaves no listener behind.
func TestNothingStaysOpen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr, release, err := rig.HoldPort()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	cfg, err := config.Load("", []string{
		"S3CP_LISTEN_ADDR=" + addr, "S3CP_ADMIN_LISTEN_ADDR=" + taken.Addr().String(), "S3CP_ADMIN_TOKEN=0123456789abcdef",
		"S3CP_BACKEND_ENDPOINT=http://127.0.0.1:1", "S3CP_BACKEND_ACCESS_KEY=a", "S3CP_BACKEND_SECRET_KEY=b",
		"S3CP_CLIENT_ACCESS_KEY=c", "S3CP_CLIENT_SECRET_KEY=d",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = assemble(cfg, zerolog.Nop())
	var f *failure
	if !errors.As(err, &f) || f.code != exitListen {
		t.Fatalf("%v", err)
	}
	again, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the first listener is still open: %v", err)
	}
	again.Close()
}
