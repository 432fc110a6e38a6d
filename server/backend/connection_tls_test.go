package backend

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// packet is a connection whose writes leave together, once it holds no longer.
type packet struct {
	net.Conn
	held  []byte
	holds bool
}

func (p *packet) Write(b []byte) (int, error) {
	if p.held = append(p.held, b...); p.holds {
		return len(b), nil
	}
	_, err := p.Conn.Write(p.held)
	p.held = p.held[:0]
	return len(b), err
}

// TestAnswerAndMoreOverTLSIsNotReused: TLS reads more off the socket than the record that it gives. What stands there
// behind an answer is seen neither by who looks at the socket nor in our own buffer; taken for the next request's answer,
// it would be another object.
func TestAnswerAndMoreOverTLSIsNotReused(t *testing.T) {
	h := httptest.NewUnstartedServer(nil)
	h.StartTLS()
	config, trusted := &tls.Config{Certificates: h.TLS.Certificates}, caFile(t, h.Certificate())
	h.Close()
	more := strings.Replace(ten, "0123456789", "another ob", 1)
	for name, x := range map[string]struct {
		behind string
		conns  int64
	}{
		"an answer":   {more, 4},
		"a body":      {"<Error/>", 4},
		"nothing":     {"", 1},
		"a line feed": {"\n", 4},
	} {
		t.Run(name, func(t *testing.T) {
			var conns atomic.Int64
			w := newWire(t, func(w *wire, conn net.Conn, in *bufio.Reader, n int64) {
				conns.Store(n)
				out := &packet{Conn: conn}
				sealed := tls.Server(out, config)
				for in := bufio.NewReader(sealed); ; {
					sealed.SetDeadline(time.Now().Add(20 * time.Second))
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					out.holds = x.behind != ""
					io.WriteString(sealed, ten)
					out.holds = false
					io.WriteString(sealed, x.behind) // a record of its own
				}
			})
			c := newTestClient(t, strings.Replace(w.url, "http:", "https:", 1), func(c *Config) { c.CAFile = trusted })
			for range 4 {
				if got, err := digits(c); got != "0123456789" || err != nil {
					t.Fatal(got, err)
				}
			}
			if n := conns.Load(); n != x.conns {
				t.Errorf("4 answers came over %d connections, want %d", n, x.conns)
			}
		})
	}
}
