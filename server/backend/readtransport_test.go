package backend

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// wire is a store that says exactly what it is told: each connection runs serve until it returns.
type wire struct {
	url   string
	conns atomic.Int64
	asked atomic.Int64
}

func newWire(t *testing.T, serve func(w *wire, conn net.Conn, in *bufio.Reader, n int64)) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	w := &wire{url: "http://" + l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n := w.conns.Add(1)
			go func() {
				defer conn.Close()
				serve(w, conn, bufio.NewReader(conn), n)
			}()
		}
	}()
	return w
}

// hear reads one request; false at the connection's end.
func (w *wire) hear(in *bufio.Reader) bool {
	if _, err := http.ReadRequest(in); err != nil {
		return false
	}
	w.asked.Add(1)
	return true
}

const ten = "HTTP/1.1 200 OK\r\nEtag: \"e\"\r\nContent-Length: 10\r\n\r\n0123456789"

// eventually waits for what another goroutine does.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

func digits(c *Client) (string, error) {
	o, err := c.Get(context.Background(), "bucket", "key", GetOptions{})
	if err != nil {
		return "", err
	}
	defer o.Body.Close()
	b, err := io.ReadAll(o.Body)
	return string(b), err
}

// TestIdleConnectionIsLookedAt: a connection that the store closed, or on which it said what nobody asked for, carries no
// further request. The second is an answer to nothing: taken for the next request's, it would be another object.
func TestIdleConnectionIsLookedAt(t *testing.T) {
	for name, after := range map[string]string{"closed": "", "unasked": strings.Replace(ten, "0123456789", "another ob", 1)} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, func(w *wire, conn net.Conn, in *bufio.Reader, n int64) {
				for first := true; w.hear(in); first = false {
					io.WriteString(conn, ten)
					if n == 1 && first {
						if after == "" {
							return
						}
						time.Sleep(time.Millisecond) // apart from the answer, more often than not
						io.WriteString(conn, after)
					}
				}
			})
			c := newTestClient(t, w.url)
			if got, err := digits(c); got != "0123456789" || err != nil {
				t.Fatal(got, err)
			}
			eventually(t, "the connection is still quiet", func() bool {
				c.reads.idle.mu.Lock()
				defer c.reads.idle.mu.Unlock()
				for _, list := range c.reads.idle.kept {
					for _, conn := range list {
						return !conn.quiet()
					}
				}
				return true // it was not even kept
			})
			if got, err := digits(c); got != "0123456789" || err != nil {
				t.Fatal(got, err)
			}
			if n := w.asked.Load(); n != 2 || w.conns.Load() != 2 {
				t.Errorf("%d requests over %d connections", n, w.conns.Load())
			}
		})
	}
}

// TestAnswerAndMoreIsNotReused: bytes behind an answer end the connection.
func TestAnswerAndMoreIsNotReused(t *testing.T) {
	w := newWire(t, func(w *wire, conn net.Conn, in *bufio.Reader, n int64) {
		for w.hear(in) {
			io.WriteString(conn, ten+ten)
		}
	})
	c := newTestClient(t, w.url)
	for range 3 {
		if got, err := digits(c); got != "0123456789" || err != nil {
			t.Fatal(got, err)
		}
	}
	if n := w.conns.Load(); n != 3 {
		t.Errorf("3 answers with more behind them came over %d connections", n)
	}
}

// TestLostKeptConnectionIsNoFailure: a store may close a connection at the moment that a request is sent. That is no
// attempt of the call; a new connection that ends without an answer is one.
func TestLostKeptConnectionIsNoFailure(t *testing.T) {
	w := newWire(t, func(w *wire, conn net.Conn, in *bufio.Reader, n int64) {
		if n <= 4 {
			if w.hear(in) {
				io.WriteString(conn, ten)
			}
			w.hear(in) // and not a word
			return
		}
		for w.hear(in) {
			io.WriteString(conn, ten)
		}
	})
	attempts := 0
	c := newTestClient(t, w.url, func(c *Config) {
		c.Observe = func(_ string, _ int, _ Kind, _ time.Duration, attempt int) { attempts = max(attempts, attempt) }
	})
	for range 8 {
		if got, err := digits(c); got != "0123456789" || err != nil {
			t.Fatal(got, err)
		}
	}
	if attempts != 1 {
		t.Errorf("a read took %d attempts", attempts)
	}
}

