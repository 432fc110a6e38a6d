package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// quickly is for tests that remove buckets.
func quickly(c *Config) { c.lease = 20 * time.Millisecond }

// twoProxies are two proxies with one keyring over one store.
func twoProxies(t *testing.T, change ...func(*Config)) (one, two *rig) {
	t.Helper()
	one = newRig(t, append([]func(*Config){quickly}, change...)...)
	two = newRig(t, append(append([]func(*Config){quickly}, change...), func(c *Config) { c.Backend = one.s.gate.backend })...)
	two.store = one.store
	return one, two
}

// lagging delays writes on their way to the store, and on their way back.
type lagging struct{ *memory }

func (l lagging) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error) {
	if key == format.StateKey {
		return l.memory.Put(ctx, bucket, key, body, size, cond)
	}
	time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
	etag, err := l.memory.Put(ctx, bucket, key, body, size, cond)
	time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
	return etag, err
}

// TestStormAgainstRemoval: two proxies write to a bucket, while two more clients
// remove it and make it anew. Every object that was acknowledged, and not deleted by
// its client, can be read at the end.
func TestStormAgainstRemoval(t *testing.T) {
	t.Parallel()
	store := newMemory("storm")
	one, two := twoProxies(t, func(c *Config) { c.Backend = lagging{store} })
	one.store, two.store = store, store
	proxies := []*rig{one, two}
	length := 3 * time.Second / 2
	if testing.Short() {
		length = time.Second
	}
	deadline := time.Now().Add(length)
	var acked, removed, refused atomic.Int64
	blows := func() bool { // on a slow machine, until both came through
		left := time.Until(deadline)
		return left > 0 || (acked.Load() == 0 || removed.Load() == 0) && left > -30*time.Second
	}
	var kept sync.Map
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; blows(); i++ {
				key, body := fmt.Sprintf("w%d-%d", w, i), pattern(100+i)
				status, _, err := ask(proxies[i%2].addr, call{method: "PUT", target: "/storm/" + key, body: body})
				if err != nil || status != 200 {
					refused.Add(1) // it may be there all the same
					ask(proxies[i%2].addr, call{method: "DELETE", target: "/storm/" + key})
					time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
					continue
				}
				acked.Add(1)
				if status, got, err := ask(proxies[(i+1)%2].addr, call{method: "GET", target: "/storm/" + key}); err == nil && status != 503 && (status != 200 || !bytes.Equal(got, body)) {
					t.Errorf("%s was acknowledged, and reads as %d", key, status)
				}
				if i%16 == 15 && time.Now().Add(length/4).After(deadline) {
					kept.Store(key, body)
					continue
				}
				if status, _, err := ask(proxies[i%2].addr, call{method: "DELETE", target: "/storm/" + key}); err != nil || status != 204 {
					kept.Store(key, body)
				}
				time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
			}
		}()
	}
	for n, p := range proxies {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for blows() {
				status, body, err := ask(p.addr, call{method: "DELETE", target: "/storm"})
				switch {
				case err != nil:
				case status == 204:
					removed.Add(1)
					ask(proxies[1-n].addr, call{method: "PUT", target: "/storm"})
				case status != 404 && status != 409 && status != 503:
					t.Errorf("the removal gave %d: %s", status, body)
				}
				time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
			}
		}()
	}
	wg.Wait()
	ask(one.addr, call{method: "PUT", target: "/storm"})
	fresh := one.beside(t, one.keys.ring)
	kept.Range(func(key, body any) bool {
		if a := fresh.get("/storm/" + key.(string)); a.status != 200 || !bytes.Equal(a.body, body.([]byte)) {
			t.Errorf("%s was acknowledged, and reads as %d %s", key, a.status, a.code())
		}
		return true
	})
	t.Logf("%d acknowledged, %d refused, %d removals", acked.Load(), refused.Load(), removed.Load())
	if acked.Load() == 0 || removed.Load() == 0 {
		t.Error("the storm did not blow")
	}
}

// TestWriteThatCrossesARemoval: an object that appears behind the removal's last look
// keeps its bucket, with its state.
func TestWriteThatCrossesARemoval(t *testing.T) {
	g := newRig(t, quickly)
	g.put("/bkt/k", []byte("stays"))
	object := g.store.buckets["bkt"]["k"]
	g.want(g.do(call{method: "DELETE", target: "/bkt/k"}), 204, "")
	g.store.before = func(op, bucket, _ string) error {
		if op == "DeleteBucket" {
			g.store.buckets[bucket]["k"] = object
		}
		return nil
	}
	g.want(g.do(call{method: "DELETE", target: "/bkt"}), 409, "BucketNotEmpty")
	g.store.before = nil
	if a := g.beside(t, g.keys.ring).get("/bkt/k"); string(a.body) != "stays" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	g.put("/bkt/k2", []byte("goes on"))
}

