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

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// TestUploadInProgressEndsWithItsBucket: as at S3, it is no object.
func TestUploadInProgressEndsWithItsBucket(t *testing.T) {
	t.Parallel()
	for name, versions := range map[string]string{"plain": "", "versions": "Enabled", "suspended": "Suspended"} {
		t.Run(name, func(t *testing.T) {
			v := &keepsVersions{memory: newMemory("bkt", "other")}
			v.versioning["bkt"] = versions
			g := newRig(t, quickly, func(c *Config) {
				if c.Backend = v; versions == "" {
					c.Backend = v.memory
				}
			})
			g.store = v.memory
			var list [][]listed
			var ups []*partsUp
			for i := range 3 {
				u := g.begin(fmt.Sprintf("/bkt/dir/%%26&%d", i), nil)
				ups, list = append(ups, u), append(list, []listed{{1, u.part(1, pattern(5*mib))}, {2, u.part(2, []byte("end"))}})
			}
			elsewhere := g.begin("/other/k", nil)
			part := elsewhere.part(1, []byte("x"))
			g.want(g.do(call{method: "DELETE", target: "/bkt"}), 204, "")
			g.want(ups[0].complete(list[0]...), 404, "NoSuchBucket")
			g.want(g.do(call{method: "PUT", target: "/bkt"}), 200, "")
			g.want(ups[0].complete(list[0]...), 404, "NoSuchUpload")
			g.put("/bkt/new", []byte("x"))
			for i, u := range ups {
				g.want(u.complete(list[i]...), 404, "NoSuchUpload")
				g.want(g.do(u.partCall(3, []byte("late"))), 404, "NoSuchUpload")
			}
			g.want(elsewhere.complete(listed{1, part}), 200, "")
			g.onlyObjects("new")
		})
	}
}

// TestUploadsStayWithABucketThatStays: neither an object nor a backend that lets nobody
// remove the bucket costs an upload anything.
func TestUploadsStayWithABucketThatStays(t *testing.T) {
	g := newRig(t, quickly)
	u := g.begin("/bkt/k", nil)
	list := listed{1, u.part(1, []byte("end"))}
	g.store.before = func(op, _, _ string) error {
		if op == "DeleteBucket" {
			return &backend.Error{Kind: backend.Denied, Op: op, Status: 403, Code: "AccessDenied"}
		}
		return nil
	}
	if a := g.do(call{method: "DELETE", target: "/bkt"}); a.status < 400 {
		t.Fatalf("%d", a.status)
	}
	g.store.before = nil
	g.put("/bkt/other", []byte("x"))
	g.want(g.do(call{method: "DELETE", target: "/bkt"}), 409, "BucketNotEmpty")
	if st := g.store.state(t, "bkt", g.keys.ring); st.Closing {
		t.Error("a bucket that is not empty was closed")
	}
	g.want(u.complete(list), 200, "")
	if a := g.get("/bkt/k"); string(a.body) != "end" {
		t.Fatalf("%d %s", a.status, a.body)
	}
}

// TestCompleteThatCrossesARemoval: wherever in the removal it comes, it is done and the
// bucket stays, or it is refused and the bucket goes.
func TestCompleteThatCrossesARemoval(t *testing.T) {
	t.Parallel()
	for n := 0; ; n++ {
		one, two := twoProxies(t)
		u := one.begin("/bkt/k", nil)
		list := []listed{{1, u.part(1, pattern(5*mib))}, {2, u.part(2, []byte("end"))}}
		u = &partsUp{two, u.target, u.id}
		two.want(two.get("/bkt/none"), 404, "") // it knows the bucket
		calls, during := 0, answer{}
		one.s.gate.backend = hooked{one.store, func() {
			if calls++; calls == n+1 {
				during = u.complete(list...)
			}
		}}
		a := one.do(call{method: "DELETE", target: "/bkt"})
		one.s.gate.backend = one.store
		if calls <= n {
			one.want(a, 204, "")
			break
		}
		switch {
		case during.status == 200 && a.status == 204:
			t.Errorf("call %d: the upload was completed, and its bucket removed", n)
		case during.status != 200 && during.status != 404 && during.status != 503:
			t.Errorf("call %d: Complete gave %d %s", n, during.status, during.body)
		case a.status != 204 && a.status != 409 && a.status != 503:
			t.Errorf("call %d: the removal gave %d %s", n, a.status, a.body)
		}
		if during.status != 200 {
			continue
		}
		if got := two.beside(t, one.keys.ring).get("/bkt/k"); !bytes.Equal(got.body, append(pattern(5*mib), "end"...)) {
			t.Errorf("call %d: an acknowledged object reads as %d %s", n, got.status, got.code())
		}
	}
}

