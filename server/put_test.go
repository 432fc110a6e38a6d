package server

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

func TestRoundTripAtEverySizeEdge(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	const s = format.SegmentSize
	for _, n := range []int{0, 1, 13, s - 1, s, s + 1, 16 * s, 16*s + 1, 4 << 20, 16<<20 + 44, 20 << 20, 20<<20 + 1} {
		body := pattern(n)
		target := fmt.Sprintf("/bkt/store/size-%d", n)
		put := g.put(target, body)
		if len(put.body) != 0 {
			t.Errorf("%d: PUT answered a body", n)
		}
		got := g.get(target)
		if got.status != 200 || got.err != nil || !bytes.Equal(got.body, body) {
			t.Fatalf("%d: GET gave %d, %d bytes, %v", n, got.status, len(got.body), got.err)
		}
		head := g.do(call{method: "HEAD", target: target})
		for _, a := range []answer{got, head} {
			if a.status != 200 || a.header.Get("Content-Length") != fmt.Sprint(n) || a.header.Get("Etag") != put.header.Get("Etag") {
				t.Errorf("%d: %d %v", n, a.status, a.header)
			}
			if a.header.Get("Content-Type") == "" || len(a.header.Get("Last-Modified")) != 29 {
				t.Errorf("%d: headers PBS needs are missing: %v", n, a.header)
			}
		}
		if sealed := g.store.stored("bkt", strings.TrimPrefix(target, "/bkt/")); int64(len(sealed)) != format.SealedSize(format.DefaultBlockSize, int64(n)) {
			t.Errorf("%d: stored %d bytes", n, len(sealed))
		}
	}
}

// The three ways of a PUT must store objects that read the same.
func TestEveryWayOfStoringReadsTheSame(t *testing.T) {
	t.Parallel()
	ways := map[string]func(*Config){
		"whole":   func(*Config) {},
		"through": func(c *Config) { c.Engine = tightEngine(t, 40<<20) },
		"parts":   func(c *Config) { c.WholeObject = 1 << 20 },
	}
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, change)
			if name == "through" { // hold the budget so that no whole object fits
				res, ok := g.engine.TryReserve(40<<20 - g.engine.Window())
				if !ok {
					t.Fatal("cannot take the budget")
				}
				body := pattern(6<<20 + 5)
				g.put("/bkt/k", body)
				res.Release()
				if got := g.get("/bkt/k"); !bytes.Equal(got.body, body) {
					t.Fatalf("%d bytes came back", len(got.body))
				}
				return
			}
			sizes := []int{1<<20 + 1, 16 << 20, 16<<20 + 1, 33<<20 + 7}
			if testing.Short() {
				sizes = []int{1<<20 + 1, 16<<20 + 1}
			}
			for _, n := range sizes {
				body := pattern(n)
				g.put("/bkt/k", body)
				if got := g.get("/bkt/k"); got.status != 200 || !bytes.Equal(got.body, body) {
					t.Fatalf("%d: %d, %d bytes came back", n, got.status, len(got.body))
				}
				if len(g.store.uploads) != 0 {
					t.Fatal("an upload is left over")
				}
			}
		})
	}
}

func tightEngine(t *testing.T, budget int64) *pipeline.Engine {
	t.Helper()
	e, err := pipeline.New(pipeline.Config{SegmentBytes: format.SegmentSize, TagBytes: format.TagSize, Budget: budget, QueueTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestPutWithWrongDigestLeavesNothing(t *testing.T) {
	for _, way := range []string{"whole", "parts"} {
		t.Run(way, func(t *testing.T) {
			g := newRig(t, func(c *Config) {
				if way == "parts" {
					c.WholeObject = 1 << 20
				}
			})
			body := pattern(18 << 20)
			wrong := sha256.Sum256([]byte("another"))
			g.want(g.do(call{method: "PUT", target: "/bkt/k", body: body, sha: hex.EncodeToString(wrong[:])}), 400, "XAmzContentSHA256Mismatch")
			g.want(g.do(call{method: "PUT", target: "/bkt/k", body: body, header: map[string]string{"content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="}}), 400, "BadDigest")
			if g.store.stored("bkt", "k") != nil || len(g.store.uploads) != 0 {
				t.Fatal("a refused body left something at the backend")
			}
		})
	}
}

func TestThroughPutWithWrongDigestIsCut(t *testing.T) {
	g := newRig(t, func(c *Config) { c.Engine = tightEngine(t, 40<<20) })
	res, _ := g.engine.TryReserve(40<<20 - g.engine.Window())
	defer res.Release()
	wrong := sha256.Sum256([]byte("another"))
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(8 << 20), sha: hex.EncodeToString(wrong[:])}), 400, "XAmzContentSHA256Mismatch")
	if g.store.stored("bkt", "k") != nil {
		t.Fatal("the object exists")
	}
}

