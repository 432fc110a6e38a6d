package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// undated is an answer's header without what differs from one request to the next.
func undated(h http.Header) http.Header {
	h = h.Clone()
	for _, name := range []string{"Date", "X-Amz-Request-Id", "X-Amz-Id-2"} {
		h.Del(name)
	}
	return h
}

// TestThreadsGiveTheSameAnswers: objects of every kind, whole and in ranges, by as many
// threads as you like.
func TestThreadsGiveTheSameAnswers(t *testing.T) {
	for name, change := range map[string]func(*Config){"plain": func(*Config) {}, "padded": paddedSizes, "md5": withMD5} {
		t.Run(name, func(t *testing.T) {
			one := newRig(t, change)
			sizes := []int{0, 1, 65_536, 99_000, 100_000, 300_000, 1_000_001}
			for _, n := range sizes {
				one.put(fmt.Sprintf("/bkt/%d", n), pattern(n))
			}
			targets := []string{"/bkt/0", "/bkt/1", "/bkt/65536", "/bkt/99000", "/bkt/100000", "/bkt/300000", "/bkt/1000001"}
			if name != "padded" {
				u := one.begin("/bkt/parts", nil)
				etags := []listed{{1, u.part(1, pattern(minPart))}, {2, u.part(2, pattern(minPart+77_777))}, {3, u.part(3, pattern(100))}}
				one.want(u.complete(etags...), 200, "")
				targets = append(targets, "/bkt/parts")
			}
			one.put("/bkt/folder/", nil)
			targets = append(targets, "/bkt/folder/", "/bkt/none")
			ranges := []string{"", "bytes=0-", "bytes=0-99", "bytes=70000-", "bytes=-200000", "bytes=65535-262144", "bytes=131072-131073", "bytes=5000000-10000000", "bytes=99999999-"}
			settings := map[int]int64{2: 65_552, 3: 1 << 20, 4: 70_001, 9: 200_000}
			if testing.Short() {
				settings = map[int]int64{4: 70_001}
			}
			for threads, size := range settings {
				many := one.over(threads, size, change)
				for _, target := range targets {
					for _, span := range ranges {
						want, got := one.ranged("GET", target, span), many.ranged("GET", target, span)
						if want.status != got.status || want.err != got.err || want.status < 300 && !bytes.Equal(want.body, got.body) || want.status >= 300 && want.code() != got.code() {
							t.Errorf("%d threads, %s %s: %d, %d bytes, %v; want %d, %d bytes", threads, target, span, got.status, len(got.body), got.err, want.status, len(want.body))
						}
						if want, got := undated(want.header), undated(got.header); want.Get("Content-Type") != "application/xml" && !reflect.DeepEqual(want, got) {
							t.Errorf("%d threads, %s %s: header\n%v, want\n%v", threads, target, span, got, want)
						}
					}
				}
				many.turnsEnded()
			}
		})
	}
}

// TestOneThreadAsksOnce: without the setting there is one request, for all of the object.
func TestOneThreadAsksOnce(t *testing.T) {
	g, l := threaded(t, 0, 100_000)
	body := pattern(2_000_000)
	g.put("/bkt/k", body)
	for _, span := range []string{"", "bytes=10-1900000"} {
		l.asked()
		if a := g.ranged("GET", "/bkt/k", span); len(a.body) < 1_800_000 || !bytes.Contains(body, a.body) {
			t.Fatalf("%q: %d, %d bytes", span, a.status, len(a.body))
		}
		gets := l.asked()
		if len(gets) != 1 || span == "" && gets[0].Range != nil {
			t.Errorf("%q: asked for %v", span, gets)
		}
	}
	if n := g.value("backend_ranges_ahead_total"); n != 0 {
		t.Errorf("%v ranges ahead", n)
	}
}

