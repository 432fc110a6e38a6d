package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// lines is a log that is read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// trouble makes requests of every operation, good ones and bad ones, about one key,
// and returns the answers' request ids.
func trouble(g *rig, key string) (ids []string) {
	do := func(c call) {
		a := g.do(c)
		ids = append(ids, a.header.Get("x-amz-request-id"))
	}
	do(call{method: "PUT", target: "/bkt/" + key, body: pattern(1000)})
	do(call{method: "GET", target: "/bkt/" + key})
	for i := range routes {
		c := example(&routes[i], "bkt", key)
		do(c)
		c.access = "NOBODY"
		do(c)
		c.access, c.at = "", time.Now().Add(-time.Hour)
		do(c)
	}
	do(call{method: "PUT", target: "/bkt/" + key, body: pattern(1000), sha: strings.Repeat("0", 64)})
	do(call{method: "PUT", target: "/bkt/" + key + strings.Repeat("x", 1100), body: pattern(10)})
	do(call{method: "GET", target: "/bkt/" + key, header: map[string]string{"range": "bytes=5000-"}})
	do(call{method: "GET", target: "/bkt/" + key + "?unknown=1"})
	do(call{method: "GET", target: "/bkt/%zz" + key})
	do(call{method: "PUT", target: "/bkt/" + key, body: pattern(1000)})
	g.store.tamper("bkt", key, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	do(call{method: "GET", target: "/bkt/" + key})
	g.store.tamper("bkt", key, func(b []byte) []byte { return []byte("not sealed at all") })
	do(call{method: "GET", target: "/bkt/" + key})
	do(call{method: "PUT", target: "/bkt/" + key, body: pattern(1000)})
	for _, kind := range []backend.Kind{backend.Busy, backend.Denied, backend.Conflict, backend.Invalid} {
		g.store.before = func(string, string, string) error { return &backend.Error{Kind: kind, Op: "Test"} }
		do(call{method: "GET", target: "/bkt/" + key})
		do(call{method: "PUT", target: "/bkt/" + key, body: pattern(10)})
		do(call{method: "GET", target: "/bkt?list-type=2&prefix=" + key})
		do(call{method: "DELETE", target: "/bkt/" + key})
	}
	g.store.before = nil
	ring := g.keys.ring
	g.keys.ring = nil
	do(call{method: "GET", target: "/bkt/" + key})
	g.keys.ring = ring
	return ids
}

// TestAccessLog: one line a request, with the id that the client was told; every line
// that is about a request has it; names of objects are in none but at debug, and no
// secret is at any level.
func TestAccessLog(t *testing.T) {
	for _, level := range []zerolog.Level{zerolog.InfoLevel, zerolog.DebugLevel} {
		t.Run(level.String(), func(t *testing.T) {
			var log lines
			g := newRig(t, func(c *Config) { c.Log = zerolog.New(&log).Level(level) })
			const key = "a-name-of-an-object"
			ids := trouble(g, key)
			raw, err := net.Dial("tcp", g.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			fmt.Fprint(raw, "nonsense\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(raw), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			ids = append(ids, resp.Header.Get("x-amz-request-id"))
			for end := time.Now().Add(10 * time.Second); strings.Count(log.text(), `"message":"request"`) < len(ids); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%d lines for %d requests", strings.Count(log.text(), `"message":"request"`), len(ids))
				}
			}
			logged := map[string]int{}
			for line := range strings.Lines(log.text()) {
				var l struct {
					ID      string `json:"request_id"`
					Message string
					Op      string
					Status  int
					Took    *float64 `json:"took_ms"`
				}
				if err := json.Unmarshal([]byte(line), &l); err != nil || l.ID == "" {
					t.Errorf("%v, id %q: %s", err, l.ID, line)
				}
				if l.Message != "request" {
					continue
				}
				logged[l.ID]++
				if l.Op == "" || l.Status < 200 || l.Took == nil {
					t.Errorf("a line says too little: %s", line)
				}
			}
			for i, id := range ids {
				if id == "" || logged[id] != 1 {
					t.Errorf("answer %d has the id %q, which %d lines have", i, id, logged[id])
				}
			}
			if got := strings.Contains(log.text(), key); got != (level == zerolog.DebugLevel) {
				for line := range strings.Lines(log.text()) {
					if strings.Contains(line, key) {
						t.Errorf("a name is in the log: %s", line)
					}
				}
				t.Errorf("names are in the log: %v", got)
			}
			for _, secret := range []string{testSecret, strings.Repeat("\x42", 32), strings.Repeat("42", 32), "QkJCQkJCQkJCQkJC"} {
				if strings.Contains(log.text(), secret) {
					t.Error("a secret is in the log")
				}
			}
		})
	}
}
