package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// deafRig is a proxy over a store that ignores every condition, with a bucket that was
// initialised while it did not.
func deafRig(t *testing.T, change ...func(*Config)) (*rig, *wireStore) {
	t.Helper()
	g, w := newWireRig(t, change...)
	g.put("/bkt/first", []byte("x"))
	w.setDeaf()
	return g, w
}

func (w *wireStore) setDeaf() {
	w.memory.mu.Lock()
	defer w.memory.mu.Unlock()
	w.deaf = true
}

func emulate(c *Config) { c.EmulateConditions = true }

// TestEmulatedConditions: on a store that ignores conditions they hold all the same, on
// every verb and whatever way a body takes.
func TestEmulatedConditions(t *testing.T) {
	t.Parallel()
	for _, whole := range []int64{0, 1} {
		t.Run(fmt.Sprint(whole), func(t *testing.T) {
			g, _ := deafRig(t, emulate, func(c *Config) { c.WholeObject = whole })
			put := func(key, body string, h map[string]string) answer {
				return g.do(call{method: "PUT", target: "/bkt/" + key, body: []byte(body), header: h})
			}
			create := map[string]string{"if-none-match": "*"}
			g.want(put("k", "one", create), 200, "")
			g.want(put("k", "two", create), 412, "PreconditionFailed")
			etag := g.get("/bkt/k").header.Get("ETag")
			g.want(put("k", "three", map[string]string{"if-match": etag}), 200, "")
			g.want(put("k", "four", map[string]string{"if-match": etag}), 412, "PreconditionFailed")
			g.want(put("absent", "five", map[string]string{"if-match": etag}), 404, "NoSuchKey")
			if a := g.get("/bkt/k"); string(a.body) != "three" {
				t.Fatalf("the object is %q", a.body)
			}
			for _, size := range []int{10, 5 * mib} {
				for _, h := range []map[string]string{create, {"if-match": etag}} {
					u := g.begin("/bkt/k", nil)
					c := u.completeCall(listed{1, u.part(1, pattern(size))})
					c.header = h
					g.want(g.do(c), 412, "PreconditionFailed")
					c.header = map[string]string{"if-match": g.get("/bkt/k").header.Get("ETag")}
					g.want(g.do(c), 200, "")
					if a := g.get("/bkt/k"); !bytes.Equal(a.body, pattern(size)) {
						t.Fatalf("%d bytes", len(a.body))
					}
					g.want(put("k", "again", nil), 200, "")
				}
			}
			g.want(g.do(call{method: "DELETE", target: "/bkt/k", header: map[string]string{"if-match": etag}}), 412, "PreconditionFailed")
			g.want(g.do(call{method: "DELETE", target: "/bkt/k", header: map[string]string{"if-match": g.get("/bkt/k").header.Get("ETag")}}), 204, "")
			g.want(g.get("/bkt/k"), 404, "NoSuchKey")
			g.onlyObjects("first")
			if n := len(g.s.gate.emulated.names.locks); n != 0 {
				t.Errorf("%d names are still held", n)
			}
		})
	}
}

// TestEmulatedConditionsHaveOneWinner: many writers at once through one proxy, and no
// write that was told of success is lost.
func TestEmulatedConditionsHaveOneWinner(t *testing.T) {
	g, w := deafRig(t, emulate)
	// The store takes its time, so that who looks does so while others write.
	w.memory.mu.Lock()
	w.slow = 2 * time.Millisecond
	w.memory.mu.Unlock()
	var created atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if g.do(call{method: "PUT", target: "/bkt/new", body: fmt.Append(nil, i), header: map[string]string{"if-none-match": "*"}}).status == 200 {
				created.Add(1)
			}
		})
	}
	all.Wait()
	if n := created.Load(); n != 1 {
		t.Errorf("%d writers created the one object", n)
	}
	// A counter by If-Match: each success adds one, and DELETE, Complete and PUT without
	// a condition at other names go on beside it.
	g.put("/bkt/n", []byte(""))
	var added atomic.Int64
	for i := range 4 {
		all.Go(func() {
			for range 6 {
				now := g.get("/bkt/n")
				h := map[string]string{"if-match": now.header.Get("ETag")}
				if g.do(call{method: "PUT", target: "/bkt/n", body: append(now.body, 'x'), header: h}).status == 200 {
					added.Add(1)
				}
				other := fmt.Sprintf("/bkt/other%d", i)
				g.put(other, []byte("y"))
				g.want(g.do(call{method: "DELETE", target: other}), 204, "")
			}
		})
	}
	all.Wait()
	if n := len(g.get("/bkt/n").body); int64(n) != added.Load() || n == 0 {
		t.Errorf("%d additions were told of success, %d are there", added.Load(), n)
	}
}