// TestRangesAreFetchedBesideEachOther: as many at once as there are threads, each byte once,
// all of one object.
func TestRangesAreFetchedBesideEachOther(t *testing.T) {
	g, l := threaded(t, 4, 100_000)
	body := pattern(2_000_000)
	g.put("/bkt/k", body)
	size := int64(len(l.stored("bkt", "k")))
	l.asked()
	l.meet(3) // behind the one in front
	if a := g.get("/bkt/k"); a.status != 200 || !bytes.Equal(a.body, body) {
		t.Fatalf("%d, %d bytes, %v", a.status, len(a.body), a.err)
	}
	gets := l.asked()
	for _, get := range gets[1:] {
		if get.IfMatch == "" {
			t.Errorf("%v of any object", get.Range)
		}
	}
	if err := covers(gets, size); err != nil {
		t.Error(err)
	}
	if l.most != 3 {
		t.Errorf("%d ranges at once beside the first", l.most)
	}
	if n := g.value("backend_ranges_ahead_total"); n != float64(len(gets)-1) {
		t.Errorf("counted %v of %d", n, len(gets)-1)
	}
	g.turnsEnded()
}

// TestSmallObjectsAreOneRequest: what fits the first range is asked for once.
func TestSmallObjectsAreOneRequest(t *testing.T) {
	g, l := threaded(t, 4, 1<<20)
	g.put("/bkt/k", pattern(1_000_000))
	for _, span := range []string{"", "bytes=0-9"} {
		l.asked()
		g.ranged("GET", "/bkt/k", span)
		if gets := l.asked(); len(gets) != 1 {
			t.Errorf("%q: asked for %v", span, gets)
		}
	}
}

// TestBytesOfTwoObjectsAreNeverMixed: the object is replaced before any of the requests.
// What was not begun begins anew; what was breaks.
func TestBytesOfTwoObjectsAreNeverMixed(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		for _, size := range []int{1_500_000, wholeGet + 1_500_000} {
			t.Run(fmt.Sprintf("deaf %v, %d bytes", deaf, size), func(t *testing.T) {
				g, l := threaded(t, 4, int64(size/9))
				l.deaf = deaf
				older, newer := pattern(size), bytes.Repeat([]byte("newer"), size/5+1)[:size]
				g.put("/bkt/newer", newer)
				g.put("/bkt/older", older)
				g.put("/bkt/k", older)
				was := l.buckets["bkt"]["k"]
				g.put("/bkt/k", newer)
				is := l.buckets["bkt"]["k"]
				step := 1
				if testing.Short() {
					step = 3
				}
				for n := 2; n <= 9; n += step {
					l.memory.mu.Lock()
					l.buckets["bkt"]["k"] = was
					l.memory.mu.Unlock()
					l.asked()
					l.onGet = func(i int) {
						if i == n {
							l.memory.mu.Lock()
							l.buckets["bkt"]["k"] = is
							l.memory.mu.Unlock()
						}
					}
					a := g.getBroken("/bkt/k")
					switch {
					case size <= wholeGet && (a.status != 200 || a.err != nil || !bytes.Equal(a.body, newer)):
						t.Errorf("replaced before request %d: %d, %d bytes, %v", n, a.status, len(a.body), a.err)
					case size > wholeGet && a.err == nil && (a.status != 200 || !bytes.Equal(a.body, newer)):
						t.Errorf("replaced before request %d: %d, a whole answer that is not the newer object", n, a.status)
					case size > wholeGet && a.err != nil && !bytes.HasPrefix(older, a.body):
						t.Errorf("replaced before request %d: bytes of both", n)
					}
					g.turnsEnded() // a broken answer may be told before its ranges end
				}
				l.onGet = nil
				g.turnsEnded()
				if n := g.value(`integrity_failures_total{reason="integrity"}`); n != 0 {
					t.Errorf("a changed object counts %v times as a forged one", n)
				}
			})
		}
	}
}

// TestRangesThatBreakAreContinued: each connection may be lost, and lost for good is an error.
func TestRangesThatBreakAreContinued(t *testing.T) {
	g, l := threaded(t, 3, 150_000)
	body := pattern(1_200_000)
	g.put("/bkt/k", body)
	l.body = func(r io.Reader) io.Reader { return &errReader{r, 100_000, errors.New("connection reset")} }
	if a := g.get("/bkt/k"); a.status != 200 || !bytes.Equal(a.body, body) {
		t.Errorf("%d, %d bytes, %v", a.status, len(a.body), a.err)
	}
	l.body = func(r io.Reader) io.Reader { return &errReader{r, 3_000, backend.ErrShort} }
	g.want(g.get("/bkt/k"), 503, "ServiceUnavailable")
	l.body = nil
	gets := 0
	l.before = func(op, _, key string) error { // with the store's lock held
		if op == "Get" && key == "k" {
			if gets++; gets == 5 {
				return fault4(backend.Busy, op)
			}
		}
		return nil
	}
	g.want(g.get("/bkt/k"), 503, "ServiceUnavailable")
	l.before = nil
	g.turnsEnded()
}

