package server

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// deaf is a store that takes conditions on writes and ignores them.
type deaf struct{ noConditions }

func (d deaf) CompleteUpload(ctx context.Context, bucket, key, id string, parts []backend.Part, _ backend.Conditions) (backend.Written, error) {
	return d.memory.CompleteUpload(ctx, bucket, key, id, parts, backend.Conditions{})
}

// On a store that ignores conditions a conditional write is refused, whatever way it
// takes, and what it protects stays; writes without a condition go on.
func TestConditionsThatTheStoreIgnoresAreRefused(t *testing.T) {
	good := newRig(t)
	good.put("/bkt/k", []byte("kept")) // the bucket was initialised elsewhere
	for _, whole := range []int64{0, 1} {
		g := newRig(t, func(c *Config) { c.Backend, c.WholeObject = deaf{noConditions{good.store}}, whole })
		g.keys, g.store = good.keys, good.store
		state := bytes.Clone(g.store.stored("bkt", format.StateKey))
		etag := g.get("/bkt/k").header.Get("ETag")
		for _, h := range []map[string]string{{"if-none-match": "*"}, {"if-match": etag}, {"if-match": `"00-s"`}} {
			for range 2 {
				g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("overwritten"), header: h}), 501, "NotImplemented")
			}
			for _, size := range []int{10, 5 * mib} {
				u := g.begin("/bkt/k", nil)
				c := u.completeCall(listed{1, u.part(1, pattern(size))})
				c.header = h
				g.want(g.do(c), 501, "NotImplemented")
				g.want(u.abort(), 204, "")
			}
		}
		if a := g.get("/bkt/k"); string(a.body) != "kept" {
			t.Fatalf("the object was overwritten: %q", a.body)
		}
		if !bytes.Equal(state, g.store.stored("bkt", format.StateKey)) {
			t.Fatal("the state is another")
		}
		good.onlyObjects("k")
		g.put("/bkt/other", []byte("x"))
		g.want(g.do(call{method: "DELETE", target: "/bkt/other"}), 204, "")
	}
}

// The question is asked once, and a fault is no answer.
func TestConditionsAreProvedOnce(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("x"))
	g.store.before = func(op, _, key string) error {
		if op == "Put" && key == format.StateKey {
			return fault4(backend.Busy, op)
		}
		return nil
	}
	create := func(key string) answer {
		return g.do(call{method: "PUT", target: "/bkt/" + key, body: []byte("x"), header: map[string]string{"if-none-match": "*"}})
	}
	g.want(create("a"), 503, "ServiceUnavailable")
	if g.store.stored("bkt", "a") != nil {
		t.Error("written before the store was seen to honour the condition")
	}
	g.store.before = nil
	before := g.store.count()
	for _, key := range []string{"a", "b", "c"} {
		g.want(create(key), 200, "")
	}
	n := 0
	for _, c := range g.store.callsSince(before) {
		if strings.HasSuffix(c, "/"+format.StateKey) && strings.HasPrefix(c, "Put") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the store was asked %d times", n)
	}
	g.want(create("a"), 412, "PreconditionFailed")
}