// TestRemovalCutAnywhere: whichever call of a removal fails, the bucket is gone, or
// goes on with what is written to it.
func TestRemovalCutAnywhere(t *testing.T) {
	for n := 0; ; n++ {
		g := newRig(t, quickly)
		g.put("/bkt/k", []byte("x"))
		g.want(g.do(call{method: "DELETE", target: "/bkt/k"}), 204, "")
		calls := 0
		g.store.before = func(op, _, _ string) error {
			if calls++; calls == n+1 {
				return fault4(backend.Busy, op)
			}
			return nil
		}
		a := g.do(call{method: "DELETE", target: "/bkt"})
		g.store.before = nil
		if calls <= n {
			g.want(a, 204, "")
			break
		}
		other := g.beside(t, g.keys.ring)
		if a.status == 204 {
			other.want(other.do(call{method: "PUT", target: "/bkt"}), 200, "")
		}
		for _, p := range []*rig{g, other} {
			p.put("/bkt/new", []byte("written after"))
			if a := g.get("/bkt/new"); string(a.body) != "written after" {
				t.Errorf("call %d: %d %s", n, a.status, a.code())
			}
		}
	}
}

// TestProxyThatDiesWhileItRemoves: the bucket stays closed to writers, of all proxies,
// for as long as the removal may still go on, and is opened by a write after that.
func TestProxyThatDiesWhileItRemoves(t *testing.T) {
	var skip atomic.Int64
	clock := func(c *Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(skip.Load())) }
	}
	one, two := twoProxies(t, clock)
	one.put("/bkt/k", []byte("x"))
	two.put("/bkt/k", []byte("y"))
	one.want(one.do(call{method: "DELETE", target: "/bkt/k"}), 204, "")
	g := one.s.gate
	st, err := g.closable(context.Background(), one.keys.ring, "bkt")
	if err == nil {
		err = g.replace(context.Background(), one.keys.ring, "bkt", st, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * 20 * time.Millisecond) // more than two's lease
	for _, g := range []*rig{one, two} {
		for range 2 {
			g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("z")}), 503, "SlowDown")
		}
		g.want(g.get("/bkt/k"), 404, "NoSuchKey")
		g.want(g.do(call{method: "DELETE", target: "/bkt"}), 503, "SlowDown")
	}
	// One's own entry is as if it had met the state closing.
	skip.Store(int64(closeTime + time.Second))
	at := func(c call) call { c.at = time.Now().Add(time.Duration(skip.Load())); return c }
	two.want(two.do(at(call{method: "PUT", target: "/bkt/k", body: []byte("z")})), 200, "")
	one.want(one.do(at(call{method: "PUT", target: "/bkt/k2", body: []byte("z")})), 200, "")
	if a := one.do(at(call{method: "GET", target: "/bkt/k"})); string(a.body) != "z" {
		t.Fatalf("%d %s", a.status, a.body)
	}
}

// TestProxyThatKnewTheOldBucket never overwrites an object of the new one with one
// that nobody can open.
func TestProxyThatKnewTheOldBucket(t *testing.T) {
	one, two := twoProxies(t)
	two.put("/bkt/k", []byte("old"))
	one.want(one.do(call{method: "DELETE", target: "/bkt/k"}), 204, "")
	one.want(one.do(call{method: "DELETE", target: "/bkt"}), 204, "")
	one.want(one.do(call{method: "PUT", target: "/bkt"}), 200, "")
	one.put("/bkt/k", []byte("new"))
	a := two.do(call{method: "PUT", target: "/bkt/k", body: []byte("newer")})
	want := "new"
	if a.status == 200 {
		want = "newer"
	}
	if got := one.get("/bkt/k"); string(got.body) != want {
		t.Fatalf("%d %s behind a PUT that gave %d", got.status, got.body, a.status)
	}
	two.put("/bkt/k", []byte("newest"))
	if got := one.get("/bkt/k"); string(got.body) != "newest" {
		t.Fatalf("%d %s", got.status, got.body)
	}
}

// TestFenceRefusesWhatItCannotKnow: no answer about the state is no permission.
func TestFenceRefusesWhatItCannotKnow(t *testing.T) {
	g := newRig(t, quickly)
	g.put("/bkt/k", []byte("x"))
	time.Sleep(2 * 20 * time.Millisecond)
	g.store.before = func(op, _, key string) error {
		if op == "Head" && key == format.StateKey {
			return fault4(backend.Busy, op)
		}
		return nil
	}
	n := g.store.writes("k")
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("y")}), 503, "ServiceUnavailable")
	if g.store.writes("k") != n {
		t.Error("it was written all the same")
	}
}

// TestRemovalNeedsConditions: on a store that ignores If-Match two proxies could not
// agree on who removes what.
func TestRemovalNeedsConditions(t *testing.T) {
	g := newRig(t, quickly)
	g.put("/bkt/k", []byte("x"))
	g.want(g.do(call{method: "DELETE", target: "/bkt/k"}), 204, "")
	g.s.gate.backend = noConditions{g.store}
	g.want(g.do(call{method: "DELETE", target: "/bkt"}), 503, "ServiceUnavailable")
	if _, err := g.s.gate.read(context.Background(), g.keys.ring, "bkt"); err != nil {
		t.Errorf("the state is gone: %v", err)
	}
}
