package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

const mib = 1 << 20

// partsUp is an upload of a test. Parts may be sent through any rig over one store.
type partsUp struct {
	*rig
	target, id string
}

func between(doc []byte, name string) string {
	_, rest, _ := strings.Cut(string(doc), "<"+name+">")
	value, _, _ := strings.Cut(rest, "</"+name+">")
	return value
}

func (g *rig) begin(target string, header map[string]string) *partsUp {
	g.t.Helper()
	a := g.do(call{method: "POST", target: target + "?uploads", header: header})
	g.want(a, 200, "")
	id := between(a.body, "UploadId")
	if id == "" || strings.Contains(string(a.body), "upload-") {
		g.t.Fatalf("no upload id of ours: %s", a.body)
	}
	return &partsUp{g, target, id}
}

func (u *partsUp) partCall(n int, data []byte) call {
	return call{method: "PUT", target: fmt.Sprintf("%s?partNumber=%d&uploadId=%s", u.target, n, u.id), body: data}
}

// part sends a part and returns its ETag.
func (u *partsUp) part(n int, data []byte) string {
	u.t.Helper()
	a := u.do(u.partCall(n, data))
	u.want(a, 200, "")
	if len(a.body) != 0 {
		u.t.Errorf("a part's answer has a body: %s", a.body)
	}
	return a.header.Get("ETag")
}

// listed is a line of a Complete.
type listed struct {
	n    int
	etag string
}

func (u *partsUp) completeCall(parts ...listed) call {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	for _, p := range parts {
		fmt.Fprintf(&b, "<Part><ChecksumCRC32>AAAAAA==</ChecksumCRC32><ETag>%s</ETag><PartNumber>%d</PartNumber></Part>", strings.ReplaceAll(p.etag, `"`, "&quot;"), p.n)
	}
	b.WriteString("</CompleteMultipartUpload>")
	return call{method: "POST", target: u.target + "?uploadId=" + u.id, body: []byte(b.String())}
}

func (u *partsUp) complete(parts ...listed) answer {
	u.t.Helper()
	return u.do(u.completeCall(parts...))
}

func (u *partsUp) abort() answer {
	u.t.Helper()
	return u.do(call{method: "DELETE", target: u.target + "?uploadId=" + u.id})
}

// twin is another proxy over the same store, with the same keys.
func (g *rig) twin() *rig {
	g.t.Helper()
	other := newRig(g.t, func(c *Config) { c.Backend = g.store })
	other.store, other.keys = g.store, g.keys
	return other
}

// onlyObjects fails unless the store has these objects, the state, and nothing of
// any upload.
func (g *rig) onlyObjects(keys ...string) {
	g.t.Helper()
	g.store.mu.Lock()
	defer g.store.mu.Unlock()
	var have []string
	for k := range g.store.buckets["bkt"] {
		if k != format.StateKey {
			have = append(have, k)
		}
	}
	slices.Sort(have)
	if !slices.Equal(have, keys) || len(g.store.uploads) != 0 {
		g.t.Errorf("the store has %q and %d uploads, want %q and none", have, len(g.store.uploads), keys)
	}
}

// shape is the plain sizes of an upload's parts.
var shapes = map[string][]int{
	"one whole part":           {5 * mib},
	"small last part":          {5 * mib, 1},
	"no small part":            {5*mib + 1, 6 * mib},
	"three, the last one huge": {5 * mib, 5*mib + 65535, 9*mib + 3},
	"empty last part":          {5 * mib, 0},
	"only a small part":        {70000},
	"only an empty part":       {0},
	"just below a whole part":  {5*mib - 1},
}

