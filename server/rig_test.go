package server

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

const (
	testAccess = "PROXYKEYID0000000001"
	testSecret = "proxysecret0123456789"
)

// rig is a Server on a real loopback socket over a backend in memory.
type rig struct {
	t      testing.TB
	s      *Server
	store  *memory
	addr   string
	engine *pipeline.Engine
	keys   *swapKeys
}

// swapKeys is a KeySource whose keyring a test changes.
type swapKeys struct{ ring *format.Keyring }

func (k *swapKeys) Ring() (Keyring, error) {
	if k.ring == nil {
		return nil, format.ErrNoKey
	}
	return k.ring, nil
}

// testRing makes a keyring from one repeated byte.
func testRing(t testing.TB, b byte) *format.Keyring {
	t.Helper()
	keys, err := format.DeriveKeys(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := format.NewKeyring(keys)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	g := &rig{t: t, store: newMemory("bkt", "other"), keys: &swapKeys{testRing(t, 0x42)}}
	cfg := Config{
		Backend:         g.store,
		Keys:            g.keys,
		Credentials:     []Credential{{AccessKey: testAccess, SecretKey: testSecret}},
		Resume:          true,
		ProgressTimeout: 20 * time.Second, // a machine that does ten things at once must not fail a test
		HeaderTimeout:   20 * time.Second,
		Log:             zerolog.Nop(),
		lease:           time.Hour, // so that a slow machine makes no more calls than a fast one
	}
	for _, f := range change {
		f(&cfg)
	}
	if cfg.Engine == nil {
		var err error
		cfg.Engine, err = pipeline.New(pipeline.Config{SegmentBytes: format.SegmentSize, TagBytes: format.TagSize, Budget: 128 << 20, QueueTimeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
	}
	g.engine = cfg.Engine
	var err error
	if g.s, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- g.s.Serve(ln) }()
	t.Cleanup(func() {
		ln.Close()
		<-served
		g.engine.Close()
	})
	return g
}

// call is one request a test makes; zero fields are filled in as PBS would.
type call struct {
	method, target string
	body           []byte
	header         map[string]string
	// length, if set, is declared instead of len(body).
	length *int
	sha    string // declared payload hash; "" = the body's own
	noMD5  bool
	access string
	at     time.Time
	// edit changes the signed header block before it is sent.
	edit func(string) string
}

// raw signs a call and renders it, PBS style.
func (c call) raw(host string) []byte { return append(c.head(host), c.body...) }

// head is what raw has before the body.
func (c call) head(host string) []byte {
	n := len(c.body)
	if c.length != nil {
		n = *c.length
	}
	sum := sha256.Sum256(c.body)
	sha := hex.EncodeToString(sum[:])
	if c.sha != "" {
		sha = c.sha
	}
	h := map[string]string{}
	if c.method == "PUT" || c.method == "POST" {
		h["content-length"] = strconv.Itoa(n)
	}
	if len(c.body) > 0 && !c.noMD5 {
		m := md5.Sum(c.body)
		h["content-md5"] = base64.StdEncoding.EncodeToString(m[:])
	}
	for k, v := range c.header {
		if v == "" {
			delete(h, k)
		} else {
			h[k] = v
		}
	}
	at := c.at
	if at.IsZero() {
		at = time.Now()
	}
	access := c.access
	if access == "" {
		access = testAccess
	}
	signed := signHeaders(c.method, host, c.target, h, sha, at, access)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", c.method, c.target)
	for _, line := range signed {
		fmt.Fprintf(&b, "%s: %s\r\n", line[0], line[1])
	}
	head := b.String()
	if c.edit != nil {
		head = c.edit(head)
	}
	return []byte(head + "\r\n")
}

// answer is a whole response.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // of reading the body
	close  bool  // the connection ends with it
}

func (a answer) code() string {
	_, rest, _ := strings.Cut(string(a.body), "<Code>")
	code, _, _ := strings.Cut(rest, "</Code>")
	return code
}

// dial opens a connection of the test's own.
func (g *rig) dial() net.Conn {
	g.t.Helper()
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(2 * time.Minute)) // for a machine that does ten things at once
	g.t.Cleanup(func() { c.Close() })
	return c
}

// do sends a call on its own connection and reads the whole answer.
func (g *rig) do(c call) answer {
	g.t.Helper()
	conn := g.dial()
	defer conn.Close()
	head := c.head(g.addr)
	go func() { // the answer may come before the body is sent
		conn.Write(head)
		conn.Write(c.body)
	}()
	return readAnswer(g.t, bufio.NewReader(conn), c.method)
}

func readAnswer(t testing.TB, r *bufio.Reader, method string) answer {
	t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("cannot read the answer: %v", err)
	}
	defer resp.Body.Close()
	size := resp.ContentLength
	if method == "HEAD" {
		size = 0
	}
	body, err := readAll(resp.Body, size)
	return answer{resp.StatusCode, resp.Header, body, err, resp.Close}
}

// readAll is io.ReadAll for a body of which the size is known, -1 = it is not:
// growing step by step costs the race detector more than all the rest of a test.
func readAll(r io.Reader, size int64) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, min(max(size, 0), 64<<20)+bytes.MinRead))
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}

// want fails unless the answer has this status and, if given, S3 code.
func (g *rig) want(a answer, status int, code string) {
	g.t.Helper()
	if a.status != status || code != "" && a.code() != code {
		g.t.Fatalf("got %d %s, want %d %s: %s", a.status, a.code(), status, code, a.body)
	}
}

// put stores an object and fails the test if that fails.
func (g *rig) put(target string, body []byte) answer {
	g.t.Helper()
	a := g.do(call{method: "PUT", target: target, body: body})
	g.want(a, 200, "")
	return a
}

// get reads an object.
func (g *rig) get(target string) answer {
	g.t.Helper()
	return g.do(call{method: "GET", target: target})
}

// pattern is n bytes that differ at every offset a mistake would shift by, up to
// 16 MiB, where they begin again.
func pattern(n int) []byte {
	b := make([]byte, n)
	for at := 0; at < n; {
		at += copy(b[at:], patternPeriod())
	}
	return b
}

var patternPeriod = sync.OnceValue(func() []byte {
	b := make([]byte, 1<<24)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	return b
})

// signHeaders signs as PBS does and returns the header lines in order.
func signHeaders(method, host, target string, h map[string]string, sha string, at time.Time, access string) [][2]string {
	var in []sigv4.Header
	for k, v := range h {
		in = append(in, sigv4.Header{Name: k, Value: v})
	}
	signed, err := sigv4.NewSigner(access, testSecret, "us-west-1").Sign(method, host, target, in, sha, at)
	if err != nil {
		panic(err)
	}
	var out [][2]string
	for _, x := range signed {
		out = append(out, [2]string{x.Name, x.Value})
	}
	return out
}

// until polls a condition that must come true.
func (g *rig) until(what string, ok func() bool) {
	g.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			g.t.Fatal("it does not come true: " + what)
		}
	}
}
