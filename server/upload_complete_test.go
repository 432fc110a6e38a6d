package server

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// Complete of the same list twice is one success, told twice; another list is not.
func TestCompleteIsIdempotent(t *testing.T) {
	t.Parallel()
	for name, sizes := range shapes {
		g := newRig(t)
		u := g.begin("/bkt/k", nil)
		var list []listed
		for i, n := range sizes {
			list = append(list, listed{i + 1, u.part(i+1, pattern(n))})
		}
		first := u.complete(list...)
		again := (&partsUp{g.twin(), u.target, u.id}).complete(list...)
		if first.status != 200 || again.status != 200 || between(first.body, "ETag") != between(again.body, "ETag") {
			t.Errorf("%s: %d %d: %s", name, first.status, again.status, again.body)
		}
		if len(list) > 1 {
			g.want(u.complete(list[1:]...), 404, "NoSuchUpload")
		}
		g.want(u.do(u.partCall(1, pattern(5*mib))), 404, "NoSuchUpload")
		g.want(u.do(u.partCall(1, []byte("small"))), 404, "NoSuchUpload")
		g.want(u.abort(), 404, "NoSuchUpload")
		g.put("/bkt/k", []byte("another"))
		g.want(u.complete(list...), 404, "NoSuchUpload")
		g.onlyObjects("k")
	}
}

func TestCompleteHoldsConditions(t *testing.T) {
	for name, size := range map[string]int{"multipart": 5 * mib, "stream": 100} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			old := g.put("/bkt/k", []byte("old")).header.Get("ETag")
			u := g.begin("/bkt/k", nil)
			p := u.part(1, pattern(size))
			with := func(h, v string) answer {
				c := u.completeCall(listed{1, p})
				c.header = map[string]string{h: v}
				return g.do(c)
			}
			g.want(with("if-none-match", "*"), 412, "PreconditionFailed")
			g.want(with("if-match", `"00000000000000000000000000000000-s"`), 412, "PreconditionFailed")
			g.want(with("x-amz-mp-object-size", "1"), 400, "InvalidRequest")
			g.want(with("x-amz-checksum-crc32", "AAAAA"), 400, "InvalidRequest")
			if a := g.get("/bkt/k"); string(a.body) != "old" {
				t.Fatalf("%q", a.body)
			}
			g.want(with("if-match", old), 200, "")
			if a := g.get("/bkt/k"); !bytes.Equal(a.body, pattern(size)) {
				t.Fatalf("%d bytes", len(a.body))
			}
			// The answer was lost: the object that stands there is this upload's.
			g.want(with("if-none-match", "*"), 200, "")
			g.want(with("if-match", old), 200, "")
			g.onlyObjects("k")
		})
	}
}

// Whatever backend call is the last one that a proxy lives to make, the key has the
// whole old object or the whole new one, and the same Complete sent to another proxy
// ends in success.
func TestCompleteCutAfterEveryCall(t *testing.T) {
	t.Parallel()
	for name, sizes := range map[string][]int{"multipart": {5 * mib, 100}, "whole parts": {5 * mib}, "stream": {100}} {
		for cut := 1; ; cut++ {
			g := newRig(t)
			g.put("/bkt/k", []byte("old"))
			u := g.begin("/bkt/k", nil)
			var list []listed
			var data []byte
			for i, n := range sizes {
				list = append(list, listed{i + 1, u.part(i+1, pattern(n))})
				data = append(data, pattern(n)...)
			}
			made, reached := 0, false
			g.store.before = func(string, string, string) error {
				if made++; made < cut {
					return nil
				}
				reached = true
				return fault4(backend.Busy, "cut")
			}
			a := u.complete(list...)
			g.store.before = nil
			got := g.get("/bkt/k")
			if got.status != 200 || string(got.body) != "old" && !bytes.Equal(got.body, data) {
				t.Fatalf("%s, cut at %d: %d, %d bytes", name, cut, got.status, len(got.body))
			}
			if a.status == 200 && !bytes.Equal(got.body, data) {
				t.Fatalf("%s, cut at %d: told 200, has the old one", name, cut)
			}
			if a.status != 200 && a.status != 503 {
				t.Errorf("%s, cut at %d: %d %s", name, cut, a.status, a.body)
			}
			g.want((&partsUp{g.twin(), u.target, u.id}).complete(list...), 200, "")
			if got := g.get("/bkt/k"); !bytes.Equal(got.body, data) {
				t.Fatalf("%s, cut at %d: after the second Complete %d bytes", name, cut, len(got.body))
			}
			g.onlyObjects("k")
			if !reached {
				break
			}
		}
	}
}