// TestAnswersAreBounded: in their header, in the time until it is there, and in what comes before it.
func TestAnswersAreBounded(t *testing.T) {
	for name, answer := range map[string]string{
		"a long line":      "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", maxHeader+1) + "\r\nEtag: \"e\"\r\nContent-Length: 1\r\n\r\nx",
		"many lines":       "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", maxHeader/32) + "Etag: \"e\"\r\nContent-Length: 1\r\n\r\nx",
		"hints for ever":   strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInformational+1) + ten,
		"another protocol": "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"no HTTP":          "220 smtp\r\n",
		"two lengths":      "HTTP/1.1 200 OK\r\nEtag: \"e\"\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
		"nothing":          "\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, func(w *wire, conn net.Conn, in *bufio.Reader, n int64) {
				if w.hear(in) {
					io.WriteString(conn, answer)
					io.Copy(io.Discard, in)
				}
			})
			c := newTestClient(t, w.url, func(c *Config) { c.AnswerTimeout, c.Attempts = 300*time.Millisecond, 2 })
			got, err := digits(c)
			var e *Error
			if !errors.As(err, &e) || e.Kind != Busy || e.Attempts != 2 || e.Status != 0 {
				t.Errorf("%q, %v", got, err)
			}
			eventually(t, "a connection is left", func() bool { return c.Connections() == 0 })
		})
	}
	t.Run("some hints", func(t *testing.T) {
		w := newWire(t, func(w *wire, conn net.Conn, in *bufio.Reader, n int64) {
			for w.hear(in) {
				io.WriteString(conn, strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInformational)+ten)
			}
		})
		if got, err := digits(newTestClient(t, w.url)); got != "0123456789" || err != nil {
			t.Error(got, err)
		}
	})
}