func TestUploadOfEveryShape(t *testing.T) {
	t.Parallel()
	for name, sizes := range shapes {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			u := g.begin("/bkt/dir/a%3Ab", map[string]string{"content-type": "text/x", "x-amz-meta-who": "me", "cache-control": "no-store"})
			var data []byte
			var list []listed
			for i, n := range sizes {
				piece := pattern(n)
				list = append(list, listed{i + 1, u.part(i+1, piece)})
				data = append(data, piece...)
			}
			if a := g.get("/bkt/dir/a%3Ab"); a.status != 404 {
				t.Errorf("the object is there before Complete: %d", a.status)
			}
			done := u.complete(list...)
			g.want(done, 200, "")
			g.onlyObjects("dir/a:b")
			got := g.get("/bkt/dir/a%3Ab")
			if got.status != 200 || got.err != nil || !bytes.Equal(got.body, data) {
				t.Fatalf("%d, %v, %d bytes came back of %d", got.status, got.err, len(got.body), len(data))
			}
			head := g.do(call{method: "HEAD", target: "/bkt/dir/a%3Ab"})
			for _, a := range []answer{got, head} {
				if a.header.Get("Content-Length") != fmt.Sprint(len(data)) || a.header.Get("Content-Type") != "text/x" || a.header.Get("X-Amz-Meta-Who") != "me" || a.header.Get("Cache-Control") != "no-store" {
					t.Errorf("%d %v", a.status, a.header)
				}
				if etag := a.header.Get("ETag"); strings.ReplaceAll(between(done.body, "ETag"), "&#34;", `"`) != etag {
					t.Errorf("ETag %s, Complete said %s", etag, done.body)
				}
			}
			list1 := g.get("/bkt?list-type=2")
			if size := between(list1.body, "Size"); size != fmt.Sprint(len(data)) || strings.Contains(string(list1.body), format.ReservedPrefix) {
				t.Errorf("the listing says %s", list1.body)
			}
			if sealed := g.store.stored("bkt", "dir/a:b"); int64(len(sealed)) != format.SealedSize(format.DefaultBlockSize, int64(len(data))) || len(data) > 200 && bytes.Contains(sealed, data[100:160]) {
				t.Errorf("%d stored bytes", len(sealed))
			}
		})
	}
}

// Parts come in any order and through any proxy; gaps in their numbers and parts that
// nobody lists are fine; of a part that was sent again, the one in the list counts.
func TestUploadInAnyOrderThroughTwoProxies(t *testing.T) {
	g := newRig(t)
	h := g.twin()
	u := g.begin("/bkt/k", nil)
	v := &partsUp{h, u.target, u.id}
	last := v.part(9000, []byte("the end"))
	p3 := u.part(3, pattern(6*mib))
	v.part(2, bytes.Repeat([]byte{2}, 5*mib))                    // left out
	v.part(10000, []byte("staged, and left out"))                // left out
	u.part(7, bytes.Repeat([]byte{7}, 5*mib))                    // sent again
	p7 := v.part(7, bytes.Repeat([]byte{8}, 5*mib+1))            //
	if again := v.part(9000, []byte("the end")); again == last { // the same bytes, sealed anew
		t.Error("two attempts have one ETag")
	} else {
		last = again
	}
	h.want(v.complete(listed{3, p3}, listed{7, p7}, listed{9000, last}), 200, "")
	want := append(append(pattern(6*mib), bytes.Repeat([]byte{8}, 5*mib+1)...), "the end"...)
	if a := g.get("/bkt/k"); !bytes.Equal(a.body, want) {
		t.Fatalf("%d, %d bytes", a.status, len(a.body))
	}
	g.onlyObjects("k")
}

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

func TestAbortRemovesEverything(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("old"))
	u := g.begin("/bkt/k", nil)
	p1 := u.part(1, pattern(5*mib))
	p2 := u.part(2, []byte("small"))
	a := u.abort()
	if g.want(a, 204, ""); len(a.body) != 0 {
		t.Errorf("%s", a.body)
	}
	g.onlyObjects("k")
	g.want(u.abort(), 404, "NoSuchUpload")
	g.want(u.do(u.partCall(1, pattern(5*mib))), 404, "NoSuchUpload")
	g.want(u.do(u.partCall(2, []byte("small"))), 404, "NoSuchUpload")
	g.want(u.complete(listed{1, p1}, listed{2, p2}), 404, "NoSuchUpload")
	g.onlyObjects("k")
	if a := g.get("/bkt/k"); string(a.body) != "old" {
		t.Errorf("%q", a.body)
	}
}