// TestTamperedRangeIsRefused, wherever it lies.
func TestTamperedRangeIsRefused(t *testing.T) {
	g, l := threaded(t, 4, 100_000)
	body := pattern(900_000)
	g.put("/bkt/k", body)
	for at := 1_100; at < len(l.stored("bkt", "k")); at += 90_001 {
		l.tamper("bkt", "k", func(b []byte) []byte { b[at] ^= 1; return b })
		if a := g.get("/bkt/k"); a.status != 500 {
			t.Errorf("byte %d changed: %d", at, a.status)
		}
		l.tamper("bkt", "k", func(b []byte) []byte { b[at] ^= 1; return b })
	}
	g.want(g.get("/bkt/k"), 200, "")
}

// smallBudget is an engine with so little memory.
func smallBudget(t *testing.T, budget int64) func(*Config) {
	return func(c *Config) {
		var err error
		c.Engine, err = pipeline.New(pipeline.Config{SegmentBytes: format.SegmentSize, TagBytes: format.TagSize, BatchBytes: 256 << 10, Workers: 2, Budget: budget, QueueTimeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullMemoryLeavesOneThread: what is fetched ahead takes no memory from others, waits for
// none, and the reader goes on without.
func TestFullMemoryLeavesOneThread(t *testing.T) {
	g, l := threaded(t, 4, 1<<20, smallBudget(t, 64<<20))
	body := pattern(wholeGet + 9<<20)
	g.put("/bkt/k", body)
	res, err := g.engine.Reserve(t.Context(), 33<<20)
	if err != nil {
		t.Fatal(err)
	}
	l.asked()
	if a := g.get("/bkt/k"); a.status != 200 || !bytes.Equal(a.body, body) {
		t.Fatalf("%d, %d bytes, %v", a.status, len(a.body), a.err)
	}
	if n := g.value("backend_ranges_ahead_total"); n != 0 {
		t.Errorf("%v ranges ahead", n)
	}
	if n := g.value("backend_threads_withheld_total"); n == 0 {
		t.Error("nobody is told")
	}
	gets := l.asked()
	if err := covers(gets, int64(len(l.stored("bkt", "k")))); err != nil || len(gets) > 6 {
		t.Errorf("%v: asked for %d ranges", err, len(gets))
	}
	res.Release()
	g.get("/bkt/k")
	g.moves("backend_ranges_ahead_total", above(20))
}

// TestManyReadersShareTheBudget: more than there is memory for, and none waits for ever.
func TestManyReadersShareTheBudget(t *testing.T) {
	const budget = 24 << 20
	g, l := threaded(t, 8, 512<<10, smallBudget(t, budget))
	whole, streamed := pattern(5<<20), pattern(wholeGet+1<<20)
	g.put("/bkt/whole", whole)
	g.put("/bkt/k", streamed)
	var over atomic.Bool
	l.body = func(r io.Reader) io.Reader {
		if g.engine.Stats().BudgetUsed > budget {
			over.Store(true)
		}
		return r
	}
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			target, body := "/bkt/whole", whole
			if i%5 == 0 {
				target, body = "/bkt/k", streamed
			}
			if a := g.get(target); a.status != 200 || !bytes.Equal(a.body, body) {
				t.Errorf("%s: %d, %d bytes, %v", target, a.status, len(a.body), a.err)
			}
		})
	}
	all.Wait()
	if over.Load() {
		t.Error("more than the budget")
	}
	g.turnsEnded()
}

// TestReaderWhoLeavesEndsTheRanges: nothing goes on for nobody.
func TestReaderWhoLeavesEndsTheRanges(t *testing.T) {
	g, l := threaded(t, 4, 1<<20)
	body := pattern(wholeGet + 12<<20)
	g.put("/bkt/k", body)
	for range 3 {
		conn := g.dial()
		conn.Write(call{method: "GET", target: "/bkt/k"}.raw(g.addr))
		if _, err := io.ReadFull(conn, make([]byte, 3<<20)); err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	g.turnsEnded()
	if gets := len(l.asked()); gets >= 3*32 {
		t.Errorf("%d requests for what nobody reads", gets)
	}
}