// TestEmulatedConditionsSeeWritesWithout: a write that has no condition is not written
// over by one that has, although the store would let it.
func TestEmulatedConditionsSeeWritesWithout(t *testing.T) {
	g, w := deafRig(t, emulate)
	etag := g.put("/bkt/k", []byte("old")).header.Get("ETag")
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("old"), header: map[string]string{"if-match": etag}}), 200, "")
	etag = g.get("/bkt/k").header.Get("ETag")
	for _, method := range []string{"PUT", "DELETE", "POST"} {
		// The write without a condition is on its way when the one with it begins.
		entered, leave := make(chan struct{}), make(chan struct{})
		w.memory.mu.Lock()
		var once sync.Once
		w.hold = func(r *http.Request) {
			if (r.Method == "PUT" || r.Method == "POST" || r.Method == "DELETE") && !strings.Contains(r.RequestURI, format.ReservedPrefix) {
				once.Do(func() { close(entered); <-leave })
			}
		}
		w.memory.mu.Unlock()
		var all sync.WaitGroup
		all.Go(func() {
			c := call{method: "PUT", target: "/bkt/k", body: []byte("between")}
			switch method {
			case "DELETE":
				c = call{method: "DELETE", target: "/bkt/k"}
			case "POST":
				c = call{method: "POST", target: "/bkt?delete=", body: []byte("<Delete><Object><Key>k</Key></Object></Delete>")}
			}
			if a := g.do(c); a.status/100 != 2 {
				t.Errorf("%s: %d", method, a.status)
			}
		})
		<-entered
		done := make(chan answer, 1)
		go func() {
			done <- g.do(call{method: "PUT", target: "/bkt/k", body: []byte("late"), header: map[string]string{"if-match": etag}})
		}()
		// It waits for the other; until then nothing can be told of it.
		select {
		case a := <-done:
			t.Errorf("%s: answered %d while another write was under way", method, a.status)
		case <-time.After(50 * time.Millisecond):
		}
		close(leave)
		all.Wait()
		if a := <-done; a.status/100 == 2 {
			t.Errorf("%s: a write under a condition that no longer holds was told of success", method)
		}
		w.memory.mu.Lock()
		w.hold = nil
		w.memory.mu.Unlock()
		etag = g.put("/bkt/k", []byte("old")).header.Get("ETag")
	}
}

// TestNothingElseRestsOnTheEmulation: neither a bucket's state nor append-only clients.
func TestNothingElseRestsOnTheEmulation(t *testing.T) {
	g, w := deafRig(t, emulate, quickly, func(c *Config) {
		c.Credentials = append(c.Credentials, Credential{Name: "add", AccessKey: "AKAPPEND", SecretKey: testSecret, Grant: Grant{Access: AppendOnly}})
	})
	before := w.memory.stored("bkt", format.StateKey)
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), access: "AKAPPEND"}), 501, "NotImplemented")
	g.want(g.do(call{method: "DELETE", target: "/bkt/first"}), 204, "")
	g.want(g.do(call{method: "DELETE", target: "/bkt"}), 503, "ServiceUnavailable")
	if !bytes.Equal(before, w.memory.stored("bkt", format.StateKey)) {
		t.Error("the state is another")
	}
}

// TestBucketOfADeafStore: without the emulation it never gets a state; with it, one
// that stood for a while, the same bytes however often they are written.
func TestBucketOfADeafStore(t *testing.T) {
	g, w := deafRig(t)
	for range 3 {
		g.want(g.do(call{method: "PUT", target: "/other/k", body: []byte("x")}), 503, "ServiceUnavailable")
		if w.memory.stored("other", format.StateKey) != nil || w.memory.stored("other", "k") != nil {
			t.Fatal("something was stored in a bucket that two proxies could initialise twice")
		}
	}
	g, w = deafRig(t, emulate)
	g.s.gate.settleTime = 100 * time.Millisecond
	// The answer to the first write is lost, and it takes effect once more when the next
	// has been read back.
	var cut []byte
	w.memory.mu.Lock()
	w.memory.committed = func(key string) {
		if b := w.memory.buckets["other"][key]; key == format.StateKey && b != nil && cut == nil {
			cut = b.data
			delete(w.memory.buckets["other"], key)
		}
	}
	w.memory.mu.Unlock()
	g.want(g.do(call{method: "PUT", target: "/other/k", body: []byte("x")}), 503, "ServiceUnavailable")
	g.put("/other/k", []byte("x"))
	w.memory.mu.Lock()
	w.memory.committed = nil
	late := w.memory.buckets["other"][format.StateKey]
	late.data = cut
	w.memory.mu.Unlock()
	again := newRig(t, func(c *Config) { c.Backend = w.memory })
	again.keys = g.keys
	if a := again.get("/other/k"); string(a.body) != "x" {
		t.Errorf("%d: the object is of another bucket", a.status)
	}
}