// TestLeftBodyEndsItsConnection: what was not read of an answer is never part of the next.
func TestLeftBodyEndsItsConnection(t *testing.T) {
	w := newWire(t, func(w *wire, conn net.Conn, in *bufio.Reader, n int64) {
		for w.hear(in) {
			io.WriteString(conn, ten)
		}
	})
	c := newTestClient(t, w.url)
	for range 3 {
		o, err := c.Get(context.Background(), "bucket", "key", GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var some [5]byte
		if _, err := io.ReadFull(o.Body, some[:]); err != nil || string(some[:]) != "01234" {
			t.Fatalf("%q, %v", some, err)
		}
		o.Body.Close()
		if n, err := o.Body.Read(some[:]); n != 0 || err == nil || err == io.EOF {
			t.Errorf("a closed body gives %d bytes, %v", n, err)
		}
	}
	if n := w.conns.Load(); n != 3 {
		t.Errorf("3 bodies that were left took %d connections", n)
	}
}

// TestIdleConnectionsAreFewAndEnd: no more than MaxConns are kept, none for longer than IdleTimeout, and none after Close.
func TestIdleConnectionsAreFewAndEnd(t *testing.T) {
	s := newScript(t, reply(200, "0123456789", "Etag", `"e"`))
	c := newTestClient(t, s.URL, func(c *Config) { c.MaxConns, c.IdleTimeout = 2, 200*time.Millisecond })
	var open []*Object
	for range 5 {
		o, err := c.Get(context.Background(), "bucket", "key", GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, o)
	}
	for _, o := range open {
		io.Copy(io.Discard, o.Body)
		o.Body.Close()
	}
	if n := c.Connections(); n > 2 {
		t.Errorf("%d connections are kept", n)
	}
	eventually(t, "idle connections stay", func() bool { return c.Connections() == 0 })
	c.Close()
	if _, err := digits(c); err != nil || c.Connections() != 0 {
		t.Errorf("after Close: %d connections, %v", c.Connections(), err)
	}
}

// TestNothingEndsALineOfARequest: what would be another header, or another request, is not sent.
func TestNothingEndsALineOfARequest(t *testing.T) {
	asked := newScript(t, stored)
	c := newTestClient(t, asked.URL)
	for name, change := range map[string]func(r *http.Request){
		"value":  func(r *http.Request) { r.Header["If-Match"] = []string{"\"e\"\r\nX-Amz-Acl: public-read"} },
		"lf":     func(r *http.Request) { r.Header["If-Match"] = []string{"\"e\"\n"} },
		"nul":    func(r *http.Request) { r.Header["If-Match"] = []string{"\x00"} },
		"name":   func(r *http.Request) { r.Header["A: b\r\nC"] = []string{"d"} },
		"blank":  func(r *http.Request) { r.Header["A "] = []string{"d"} },
		"host":   func(r *http.Request) { r.Host = "store\r\nA: b" },
		"target": func(r *http.Request) { r.URL.Opaque = "/a b" },
		"query":  func(r *http.Request) { r.URL.RawQuery = "a HTTP/1.1\r\nA: b" },
		"method": func(r *http.Request) { r.Method = "GET /other HTTP/1.1\r\nA: b\r\n\r\nGET" },
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodGet, asked.URL+"/bucket/key", nil)
			if err != nil {
				t.Fatal(err)
			}
			change(r)
			if resp, err := c.reads.RoundTrip(r); err == nil {
				t.Errorf("%s", resp.Status)
			}
		})
	}
	if n := len(asked.requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// FuzzReadsAreSignedAsTheSDKDoes: whatever is asked reads as that one request, with the headers and the signature that the
// SDK's signer gives it.
func FuzzReadsAreSignedAsTheSDKDoes(f *testing.F) {
	f.Add("bucket", "key", "", "bytes=0-1023", "", true)
	f.Add("bucket", "a b+c%2F?#é\x01/../x//y~*", "v 1+/=", "", "\"e\"", false)
	f.Add("a.b.c", "/", "null", "bytes=0-", "\"a  b\" ", true)
	f.Add("bucket", "k", "\r\n", "a\r\nb: c", "\x00", true)
	f.Fuzz(func(t *testing.T, bucket, key, version, span, match string, get bool) {
		c := Config{Endpoint: "http://store.test:9000/base", Region: "eu-1", AccessKey: testAccess, SecretKey: testSecret, PathStyle: true}
		r, err := newRequests(c)
		if err != nil {
			t.Fatal(err)
		}
		if object("", bucket, key) != nil {
			return
		}
		query := url.Values{}
		if version != "" {
			query.Set("versionId", version)
		}
		method, target := http.MethodHead, r.target(bucket, key, query)
		if get {
			method = http.MethodGet
		}
		var headers []sigv4.Header
		want := http.Header{}
		for name, v := range map[string]string{"range": span, "if-match": match} {
			if v != "" {
				headers = append(headers, sigv4.Header{Name: name, Value: v})
				want.Set(name, v)
			}
		}
		head := r.head(method, target, headers)
		if head == nil {
			if plainXML(span + match) {
				t.Fatalf("nothing for %q %q", span, match)
			}
			return
		}
		in := bufio.NewReader(strings.NewReader(string(head) + "rest"))
		got, err := http.ReadRequest(in)
		if err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		if rest, _ := io.ReadAll(in); string(rest) != "rest" || got.Method != method || got.RequestURI != target.RequestURI() || got.Host != "store.test:9000" {
			t.Fatalf("%q reads as %s %s%s, %q", head, got.Method, got.Host, got.RequestURI, rest)
		}
		at, err := time.Parse("20060102T150405Z", got.Header.Get("X-Amz-Date"))
		if err != nil {
			t.Fatal(err)
		}
		u := *target
		want.Set("X-Amz-Content-Sha256", emptyPayload)
		req := &http.Request{Method: method, URL: &u, Host: u.Host, Header: want}
		if err := r.signer.SignHTTP(context.Background(), r.who, req, emptyPayload, "s3", r.region, at); err != nil {
			t.Fatal(err)
		}
		for name := range want {
			want[name][0] = strings.Trim(want[name][0], " \t")
		}
		want.Set("User-Agent", userAgent)
		if !reflect.DeepEqual(got.Header, want) || u != *target {
			t.Errorf("%q\n%v\n%v", head, got.Header, want)
		}
	})
}

// BenchmarkExchange is one exchange over loopback, by net/http and by the transport of reads; the store's share is in both.
func BenchmarkExchange(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var in [4 << 10]byte
				answer := []byte(fmt.Sprintf("HTTP/1.1 206 Partial Content\r\nDate: Fri, 05 Jun 2026 10:20:30 GMT\r\nEtag: \"e\"\r\nContent-Length: 1024\r\n\r\n%01024d", 0))
				for {
					if _, err := conn.Read(in[:]); err != nil { // a request of one packet
						return
					}
					if _, err := conn.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	c := newTestClient(b, "http://"+l.Addr().String())
	for name, transport := range map[string]http.RoundTripper{"net-http": c.transports[0], "reads": c.reads} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			began := cpu()
			for b.Loop() {
				req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, c.config.Endpoint+"/bucket/key", nil)
				if err != nil {
					b.Fatal(err)
				}
				resp, err := transport.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, resp.Body); n != 1024 || err != nil {
					b.Fatal(n, err)
				}
				resp.Body.Close()
			}
			b.ReportMetric(float64((cpu()-began).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}
