package admin

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serve runs a fixture on a real listener.
func serve(t *testing.T, f *fixture, addr string) string {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- f.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_ = f.Shutdown(ctx) // open connections are cut on purpose
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func get(c net.Conn) (*http.Response, error) {
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}

func TestSlowClientIsCut(t *testing.T) {
	f := newFixture(t)
	f.http.ReadTimeout, f.http.ReadHeaderTimeout = 100*time.Millisecond, 100*time.Millisecond
	addr := serve(t, f, "127.0.0.1:0")
	slow := dial(t, addr)
	if _, err := io.WriteString(slow, "GET /healthz HTTP/1.1\r\nHost:"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := io.Copy(io.Discard, slow); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("cut after %v", took)
	}
}

func TestTimeoutsAreSet(t *testing.T) {
	h := newFixture(t).http
	if h.ReadTimeout <= 0 || h.ReadHeaderTimeout <= 0 || h.IdleTimeout <= 0 || h.MaxHeaderBytes <= 0 {
		t.Errorf("%+v", h)
	}
}

func TestLargeHeaders(t *testing.T) {
	addr := serve(t, newFixture(t), "127.0.0.1:0")
	c := dial(t, addr)
	// The server may answer and close while we still write.
	_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nA: "+strings.Repeat("a", 3*maxHeaderBytes)+"\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	addr := serve(t, newFixture(t), "127.0.0.1:0")
	var held []net.Conn
	for range maxConnections {
		c := dial(t, addr)
		if _, err := get(c); err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	if resp, err := get(dial(t, addr)); err == nil {
		t.Errorf("connection %d was served: %v", maxConnections+1, resp.Status)
	}
	if _, err := get(held[0]); err != nil {
		t.Errorf("a held connection was lost: %v", err)
	}
	held[1].Close()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := get(dial(t, addr)); err == nil {
			return
		}
	}
	t.Error("a freed place was never given away")
}

func TestWarnsWhenOthersCanReachIt(t *testing.T) {
	for addr, warns := range map[string]bool{"0.0.0.0:0": true, "127.0.0.1:0": false} {
		f := newFixture(t)
		if _, err := get(dial(t, serve(t, f, addr))); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(f.log.String(), "other machines"); got != warns {
			t.Errorf("%s: warned %v", addr, got)
		}
	}
}

func TestShutdownLetsAnswersEnd(t *testing.T) {
	f := newFixture(t)
	f.stub.wait = make(chan struct{})
	addr := serve(t, f, "127.0.0.1:0")
	c := dial(t, addr)
	if _, err := io.WriteString(c, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for f.stub.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.Shutdown(t.Context()) }()
	close(f.stub.wait)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("%v %v", resp, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestBodiesAreRefused: no path has a use for one, and one that never comes would keep its
// connection for as long as the answer may take: for good, where events are sent.
func TestBodiesAreRefused(t *testing.T) {
	f := newFixture(t)
	f.http.ReadTimeout = time.Second
	addr := serve(t, f, "127.0.0.1:0")
	for _, head := range []string{"HEAD /api/v1/live", "GET /healthz"} {
		for _, length := range []string{"Content-Length: 5", "Transfer-Encoding: chunked"} {
			var answer []byte
			var err error
			for range 5 { // a machine that stands still for ReadTimeout cuts a connection before it has said anything
				c := dial(t, addr)
				if _, err = io.WriteString(c, head+" HTTP/1.1\r\nHost: x\r\n"+length+"\r\n\r\n"); err != nil {
					continue
				}
				if answer, err = io.ReadAll(c); len(answer) > 0 { // until the connection ends
					break
				}
			}
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
				t.Errorf("%s, %s: %q, %v", head, length, answer, err)
			}
		}
	}
}
