package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// What other writers and other proxies do between two steps of a request.

// onSecondPut runs f once, before the backend's second PUT of a key.
func onSecondPut(m *memory, key string, f func()) {
	n := 0
	m.before = func(op, _, k string) error {
		if op == "Put" && k == key {
			if n++; n == 2 {
				f()
			}
		}
		return nil
	}
}

// clone copies a stored object under a new ETag.
func (m *memory) clone(from, to, etag string) {
	o := *m.buckets["bkt"][from]
	o.data, o.etag = bytes.Clone(o.data), etag
	m.buckets["bkt"][to] = &o
}

func (m *memory) junk(key, etag string) {
	m.buckets["bkt"][key] = &blob{data: []byte(strings.Repeat("not sealed ", 300)), etag: etag, time: time.Unix(1768478400, 0)}
}

var noneMatch = map[string]string{"if-none-match": "*"}

func TestSecondProxySeesABucketThatTheFirstOneFills(t *testing.T) {
	a := newRig(t)
	b := newRig(t, func(c *Config) { c.Backend = a.store })
	b.want(b.do(call{method: "HEAD", target: "/bkt"}), 200, "")
	a.put("/bkt/chunk", pattern(1000))
	b.want(b.get("/bkt/chunk"), 200, "")
	b.want(b.do(call{method: "HEAD", target: "/bkt/chunk"}), 200, "")
	b.want(b.do(call{method: "PUT", target: "/bkt/copy", header: map[string]string{"x-amz-copy-source": "/bkt/chunk"}}), 200, "")
}

func TestUnreadableObjectWithoutETagIsNeverOverwritten(t *testing.T) {
	for _, whole := range []int64{1 << 20, 64 << 20} {
		g := newRig(t, func(c *Config) { c.WholeObject = whole })
		g.put("/bkt/first", pattern(10))
		g.store.junk("k", "")
		g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(2 << 20), header: noneMatch}), 500, "InternalError")
		if !bytes.HasPrefix(g.store.stored("bkt", "k"), []byte("not sealed")) {
			t.Error("it was overwritten, and nothing bound the write to what was found")
		}
	}
}

func TestOverwriteSparesWhatOthersWroteMeanwhile(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", pattern(3000))
	g.store.clone("k", "aside", `"another"`)
	g.store.junk("k", `"junk"`)
	onSecondPut(g.store, "k", func() { g.store.clone("aside", "k", `"another"`) })
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(2000), header: noneMatch}), 412, "PreconditionFailed")
	if x := g.get("/bkt/k"); !bytes.Equal(x.body, pattern(3000)) {
		t.Errorf("the other writer's object reads as %d %s", x.status, x.code())
	}
}

func TestEmptyObjectThatGrewIsNotOverwritten(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/good", pattern(3000))
	g.store.buckets["bkt"]["k"] = &blob{etag: `"e"`, time: time.Unix(1768478400, 0)}
	g.store.before = func(op, _, key string) error {
		if op == "Head" && key == "k" {
			g.store.clone("good", "k", `"grown"`)
		}
		return nil
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(2000), header: noneMatch}), 503, "ServiceUnavailable")
	if !bytes.Equal(g.store.stored("bkt", "k"), g.store.stored("bkt", "good")) {
		t.Error("overwrote an object written meanwhile")
	}
}

// A 412 means "stored" to PBS: it may never be said of nothing, nor of junk.
func TestPreconditionFailedIsSaidOnlyOfAnObjectThatOpens(t *testing.T) {
	for name, meanwhile := range map[string]func(*memory){
		"removed":       func(m *memory) { delete(m.buckets["bkt"], "k") },
		"rewritten":     func(m *memory) { m.junk("k", `"junk2"`) },
		"removed twice": func(m *memory) { delete(m.buckets["bkt"], "k"); delete(m.buckets["bkt"], "first") },
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			g.put("/bkt/first", pattern(10))
			g.store.junk("k", `"junk"`)
			onSecondPut(g.store, "k", func() { meanwhile(g.store) })
			a := g.do(call{method: "PUT", target: "/bkt/k", body: pattern(2000), header: noneMatch})
			g.store.before = nil
			if x := g.get("/bkt/k"); (a.status == 412 || a.status == 200) && x.status != 200 {
				t.Errorf("PUT %d, but GET %d %s", a.status, x.status, x.code())
			}
		})
	}
}

// lostAnswer commits a conditional PUT and then reports what a retry would see.
type lostAnswer struct{ *memory }

func (l lostAnswer) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error) {
	w, err := l.memory.Put(ctx, bucket, key, body, size, cond)
	if err == nil && cond.IfMatch != "" {
		return backend.Written{}, &backend.Error{Kind: backend.Precondition, Op: "PutObject", Unsure: true}
	}
	return w, err
}

