package server

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

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