// A client that hangs up at any point of its body leaves nothing.
func TestCutBodyLeavesNothing(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/first", []byte("initialises the bucket"))
	full := 3*format.SegmentSize + 17
	for _, cut := range []int{0, 1, format.SegmentSize - 1, format.SegmentSize, format.SegmentSize + 1, 3 * format.SegmentSize, full - 1} {
		c := call{method: "PUT", target: "/bkt/cut", body: pattern(full)}
		raw := c.raw(g.addr)
		conn := g.dial()
		conn.Write(raw[:len(raw)-full+cut])
		conn.Close()
	}
	time.Sleep(300 * time.Millisecond) // for what would come late
	g.until("no request runs, and the budget is free", func() bool { return g.value("active_requests") == 0 && g.engine.Stats().BudgetUsed == 0 })
	if g.store.stored("bkt", "cut") != nil {
		t.Fatal("a cut body became an object")
	}
}

func TestPutIsAcknowledgedAfterCommit(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/first", nil)
	var once sync.Once
	committed := make(chan struct{})
	g.store.committed = func(string) { time.Sleep(100 * time.Millisecond); once.Do(func() { close(committed) }) }
	g.put("/bkt/k", pattern(100))
	select {
	case <-committed:
	default:
		t.Fatal("200 came before the backend committed")
	}
}

func TestConditionalPut(t *testing.T) {
	g := newRig(t)
	cond := call{method: "PUT", target: "/bkt/k", body: pattern(1 << 20), header: map[string]string{"if-none-match": "*"}}
	g.want(g.do(cond), 200, "")
	conn := g.dial()
	defer conn.Close()
	r := bufio.NewReader(conn)
	conn.Write(cond.raw(g.addr))
	g.want(readAnswer(t, r, "PUT"), 412, "PreconditionFailed")
	// The body was read: the connection still serves.
	conn.Write(call{method: "GET", target: "/bkt/k"}.raw(g.addr))
	if a := readAnswer(t, r, "GET"); a.status != 200 || len(a.body) != 1<<20 {
		t.Fatalf("the connection is out of step: %d", a.status)
	}
}

func TestOneOfManyConditionalPutsWins(t *testing.T) {
	g := newRig(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	count := map[int]int{}
	for i := range 50 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			a := g.do(call{method: "PUT", target: "/bkt/k", body: pattern(1000 + i), header: map[string]string{"if-none-match": "*"}})
			mu.Lock()
			count[a.status]++
			mu.Unlock()
		}()
	}
	wg.Wait()
	if count[200] != 1 || count[412] != 49 {
		t.Fatalf("statuses: %v", count)
	}
}

// PBS counts 412 as stored, so it may be answered only for an object that
// opens; one that nobody can open is written over.
func TestPreconditionIsOnlyAnsweredForAReadableObject(t *testing.T) {
	g := newRig(t)
	body := pattern(5000)
	cond := call{method: "PUT", target: "/bkt/k", body: body, header: map[string]string{"if-none-match": "*"}}
	g.want(g.do(cond), 200, "")
	for name, edit := range map[string]func([]byte) []byte{
		"flipped block": func(b []byte) []byte { b[60] ^= 1; return b },
		"truncated":     func(b []byte) []byte { return b[:len(b)-1] },
		"unsealed":      func(b []byte) []byte { return []byte("plain text of somebody") },
		"empty":         func([]byte) []byte { return nil },
	} {
		g.store.tamper("bkt", "k", edit)
		g.want(g.do(cond), 200, "")
		if got := g.get("/bkt/k"); !bytes.Equal(got.body, body) {
			t.Fatalf("%s: the object was not written over", name)
		}
	}
	// With another key the object may be perfectly good: neither 412 nor over it.
	g.keys.ring = testRing(t, 0x43)
	g.want(g.do(cond), 503, "")
}

func TestBusyProxySaysSlowDown(t *testing.T) {
	g := newRig(t, func(c *Config) { c.Engine = tightEngine(t, 24<<20) })
	res, ok := g.engine.TryReserve(24 << 20)
	if !ok {
		t.Fatal("cannot take the budget")
	}
	defer res.Release()
	a := g.do(call{method: "PUT", target: "/bkt/k", body: pattern(1 << 20)})
	g.want(a, 503, "SlowDown")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// TestBackendThatIsAwayIsWorthAnotherTry: clients that heed Retry-After come again, and are
// told nothing of the backend's address.
func TestBackendThatIsAwayIsWorthAnotherTry(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/first", nil)
	for kind, again := range map[backend.Kind]bool{backend.Unreachable: true, backend.Busy: true, backend.Denied: false, backend.Invalid: false} {
		g.store.before = func(op, _, _ string) error { return fault4(kind, op) }
		a := g.do(call{method: "GET", target: "/bkt/first"})
		g.want(a, 503, "ServiceUnavailable")
		if got := a.header.Get("Retry-After") != ""; got != again {
			t.Errorf("%s: Retry-After is %q", kind, a.header.Get("Retry-After"))
		}
		if kind == backend.Unreachable && !strings.Contains(string(a.body), "cannot be reached") {
			t.Errorf("%s: %s", kind, a.body)
		}
	}
}

func TestBackendFaultOnPutIs503(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/first", nil)
	for _, kind := range []backend.Kind{backend.Busy, backend.Unreachable, backend.Denied, backend.Invalid} {
		g.store.before = func(op, _, key string) error {
			if op == "Put" && key == "k" {
				return fault4(kind, op)
			}
			return nil
		}
		g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(100)}), 503, "ServiceUnavailable")
	}
}