func TestIfMatchWhoseAnswerWasLostIsAcknowledged(t *testing.T) {
	g := newRig(t, func(c *Config) { c.Backend = lostAnswer{c.Backend.(*memory)} })
	etag := g.put("/bkt/k", pattern(3000)).header.Get("ETag")
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(100), header: map[string]string{"if-match": etag}}), 200, "")
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(200), header: map[string]string{"if-match": etag}}), 412, "PreconditionFailed")
	if x := g.get("/bkt/k"); !bytes.Equal(x.body, pattern(100)) {
		t.Errorf("read %d bytes, want the 100 acknowledged", len(x.body))
	}
}

// noConditions is a store that ignores write conditions.
type noConditions struct{ *memory }

func (n noConditions) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, _ backend.Conditions) (backend.Written, error) {
	return n.memory.Put(ctx, bucket, key, body, size, backend.Conditions{})
}

func TestBucketOfAStoreWithoutConditionsIsNotInitialised(t *testing.T) {
	g := newRig(t, func(c *Config) { c.Backend = noConditions{c.Backend.(*memory)} })
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(100)}), 503, "ServiceUnavailable")
	if g.store.stored("bkt", "k") != nil {
		t.Error("an object was stored in a bucket that two proxies could initialise twice")
	}
}

// failingStore answers every state read late and with a failure.
type failingStore struct{ *memory }

func (failingStore) Get(context.Context, string, string, backend.GetOptions) (*backend.Object, error) {
	time.Sleep(time.Second)
	return nil, fault4(backend.Busy, "Get")
}

func TestGateSharesAFailureAmongAllWhoWait(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(c *Config) { c.Backend = failingStore{c.Backend.(*memory)} })
	began := time.Now()
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() { g.do(call{method: "HEAD", target: "/bkt/k"}) })
	}
	wg.Wait()
	if d := time.Since(began); d > 8*time.Second { // one after another: 12 s
		t.Errorf("the last of 12 requests waited %v for a store that fails after a second", d)
	}
}

func TestBlankAndForeignHeadersAreNotOverlooked(t *testing.T) {
	for _, h := range []map[string]string{
		{"x-amz-copy-source": " "}, {"if-none-match": " "}, {"if-match": " "}, {"content-md5": " "},
		{"x-amz-copy-source-if-match": `"x"`}, {"content-range": "bytes 0-9/3000"},
	} {
		g := newRig(t)
		g.put("/bkt/k", pattern(3000))
		a := g.do(call{method: "PUT", target: "/bkt/k", header: h})
		if a.status < 400 {
			t.Errorf("%v: %d", h, a.status)
		}
		if x := g.get("/bkt/k"); len(x.body) != 3000 {
			t.Errorf("%v: the object was overwritten: %d bytes", h, len(x.body))
		}
	}
}

func TestKeysThatNoListingCanShow(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/plain", pattern(10))
	for _, key := range []string{"a%01b", "%EF%BF%BE", "a%00"} {
		if a := g.do(call{method: "PUT", target: "/bkt/" + key, body: pattern(10)}); a.status != 400 {
			t.Errorf("%s: %d %s, want 400", key, a.status, a.code())
		}
	}
	// Another writer stored one: without encoding-type the page would name a key that does not exist.
	g.store.clone("plain", "a\x01b", `"x"`)
	g.want(g.do(call{method: "GET", target: "/bkt?list-type=2"}), 501, "NotImplemented")
	if a := g.do(call{method: "GET", target: "/bkt?encoding-type=url&list-type=2"}); a.status != 200 || !bytes.Contains(a.body, []byte("a%01b")) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestCopyOfALargeObjectWithoutETagIsRefused(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.put("/bkt/k", pattern(20<<20))
	g.store.buckets["bkt"]["k"].etag = ""
	g.want(g.do(call{method: "PUT", target: "/bkt/dst", header: map[string]string{"x-amz-copy-source": "/bkt/k"}}), 503, "ServiceUnavailable")
}

// lateStore holds the first PUT of an object back, as a retry's pause does.
type lateStore struct {
	*memory
	once            sync.Once
	reached, landed chan struct{}
	on              chan struct{}
}

func (l *lateStore) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error) {
	first := false
	if key == "k" {
		l.once.Do(func() { first = true })
	}
	if first {
		defer close(l.landed)
		close(l.reached)
		select {
		case <-l.on:
		case <-ctx.Done():
			return backend.Written{}, ctx.Err()
		}
	}
	return l.memory.Put(ctx, bucket, key, body, size, cond)
}