// An upload id or ETag that was not given for this key, number and upload is refused,
// and the backend never hears of a list that is wrong.
func TestForeignTokensAndETagsAreRefused(t *testing.T) {
	g := newRig(t)
	u, v := g.begin("/bkt/k", nil), g.begin("/bkt/k", nil)
	p1, q1 := u.part(1, pattern(5*mib)), v.part(1, pattern(5*mib))
	p2 := u.part(2, []byte("end"))
	flip := func(s string, i int) string {
		b := []byte(s)
		if b[i] == 'a' {
			b[i] = 'b'
		} else {
			b[i] = 'a'
		}
		return string(b)
	}
	for name, id := range map[string]string{
		"empty": "", "garbage": "x", "of the backend": "upload-1", "longer": u.id + "A", "shorter": u.id[:len(u.id)-1], "flipped": flip(u.id, len(u.id)/2), "huge": strings.Repeat("A", 4000),
	} {
		w := &partsUp{g, u.target, id}
		for _, a := range []answer{w.do(w.partCall(1, []byte("x"))), w.complete(listed{1, p1}), w.abort()} {
			if a.status != 404 || a.code() != "NoSuchUpload" {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
	}
	for _, target := range []string{"/bkt/other", "/other/k"} {
		w := &partsUp{g, target, u.id}
		for _, a := range []answer{w.do(w.partCall(1, []byte("x"))), w.complete(listed{1, p1}), w.abort()} {
			if a.status != 404 || a.code() != "NoSuchUpload" {
				t.Errorf("moved to %s: %d %s", target, a.status, a.body)
			}
		}
	}
	before := g.store.count()
	for name, c := range map[string]struct {
		list []listed
		code string
	}{
		"another upload's":      {[]listed{{1, q1}}, "InvalidPart"},
		"another number's":      {[]listed{{2, p1}}, "InvalidPart"},
		"a flipped salt":        {[]listed{{1, flip(p1, 3)}}, "InvalidPart"},
		"a flipped size":        {[]listed{{1, flip(p1, 45)}}, "InvalidPart"},
		"a flipped backend tag": {[]listed{{1, flip(p1, len(p1)-4)}}, "InvalidPart"},
		"the backend's own":     {[]listed{{1, p1[strings.IndexByte(p1, '.')+1:]}}, "InvalidPart"},
		"none":                  {[]listed{{1, ""}}, "InvalidPart"},
		"no parts":              {nil, "MalformedXML"},
		"out of order":          {[]listed{{2, p2}, {1, p1}}, "InvalidPartOrder"},
		"twice":                 {[]listed{{1, p1}, {1, p1}}, "InvalidPartOrder"},
		"part 0":                {[]listed{{0, p1}}, "InvalidArgument"},
		"part 10001":            {[]listed{{10001, p1}}, "InvalidArgument"},
	} {
		if a := u.complete(c.list...); a.status != 400 || a.code() != c.code {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	small := u.part(3, []byte("middle"))
	p4 := u.part(4, pattern(5*mib))
	if a := u.complete(listed{1, p1}, listed{3, small}, listed{4, p4}); a.code() != "EntityTooSmall" || !strings.Contains(string(a.body), "part 3") {
		t.Errorf("%s", a.body)
	}
	for _, n := range []string{"0", "10001", "", "-1", "+1", "01", "1e3", "99999999999999999999"} {
		g.want(g.do(call{method: "PUT", target: "/bkt/k?partNumber=" + strings.ReplaceAll(n, "+", "%2B") + "&uploadId=" + u.id, body: []byte("x")}), 400, "InvalidArgument")
	}
	for _, c := range g.store.callsSince(before) {
		if strings.HasPrefix(c, "CompleteUpload") || strings.HasPrefix(c, "Put bkt/k") {
			t.Errorf("the backend was asked: %s", c)
		}
	}
	// A part that was sent again makes the older ETag worthless, in both places.
	u.part(1, pattern(5*mib))
	g.want(u.complete(listed{1, p1}), 400, "InvalidPart")
	u.part(2, []byte("End"))
	p1 = u.part(1, pattern(5*mib))
	g.want(u.complete(listed{1, p1}, listed{2, p2}), 400, "InvalidPart")
	if a := g.get("/bkt/k"); a.status != 404 {
		t.Errorf("a refused list made an object: %d", a.status)
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

// Create and parts that fail at the backend are told as failures.
func TestUploadCutAtTheBackend(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/first", nil)
	for _, op := range []string{"CreateUpload", "Put"} {
		g.store.before = func(o, _, key string) error {
			if o == op {
				return fault4(backend.Busy, op)
			}
			return nil
		}
		g.want(g.do(call{method: "POST", target: "/bkt/k?uploads"}), 503, "ServiceUnavailable")
		g.store.before = nil
		g.onlyObjects("first")
	}
	u := g.begin("/bkt/k", nil)
	for op, n := range map[string]int{"UploadPart": 5 * mib, "Put": 10, "Head": 10} {
		g.store.before = func(o, _, key string) error {
			if o == op {
				return fault4(backend.Busy, op)
			}
			return nil
		}
		g.want(u.do(u.partCall(1, pattern(n))), 503, "ServiceUnavailable")
		g.store.before = nil
	}
	g.want(u.abort(), 204, "")
	g.onlyObjects("first")
}

// A part whose body is not what was signed or announced has no ETag and leaves the
// earlier attempt alone.
func TestPartWithWrongDigestIsRefused(t *testing.T) {
	for _, way := range []string{"whole", "through"} {
		g := newRig(t, func(c *Config) {
			if way == "through" {
				c.WholeObject = 1 << 20
			}
		})
		u := g.begin("/bkt/k", nil)
		data := pattern(6 * mib)
		p := u.part(1, data)
		bad := u.partCall(1, pattern(6*mib))
		bad.header = map[string]string{"content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="}
		g.want(u.do(bad), 400, "BadDigest")
		bad = u.partCall(1, pattern(6*mib))
		bad.sha = strings.Repeat("0", 64)
		g.want(u.do(bad), 400, "XAmzContentSHA256Mismatch")
		g.want(u.do(func() call {
			c := u.partCall(1, []byte("x"))
			c.header = map[string]string{"x-amz-copy-source": ""}
			return c
		}()), 200, "") // no such header
		g.want(u.complete(listed{1, p}), 200, "")
		if a := g.get("/bkt/k"); !bytes.Equal(a.body, data) {
			t.Fatalf("%s: %d bytes", way, len(a.body))
		}
	}
}

// What is staged, and the state, cannot be named by a client on any verb.
func TestStagedObjectsAreUnreachable(t *testing.T) {
	g := newRig(t)
	u := g.begin("/bkt/k", map[string]string{"x-amz-meta-a": "b"})
	u.part(1, []byte("staged"))
	var staged []string
	for k := range g.store.buckets["bkt"] {
		if strings.HasPrefix(k, format.UploadPrefix) {
			staged = append(staged, k)
		}
	}
	if len(staged) != 3 {
		t.Fatalf("staged: %q", staged)
	}
	before := g.store.count()
	for _, k := range staged {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			if a := g.do(call{method: method, target: "/bkt/" + k}); a.status != 403 {
				t.Errorf("%s %s: %d", method, k, a.status)
			}
		}
		for _, target := range []string{"?uploads", "?uploadId=" + u.id} {
			if a := g.do(call{method: "POST", target: "/bkt/" + k + target, body: []byte("<x/>")}); a.status != 403 {
				t.Errorf("%s%s: %d", k, target, a.status)
			}
		}
		g.want(g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "bkt/" + k}}), 403, "AccessDenied")
	}
	if calls := g.store.callsSince(before); len(calls) != 0 {
		t.Errorf("the backend was asked: %q", calls)
	}
	for _, q := range []string{"?list-type=2", "?list-type=2&delimiter=/", "?list-type=2&prefix=_", "", "?delimiter=/"} {
		if a := g.get("/bkt" + q); a.status != 200 || strings.Contains(string(a.body), format.ReservedPrefix) {
			t.Errorf("%s: %s", q, a.body)
		}
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

// Ranges of a multipart object, across its parts, against a slice.
func TestMultipartRanges(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sizes := []int{5 * mib, 5*mib + 1, 6*mib - 7, 100}
	u := g.begin("/bkt/k", nil)
	var data []byte
	var list []listed
	edges := []int{0}
	for i, n := range sizes {
		piece := pattern(n + i)[i:]
		list = append(list, listed{2*i + 2, u.part(2*i+2, piece)})
		data = append(data, piece...)
		edges = append(edges, len(data))
	}
	g.want(u.complete(list...), 200, "")
	check := func(spec string, off, end int) {
		t.Helper()
		a := g.ranged("GET", "/bkt/k", spec)
		if a.status != 206 || !bytes.Equal(a.body, data[off:end]) || a.header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", off, end-1, len(data)) {
			t.Fatalf("%s: %d, %d bytes, %s", spec, a.status, len(a.body), a.header.Get("Content-Range"))
		}
	}
	const S = format.SegmentSize
	for _, e := range edges {
		for _, from := range []int{e - 1, e, e + 1, e + S - 1, e - S} {
			for _, n := range []int{1, 2, S + 1, 5*mib + 2} {
				if from < 0 || from+n > len(data) {
					continue
				}
				check(fmt.Sprintf("bytes=%d-%d", from, from+n-1), from, from+n)
			}
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		from := rng.IntN(len(data))
		n := 1 + rng.IntN(len(data)-from)
		check(fmt.Sprintf("bytes=%d-%d", from, from+n-1), from, from+n)
	}
	check("bytes=0-", 0, len(data))
	check("bytes=-50", len(data)-50, len(data))
	check("bytes=-101", len(data)-101, len(data))
	g.want(g.ranged("GET", "/bkt/k", fmt.Sprintf("bytes=%d-", len(data))), 416, "InvalidRange")
	for i := range sizes {
		for _, method := range []string{"GET", "HEAD"} {
			a := g.do(call{method: method, target: fmt.Sprintf("/bkt/k?partNumber=%d", i+1)})
			if a.status != 206 || a.header.Get("X-Amz-Mp-Parts-Count") != "4" || a.header.Get("Content-Length") != fmt.Sprint(sizes[i]) ||
				a.header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", edges[i], edges[i+1]-1, len(data)) || method == "GET" && !bytes.Equal(a.body, data[edges[i]:edges[i+1]]) {
				t.Errorf("%s part %d: %d %v", method, i+1, a.status, a.header)
			}
		}
	}
	g.want(g.get("/bkt/k?partNumber=5"), 416, "InvalidPartNumber")
	g.want(g.get("/bkt/k?partNumber=0"), 400, "InvalidArgument")
	g.want(g.ranged("GET", "/bkt/k?partNumber=1", "bytes=0-1"), 400, "InvalidRequest")
	g.put("/bkt/single", []byte("abc"))
	if a := g.get("/bkt/single?partNumber=1"); a.status != 206 || string(a.body) != "abc" || a.header.Get("X-Amz-Mp-Parts-Count") != "" {
		t.Errorf("%d %q %v", a.status, a.body, a.header)
	}
	g.want(g.get("/bkt/single?partNumber=2"), 416, "InvalidPartNumber")
}

// Any change of a stored multipart object is refused, or breaks the connection; what
// was given before that was right.
func TestTamperedMultipartIsRefused(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for _, sizes := range [][]int{{5 * mib, 5 * mib, 77}, {6 * mib, 20 * mib}} {
		u := g.begin("/bkt/k", nil)
		var data []byte
		var list []listed
		for i, n := range sizes {
			list = append(list, listed{i + 1, u.part(i+1, pattern(n))})
			data = append(data, pattern(n)...)
		}
		g.want(u.complete(list...), 200, "")
		good := bytes.Clone(g.store.stored("bkt", "k"))
		second := 54 + sizes[0] + sizes[0]/format.SegmentSize*16
		for name, edit := range map[string]func([]byte) []byte{
			"first header":      func(b []byte) []byte { b[40] ^= 1; return b },
			"first segment":     func(b []byte) []byte { b[60] ^= 1; return b },
			"header of part 2":  func(b []byte) []byte { b[second+40] ^= 1; return b },
			"segment of part 2": func(b []byte) []byte { b[second+100] ^= 1; return b },
			"filler":            func(b []byte) []byte { b[len(b)-format.DefaultBlockSize-1] ^= 1; return b },
			"tail":              func(b []byte) []byte { b[len(b)-20] ^= 1; return b },
			"cut":               func(b []byte) []byte { return b[:len(b)-1] },
			"longer":            func(b []byte) []byte { return append(b, 0) },
		} {
			g.store.tamper("bkt", "k", func([]byte) []byte { return edit(bytes.Clone(good)) })
			a := g.get("/bkt/k")
			if a.status == 200 && (a.err == nil || !bytes.HasPrefix(data, a.body)) || a.status != 200 && a.status != 500 {
				t.Errorf("%s: %d, %v, %d bytes", name, a.status, a.err, len(a.body))
			}
		}
		g.store.tamper("bkt", "k", func([]byte) []byte { return good })
		if a := g.get("/bkt/k"); a.status != 200 || !bytes.Equal(a.body, data) {
			t.Fatalf("untouched: %d, %d bytes", a.status, len(a.body))
		}
	}
}

// A multipart object costs a GET one more request, a HEAD too, and an object that is
// replaced in between is read again.
func TestMultipartReadRequests(t *testing.T) {
	g := newRig(t)
	u := g.begin("/bkt/k", nil)
	g.want(u.complete(listed{1, u.part(1, pattern(6*mib))}), 200, "")
	g.want(g.do(call{method: "HEAD", target: "/bkt/k"}), 200, "") // whether the bucket has object lock is asked once
	for _, method := range []string{"GET", "HEAD"} {
		before := g.store.count()
		g.want(g.do(call{method: method, target: "/bkt/k"}), 200, "")
		if n := g.store.count() - before; n != 2 {
			t.Errorf("%s made %d requests", method, n)
		}
	}
	first := true
	g.store.before = func(op, _, key string) error {
		if op == "Get" && key == "k" && !first {
			g.store.before = nil
			o := g.store.buckets["bkt"][key]
			o.etag = `"changed"`
		}
		first = false
		return nil
	}
	if a := g.get("/bkt/k"); a.status != 200 || !bytes.Equal(a.body, pattern(6*mib)) {
		t.Errorf("%d, %d bytes", a.status, len(a.body))
	}
}

// What a backend may not be told stays here: neither the client's upload id nor its
// ETags, names of headers or their values.
func TestUploadTellsTheBackendNothing(t *testing.T) {
	g := newRig(t)
	u := g.begin("/bkt/k", map[string]string{"x-amz-meta-secret": "very-secret-value"})
	u.part(1, []byte("plain text that must not be stored"))
	for k, o := range g.store.buckets["bkt"] {
		for _, s := range []string{"very-secret", "must not be stored", u.id} {
			if strings.Contains(k, s) || bytes.Contains(o.data, []byte(s)) {
				t.Errorf("%s holds %q", k, s)
			}
		}
	}
}

// Number 10,000 leaves no number for the end of the object, so the part waits beside
// the upload, also when it is far too large for memory.
func TestPartTenThousand(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for _, n := range []int{10, 5 * mib, wholeStaged + 1} {
		u := g.begin("/bkt/k", nil)
		list := []listed{{9999, u.part(9999, pattern(5*mib))}, {10000, u.part(10000, pattern(n))}}
		g.want(u.complete(list...), 200, "")
		if a := g.get("/bkt/k"); !bytes.Equal(a.body, append(pattern(5*mib), pattern(n)...)) {
			t.Fatalf("%d: %d, %d bytes", n, a.status, len(a.body))
		}
		g.onlyObjects("k")
	}
}

// A small part that is on its way while its upload ends is refused, and not left over.
func TestPartThatCrossesAbortIsRemoved(t *testing.T) {
	g := newRig(t)
	u := g.begin("/bkt/k", nil)
	g.store.committed = func(key string) {
		for k := range g.store.buckets["bkt"] {
			if strings.HasSuffix(k, "/create") {
				delete(g.store.buckets["bkt"], k)
			}
		}
		clear(g.store.uploads)
	}
	g.want(u.do(u.partCall(1, []byte("late"))), 404, "NoSuchUpload")
	g.onlyObjects()
}
