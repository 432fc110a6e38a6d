package server

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

func TestTamperedObjectIsRefused(t *testing.T) {
	g := newRig(t)
	body := pattern(200_000)
	edits := map[string]func([]byte) []byte{
		"magic":        func(b []byte) []byte { b[0] ^= 1; return b },
		"suite":        func(b []byte) []byte { b[7] ^= 3; return b },
		"oid":          func(b []byte) []byte { b[20] ^= 1; return b },
		"salt":         func(b []byte) []byte { b[40] ^= 1; return b },
		"commitment":   func(b []byte) []byte { b[60] ^= 1; return b },
		"wrapped key":  func(b []byte) []byte { b[100] ^= 1; return b },
		"metadata":     func(b []byte) []byte { b[500] ^= 1; return b },
		"first byte":   func(b []byte) []byte { b[1024] ^= 1; return b },
		"last byte":    func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"truncated":    func(b []byte) []byte { return b[:len(b)-1] },
		"cut at seg":   func(b []byte) []byte { return b[:1024+format.Stride] },
		"extended":     func(b []byte) []byte { return append(b, 0) },
		"seg swapped":  func(b []byte) []byte { return swapSegments(b) },
		"all zero":     func(b []byte) []byte { clear(b); return b },
		"old version":  func(b []byte) []byte { b[5] = 1; return b },
		"part class":   func(b []byte) []byte { b[6] = 1; return b },
		"unknown kid":  func(b []byte) []byte { b[10] ^= 1; return b },
		"block of one": func(b []byte) []byte { return b[:1024] },
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			g.put("/bkt/k", body)
			g.store.tamper("bkt", "k", edit)
			a := g.get("/bkt/k")
			want := 500
			if name == "unknown kid" {
				want = 503 // another key might open it
			}
			if a.status != want || bytes.Contains(a.body, body[:16]) {
				t.Fatalf("GET gave %d", a.status)
			}
		})
	}
}

func swapSegments(b []byte) []byte {
	first := bytes.Clone(b[1024 : 1024+format.Stride])
	copy(b[1024:], b[1024+format.Stride:1024+2*format.Stride])
	copy(b[1024+format.Stride:], first)
	return b
}

// Two objects swapped by the backend, in one bucket and between buckets.
func TestSwappedObjectIsRefused(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/a", pattern(1000))
	g.put("/bkt/b", pattern(1000))
	g.put("/other/a", pattern(1000))
	b := g.store.stored("bkt", "b")
	g.store.tamper("bkt", "a", func([]byte) []byte { return b })
	g.want(g.get("/bkt/a"), 500, "InternalError")
	g.store.tamper("other", "a", func([]byte) []byte { return b })
	g.want(g.get("/other/a"), 500, "InternalError")
}

func TestUnsealedObjectIsRefused(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", nil)
	for _, plain := range [][]byte{nil, []byte("x"), pattern(1024), pattern(1040), pattern(5000)} {
		g.store.tamper("bkt", "k", func([]byte) []byte { return plain })
		for _, method := range []string{"GET", "HEAD"} {
			if a := g.do(call{method: method, target: "/bkt/k"}); a.status != 500 {
				t.Errorf("%s of %d unsealed bytes gave %d", method, len(plain), a.status)
			}
		}
	}
}

// Past wholeGet the answer has begun when a late segment fails: the client must
// notice by a body shorter than announced.
func TestTamperedTailBreaksTheConnection(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	body := pattern(wholeGet + 3<<20)
	g.put("/bkt/big", body)
	if a := g.get("/bkt/big"); a.err != nil || !bytes.Equal(a.body, body) {
		t.Fatalf("the untouched object: %v", a.err)
	}
	for name, edit := range map[string]func([]byte) []byte{
		"last segment": func(b []byte) []byte { b[len(b)-1-int(format.Filler(int64(len(body))))] ^= 1; return b },
		"filler":       func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"middle":       func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
	} {
		g.store.tamper("bkt", "big", edit)
		a := g.get("/bkt/big")
		if a.status != 200 || a.err == nil {
			t.Fatalf("%s: %d, err %v: a clean end", name, a.status, a.err)
		}
		if len(a.body) >= len(body) || !bytes.Equal(a.body, body[:len(a.body)]) {
			t.Fatalf("%s: %d bytes given that were not verified", name, len(a.body))
		}
		g.store.tamper("bkt", "big", edit) // flip back
	}
	// The first segment fails before the status line.
	g.store.tamper("bkt", "big", func(b []byte) []byte { b[1024] ^= 1; return b })
	g.want(g.get("/bkt/big"), 500, "InternalError")
}

// errReader ends a backend body with an error after n bytes.
type errReader struct {
	r   io.Reader
	n   int64
	err error
}

func (e *errReader) Read(p []byte) (int, error) {
	if e.n <= 0 {
		return 0, e.err
	}
	if int64(len(p)) > e.n {
		p = p[:e.n]
	}
	n, err := e.r.Read(p)
	e.n -= int64(n)
	return n, err
}