// forgetful commits what it is asked to and loses the answer.
type forgetful struct {
	*memory
	on bool
}

func (f *forgetful) lost(w backend.Written, err error) (backend.Written, error) {
	if f.on && err == nil {
		return backend.Written{}, fault4(backend.Busy, "lost")
	}
	return w, err
}

func (f *forgetful) CompleteUpload(ctx context.Context, bucket, key, id string, parts []backend.Part, cond backend.Conditions) (backend.Written, error) {
	return f.lost(f.memory.CompleteUpload(ctx, bucket, key, id, parts, cond))
}

func (f *forgetful) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error) {
	return f.lost(f.memory.Put(ctx, bucket, key, body, size, cond))
}

// A Complete whose success was lost on the way from the backend may be sent again, also
// under a condition that its own object now breaks.
func TestCompleteWhoseAnswerWasLost(t *testing.T) {
	for name, size := range map[string]int{"multipart": 5 * mib, "stream": 100} {
		store := &forgetful{memory: newMemory("bkt", "other")}
		g := newRig(t, func(c *Config) { c.Backend = store })
		g.store = store.memory
		u := g.begin("/bkt/k", nil)
		c := u.completeCall(listed{1, u.part(1, pattern(size))})
		c.header = map[string]string{"if-none-match": "*"}
		store.on = true
		g.want(g.do(c), 503, "ServiceUnavailable")
		store.on = false
		g.want(g.do(c), 200, "")
		if a := g.get("/bkt/k"); !bytes.Equal(a.body, pattern(size)) {
			t.Fatalf("%s: %d bytes", name, len(a.body))
		}
		g.onlyObjects("k")
	}
}

// Lists and documents that are none cost no backend call.
func TestMalformedCompletes(t *testing.T) {
	g := newRig(t)
	u := g.begin("/bkt/k", nil)
	before := g.store.count()
	part := "<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"
	for _, doc := range []string{
		"x", "<", "<a/>", "<CompleteMultipartUpload>", "<CompleteMultipartUpload>" + part, "<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
		"<CompleteMultipartUpload>" + part + "</CompleteMultipartUpload><CompleteMultipartUpload/>", "<CompleteMultipartUpload>text</CompleteMultipartUpload>",
		"<CompleteMultipartUpload><Other/></CompleteMultipartUpload>", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
		"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
		`<!DOCTYPE a [<!ENTITY b "c">]><CompleteMultipartUpload>` + part + "</CompleteMultipartUpload>",
		"<CompleteMultipartUpload>" + strings.Repeat(part, 10001) + "</CompleteMultipartUpload>",
		"<CompleteMultipartUpload><Part>" + strings.Repeat("<a>", 20000),
		"<CompleteMultipartUpload>" + strings.Repeat("<Part>", 50000),
	} {
		a := g.do(call{method: "POST", target: u.target + "?uploadId=" + u.id, body: []byte(doc)})
		if a.status != 400 || a.code() != "MalformedXML" {
			t.Errorf("%.60s: %d %s", doc, a.status, a.body)
		}
	}
	huge := maxPartList + 1
	hasty := g.twin2(func(c *Config) { c.ProgressTimeout = time.Second }) // the rest of a body is awaited as long
	a := hasty.do(call{method: "POST", target: u.target + "?uploadId=" + u.id, body: []byte("x"), length: &huge, edit: func(h string) string { return h }})
	g.want(a, 400, "MalformedXML")
	g.want(g.do(call{method: "POST", target: u.target + "?uploadId=" + u.id}), 400, "MalformedXML")
	if calls := g.store.callsSince(before); len(calls) != 0 {
		t.Errorf("the backend was asked: %q", calls)
	}
}

// A backend that lies about the completed object is found out before the answer.
func TestCompleteLooksAtTheObject(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func([]byte) []byte{
		"cut":          func(b []byte) []byte { return b[:len(b)-1] },
		"longer":       func(b []byte) []byte { return append(b, 0) },
		"flipped tail": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"nearly empty": func(b []byte) []byte { return b[:10] },
	} {
		g := newRig(t)
		u := g.begin("/bkt/k", nil)
		p := u.part(1, pattern(5*mib))
		g.store.committed = func(key string) {
			if o := g.store.buckets["bkt"][key]; key == "k" {
				o.data = edit(bytes.Clone(o.data))
			}
		}
		if a := u.complete(listed{1, p}); a.status != 500 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}