func TestWriteOfAClientWhoLeftDoesNotLandLater(t *testing.T) {
	l := &lateStore{reached: make(chan struct{}), landed: make(chan struct{}), on: make(chan struct{})}
	g := newRig(t, func(c *Config) { l.memory = c.Backend.(*memory); c.Backend = l })
	left := g.dial()
	if _, err := left.Write(call{method: "PUT", target: "/bkt/k", body: []byte("old")}.raw(g.addr)); err != nil {
		t.Fatal(err)
	}
	<-l.reached
	left.Close()
	select {
	case <-l.landed: // ended by the watch
	case <-time.After(20 * watchAfter):
		t.Error("the write went on after its client left")
		close(l.on)
		<-l.landed
	}
	g.put("/bkt/k", []byte("new"))
	if x := g.get("/bkt/k"); !bytes.Equal(x.body, []byte("new")) {
		t.Errorf("acknowledged new, reads %q", x.body)
	}
}

func TestWaitingForTheGateEndsWithTheRequest(t *testing.T) {
	gt := newGate(failingStore{newMemory("bkt")}, format.DefaultBlockSize, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := gt.open(ctx, testRing(t, 1), "bkt", false); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

// TestReplacedObjectLeavesNothingOfTheFirstRound: headers and status of a round that began again are gone.
func TestReplacedObjectLeavesNothingOfTheFirstRound(t *testing.T) {
	g := newRig(t)
	old := g.do(call{method: "PUT", target: "/bkt/k", body: pattern(300_000), header: map[string]string{"content-encoding": "gzip", "x-amz-meta-a": "old"}}).header.Get("ETag")
	g.store.clone("k", "first", g.store.buckets["bkt"]["k"].etag)
	fresh := bytes.Repeat([]byte("new!"), 70_000)
	g.put("/bkt/k", fresh)
	g.store.clone("k", "aside", `"fresh"`)
	for _, header := range []map[string]string{{"range": "bytes=200000-209999", "if-range": old}, {"range": "bytes=200000-209999"}} {
		g.store.clone("first", "k", g.store.buckets["bkt"]["first"].etag)
		gets := 0
		g.store.before = func(op, _, key string) error {
			if op == "Get" && key == "k" {
				if gets++; gets == 2 {
					g.store.clone("aside", "k", `"fresh"`)
				}
			}
			return nil
		}
		a := g.do(call{method: "GET", target: "/bkt/k", header: header})
		g.store.before = nil
		if a.header.Get("Content-Encoding") != "" || a.header.Get("x-amz-meta-a") != "" {
			t.Errorf("%v: metadata of the replaced object: %v", header, a.header)
		}
		whole := header["if-range"] != ""
		if whole && (a.status != 200 || a.header.Get("Content-Range") != "" || !bytes.Equal(a.body, fresh)) || !whole && (a.status != 206 || !bytes.Equal(a.body, fresh[200000:210000])) {
			t.Errorf("%v: %d, %q, %d bytes", header, a.status, a.header.Get("Content-Range"), len(a.body))
		}
	}
}

// TestErrorsCarryNothingOfTheObject: a cache must not keep an error for a year.
func TestErrorsCarryNothingOfTheObject(t *testing.T) {
	g := newRig(t)
	g.do(call{method: "PUT", target: "/bkt/k", body: pattern(3000), header: map[string]string{"content-encoding": "gzip", "cache-control": "max-age=31536000"}})
	g.store.tamper("bkt", "k", func(b []byte) []byte { b[len(b)-600] ^= 1; return b })
	a := g.get("/bkt/k")
	if a.status != 500 || a.header.Get("Content-Encoding") != "" || a.header.Get("Cache-Control") != "" || a.header.Get("ETag") != "" || a.header.Get("x-amz-request-id") == "" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

// stuckStore says for ever that there is more, and repeats itself.
type stuckStore struct{ *memory }

func (s stuckStore) List(context.Context, string, backend.ListOptions) (*backend.Page, error) {
	return &backend.Page{CommonPrefixes: []string{format.ReservedPrefix + "/"}, Truncated: true, NextToken: "x"}, nil
}

func TestListingThatDoesNotAdvanceEnds(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("x"))
	h := newRig(t, func(c *Config) { c.Backend = stuckStore{g.store} })
	h.want(h.do(call{method: "GET", target: "/bkt?delimiter=%2F"}), 503, "ServiceUnavailable")
}

func TestTransferEncodingIsChunkedOrRefused(t *testing.T) {
	g := newRig(t)
	for _, te := range []string{"identity", "gzip, chunked", "xchunked", "chunked, identity"} {
		a := g.do(call{method: "GET", target: "/bkt/k", edit: func(h string) string { return h + "transfer-encoding: " + te + "\r\n" }})
		if a.status != 400 {
			t.Errorf("%s: %d %s", te, a.status, a.code())
		}
	}
}