func TestBackendFaultIsNever404(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", pattern(100_000))
	for _, kind := range []backend.Kind{backend.Busy, backend.Unreachable, backend.Denied, backend.Invalid, backend.Conflict, backend.Precondition} {
		g.store.before = func(op, _, key string) error {
			if op == "Get" && key == "k" {
				return fault4(kind, op)
			}
			return nil
		}
		for _, m := range []string{"GET", "HEAD"} {
			if a := g.do(call{method: m, target: "/bkt/k"}); a.status == 404 || a.status == 429 || a.status == 502 || a.status < 400 {
				t.Errorf("kind %v: %s gave %d", kind, m, a.status)
			}
		}
	}
	g.store.before = nil
	for _, n := range []int64{0, 10, 1023, 1024, 50_000} {
		g.store.body = func(r io.Reader) io.Reader { return &errReader{r, n / 8, backend.ErrShort} }
		g.s.gate.forget("bkt")
		if a := g.get("/bkt/k"); a.status != 503 {
			t.Errorf("a backend that ends after %d bytes each time gave %d", n/8, a.status)
		}
	}
}

// A body that breaks off is continued, unless the object changed meanwhile.
func TestBrokenBodyIsContinued(t *testing.T) {
	g := newRig(t)
	body := pattern(300_000)
	g.put("/bkt/k", body)
	for _, n := range []int64{70_000, 100_000, 299_999} {
		g.store.body = func(r io.Reader) io.Reader { return &errReader{r, n, errors.New("connection reset")} }
		if a := g.get("/bkt/k"); a.status != 200 || !bytes.Equal(a.body, body) {
			t.Errorf("a body that breaks off after %d bytes gave %d", n, a.status)
		}
	}
	g.store.body = func(r io.Reader) io.Reader { return &errReader{r, 10_000, backend.ErrShort} }
	gets := 0
	g.store.before = func(op, _, key string) error { // with the store's lock held
		if op == "Get" && key == "k" {
			if gets++; gets == 2 {
				g.store.buckets["bkt"]["k"].etag = `"other"`
			}
		}
		return nil
	}
	if a := g.get("/bkt/k"); a.status != 503 {
		t.Errorf("an object that changed meanwhile gave %d", a.status)
	}
}

func TestMissingKeyAndBucket(t *testing.T) {
	g := newRig(t)
	g.want(g.get("/bkt/none"), 404, "NoSuchKey") // a fresh bucket
	if n := g.store.stored("bkt", format.StateKey); n != nil {
		t.Error("a read initialised the bucket")
	}
	g.put("/bkt/k", nil)
	g.want(g.get("/bkt/none"), 404, "NoSuchKey")
	g.want(g.get("/nobucket/k"), 404, "NoSuchBucket")
	if a := g.do(call{method: "HEAD", target: "/nobucket/"}); a.status != 404 {
		t.Errorf("HEAD of a missing bucket gave %d", a.status)
	}
}

func TestNoKeyAndWrongKeyAre503(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", pattern(10))
	stored := bytes.Clone(g.store.stored("bkt", "k"))
	for name, ring := range map[string]*format.Keyring{"none": nil, "wrong": testRing(t, 0x43)} {
		g.keys.ring = ring
		for _, c := range []call{
			{method: "GET", target: "/bkt/k"}, {method: "HEAD", target: "/bkt/k"},
			{method: "PUT", target: "/bkt/k", body: pattern(11)}, {method: "PUT", target: "/bkt/new", body: pattern(11)},
			{method: "GET", target: "/bkt/?list-type=2"}, {method: "DELETE", target: "/bkt/k"},
			{method: "HEAD", target: "/bkt/"}, {method: "GET", target: "/bkt/none"},
		} {
			if a := g.do(c); a.status != 503 {
				t.Errorf("%s key: %s %s gave %d", name, c.method, c.target, a.status)
			}
		}
	}
	if !bytes.Equal(stored, g.store.stored("bkt", "k")) || g.store.stored("bkt", "new") != nil {
		t.Fatal("a proxy without the right key changed the bucket")
	}
	g.keys.ring = testRing(t, 0x42)
	if a := g.get("/bkt/k"); a.status != 200 {
		t.Fatalf("with the key back: %d", a.status)
	}
}

// A client that stops reading must not hold its reservation for ever.
func TestSlowReaderIsCut(t *testing.T) {
	patient := newRig(t)
	patient.put("/bkt/big", pattern(18<<20))
	g := patient.twin2(func(c *Config) { c.ProgressTimeout = 300 * time.Millisecond })
	conn := g.dial()
	conn.Write(call{method: "GET", target: "/bkt/big"}.raw(g.addr))
	g.until("it is being read, or was cut already", func() bool {
		st := g.engine.Stats()
		return st.BudgetUsed != 0 || st.Opened != 0
	})
	g.until("a client that does not read holds no budget", func() bool { return g.engine.Stats().BudgetUsed == 0 })
}
