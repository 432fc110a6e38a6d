package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	testAccess = "AKTESTACCESS"
	testSecret = "verysecretsecretkey"
)

// step answers one request of a scripted store.
type step func(w http.ResponseWriter, r *http.Request)

// seen is a request as it arrived.
type seen struct {
	method, target string
	header         http.Header
	length         int64
	body           []byte
}

// script is a store that answers the n-th request with the n-th step, and all further with the last.
type script struct {
	*httptest.Server
	mu    sync.Mutex
	steps []step
	reqs  []seen
}

func newScript(t testing.TB, steps ...step) *script {
	s := &script{steps: steps}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *script) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n := len(s.reqs)
	s.reqs = append(s.reqs, seen{method: r.Method, target: r.RequestURI, header: r.Header.Clone(), length: r.ContentLength})
	st := s.steps[min(n, len(s.steps)-1)]
	s.mu.Unlock()
	r.Body = &recorder{ReadCloser: r.Body, s: s, n: n}
	st(w, r)
}

// requests returns what has arrived so far.
func (s *script) requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.reqs...)
}

type recorder struct {
	io.ReadCloser
	s *script
	n int
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.s.mu.Lock()
	r.s.reqs[r.n].body = append(r.s.reqs[r.n].body, p[:n]...)
	r.s.mu.Unlock()
	return n, err
}

// testConfig has limits that a busy machine does not reach; tests that wait for one shorten it.
func testConfig(endpoint string) Config {
	return Config{
		Endpoint: endpoint, Region: "us-east-1", AccessKey: testAccess, SecretKey: testSecret, PathStyle: true,
		Attempts: 4, RetryTime: 20 * time.Second, AnswerTimeout: 20 * time.Second, SlowTimeout: 20 * time.Second,
		ProgressTimeout: 20 * time.Second, ContinueTimeout: 2 * time.Second,
	}
}

// impatient makes stalls fail soon.
func impatient(c *Config) { c.ProgressTimeout = 300 * time.Millisecond }

func newTestClient(t testing.TB, endpoint string, change ...func(*Config)) *Client {
	t.Helper()
	config := testConfig(endpoint)
	for _, f := range change {
		f(&config)
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.backoff = backoff{base: time.Millisecond, throttle: 2 * time.Millisecond, max: 5 * time.Millisecond, askedMax: 50 * time.Millisecond}
	return c
}

// Steps.

// reply reads the request and answers it.
func reply(status int, body string, header ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		early(status, body, header...)(w, r)
	}
}

// early answers without reading the request's body.
func early(status int, body string, header ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = []string{"application/xml"}
		for i := 0; i < len(header); i += 2 {
			w.Header()[header[i]] = []string{header[i+1]}
		}
		if _, set := w.Header()["Content-Length"]; !set && status != 204 {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		}
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			io.WriteString(w, body)
		}
	}
}

// hasty answers on the bare connection, where net/http's server would read the request first.
func hasty(status int, body string, header ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 %d x\r\nContent-Length: %d\r\n", status, len(body))
		for i := 0; i < len(header); i += 2 {
			fmt.Fprintf(conn, "%s: %s\r\n", header[i], header[i+1])
		}
		fmt.Fprintf(conn, "\r\n%s", body)
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		io.Copy(io.Discard, conn)
	}
}

// s3fault is an S3 error document.
func s3fault(status int, code, message string, header ...string) step {
	return reply(status, fmt.Sprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message><Resource>/x</Resource></Error>", code, message), header...)
}

// stored is the answer to a successful upload.
var stored = reply(200, "", "Etag", `"etag1"`)

// reset closes the connection hard before reading the request's body.
func reset(w http.ResponseWriter, r *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// lost reads the whole request and then closes the connection hard.
func lost(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	reset(w, r)
}

// cut announces n bytes, sends body, and ends the connection.
func cut(status int, n int, body string, header ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		early(status, body, append(header, "Content-Length", strconv.Itoa(n))...)(w, r)
		w.(http.Flusher).Flush()
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
	}
}

// silent never says anything more, until the client closes the connection.
func silent(w http.ResponseWriter, r *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	io.Copy(io.Discard, conn)
}

// stalled sends n bytes of an announced total and then nothing more.
func stalled(status, total, n int, header ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		early(status, string(make([]byte, n)), append(header, "Content-Length", strconv.Itoa(total))...)(w, r)
		w.(http.Flusher).Flush()
		silent(w, r)
	}
}

// stream hides Seek, so that an upload of it can be sent only once.
type stream struct{ io.Reader }

// wantKind demands an *Error of the kind and returns it.
func wantKind(t testing.TB, err error, kind Kind) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T) is no *Error", err, err)
	}
	if e.Kind != kind {
		t.Fatalf("kind %q of %v, want %q", e.Kind, err, kind)
	}
	return e
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

var sprintf = fmt.Sprintf

func put(c *Client, body []byte, cond Conditions) (string, error) {
	w, err := c.Put(context.Background(), "bucket", "key", bytes.NewReader(body), int64(len(body)), cond)
	return w.ETag, err
}

// dialTo connects every address to one.
func dialTo(addr string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
}