// hooked is a store of which each call is announced.
type hooked struct {
	*memory
	call func()
}

func (h hooked) List(ctx context.Context, bucket string, opt backend.ListOptions) (*backend.Page, error) {
	h.call()
	return h.memory.List(ctx, bucket, opt)
}

func (h hooked) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error) {
	h.call()
	return h.memory.Put(ctx, bucket, key, body, size, cond)
}

func (h hooked) AbortUpload(ctx context.Context, bucket, key, id string) error {
	h.call()
	return h.memory.AbortUpload(ctx, bucket, key, id)
}

func (h hooked) DeleteMany(ctx context.Context, bucket string, keys []string) ([]backend.DeleteResult, error) {
	h.call()
	return h.memory.DeleteMany(ctx, bucket, keys)
}

func (h hooked) DeleteWith(ctx context.Context, bucket, key string, with backend.DeleteOptions) (backend.Deleted, error) {
	h.call()
	return h.memory.DeleteWith(ctx, bucket, key, with)
}

func (h hooked) DeleteBucket(ctx context.Context, bucket string) error {
	h.call()
	return h.memory.DeleteBucket(ctx, bucket)
}

// TestStormOfUploadsAgainstRemoval: two proxies complete uploads, in parts and in a
// single small one, while both remove the bucket and make it anew. What was
// acknowledged can be read.
func TestStormOfUploadsAgainstRemoval(t *testing.T) {
	t.Parallel()
	store := newMemory("storm")
	one, two := twoProxies(t, func(c *Config) { c.Backend = lagging{store} })
	one.store, two.store = store, store
	proxies := []*rig{one, two}
	length := 2 * time.Second
	if testing.Short() {
		length = time.Second
	}
	deadline := time.Now().Add(length)
	var acked, removed atomic.Int64
	blows := func() bool { // on a slow machine, until both came through
		left := time.Until(deadline)
		return left > 0 || (acked.Load() == 0 || removed.Load() == 0) && left > -30*time.Second
	}
	var wg sync.WaitGroup
	upload := func(p *rig, key string, pieces ...[]byte) bool {
		_, body, err := ask(p.addr, call{method: "POST", target: "/storm/" + key + "?uploads"})
		id := between(body, "UploadId")
		if err != nil || id == "" {
			return false
		}
		u := &partsUp{p, "/storm/" + key, id}
		var list []listed
		for i, piece := range pieces {
			a, err := askWhole(p.addr, u.partCall(i+1, piece))
			if err != nil || a.status != 200 {
				return false
			}
			list = append(list, listed{i + 1, a.header.Get("ETag")})
		}
		status, _, err := ask(p.addr, u.completeCall(list...))
		return err == nil && status == 200
	}
	long := pattern(5 * mib)
	for w := range 3 {
		wg.Go(func() {
			for i := 0; blows(); i++ {
				key, pieces := fmt.Sprintf("w%d-%d", w, i), [][]byte{pattern(100 + i)}
				if i%2 == 1 {
					pieces = [][]byte{long, pattern(100 + i)}
				}
				done := upload(proxies[i%2], key, pieces...)
				if done {
					acked.Add(1)
					status, got, err := ask(proxies[(i+1)%2].addr, call{method: "GET", target: "/storm/" + key})
					if err == nil && status != 503 && (status != 200 || !bytes.Equal(got, bytes.Join(pieces, nil))) {
						t.Errorf("%s was acknowledged, and reads as %d", key, status)
					}
				}
				ask(proxies[i%2].addr, call{method: "DELETE", target: "/storm/" + key})
				time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
			}
		})
	}
	for n, p := range proxies {
		wg.Go(func() {
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
				time.Sleep(time.Duration(rand.IntN(700)) * time.Millisecond)
			}
		})
	}
	wg.Wait()
	ask(one.addr, call{method: "PUT", target: "/storm"})
	one.beside(t, one.keys.ring).put("/storm/end", []byte("goes on"))
	t.Logf("%d acknowledged, %d removals", acked.Load(), removed.Load())
	if acked.Load() == 0 || removed.Load() == 0 {
		t.Error("the storm did not blow")
	}
}