// TestConditionalDeleteOnADeafStoreIsRefused: what the store would remove whoever stored
// it last stays there, and the trial leaves nothing.
func TestConditionalDeleteOnADeafStoreIsRefused(t *testing.T) {
	g, w := deafRig(t)
	etag := g.get("/bkt/first").header.Get("ETag")
	for range 2 {
		g.want(g.do(call{method: "DELETE", target: "/bkt/first", header: map[string]string{"if-match": etag}}), 501, "NotImplemented")
	}
	g.want(g.do(call{method: "DELETE", target: "/bkt/first", header: map[string]string{"if-match": `"0-s"`}}), 412, "PreconditionFailed")
	g.onlyObjects("first")
	w.memory.mu.Lock()
	defer w.memory.mu.Unlock()
	n := 0
	for _, c := range w.memory.calls {
		if strings.HasPrefix(c, "Put ") && strings.Contains(c, trialPrefix) {
			n++
		}
	}
	if n == 0 {
		t.Error("the store was not tried")
	}
}

// TestConditionalDeleteIsProvedOnce, and a store that honours it is asked to.
func TestConditionalDeleteIsProvedOnce(t *testing.T) {
	for _, versions := range []bool{false, true} {
		g := newRig(t)
		if versions {
			g.store.versioning["bkt"] = "Enabled"
		}
		var etags []string
		for i := range 3 {
			etags = append(etags, g.put(fmt.Sprintf("/bkt/k%d", i), []byte("x")).header.Get("ETag"))
		}
		before := g.store.count()
		for i, etag := range etags {
			g.want(g.do(call{method: "DELETE", target: fmt.Sprintf("/bkt/k%d", i), header: map[string]string{"if-match": etag}}), 204, "")
		}
		n := 0
		for _, c := range g.store.callsSince(before) {
			if strings.HasPrefix(c, "Put ") {
				n++
			}
		}
		if n != 1 {
			t.Errorf("versions %v: the store was tried %d times", versions, n)
		}
		g.store.mu.Lock()
		for key := range g.store.history["bkt"] {
			if strings.HasPrefix(key, trialPrefix) && len(g.store.history["bkt"][key]) > 0 {
				t.Error("the trial left a version")
			}
		}
		g.store.mu.Unlock()
	}
}

// swapping stores another's object in the place of what was looked at, before a removal
// arrives, and ignores conditions.
type swapping struct{ *memory }

func (s swapping) DeleteWith(ctx context.Context, bucket, key string, with backend.DeleteOptions) (backend.Deleted, error) {
	with.IfMatch = ""
	return s.memory.DeleteWith(ctx, bucket, key, with)
}

// TestWithdrawOnADeafStoreLeavesWhatIsThere: what a write left in a bucket that was made
// anew is removed only where nothing else can be removed instead.
func TestWithdrawOnADeafStoreLeavesWhatIsThere(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		g := newRig(t, func(c *Config) {
			if deaf {
				c.Backend = swapping{c.Backend.(*memory)}
			}
		})
		g.put("/bkt/k", []byte("x"))
		obj, err := g.store.Head(context.Background(), "bkt", "k")
		if err != nil {
			t.Fatal(err)
		}
		ring, _ := g.keys.Ring()
		b, err := g.s.gate.open(context.Background(), ring, "bkt", true)
		if err != nil {
			t.Fatal(err)
		}
		b.fenced.(*fence).withdraw(context.Background(), "bkt", "k", backend.Written{ETag: obj.ETag})
		if there := g.store.stored("bkt", "k") != nil; there != deaf {
			t.Errorf("deaf %v: there %v", deaf, there)
		}
	}
}
