package server

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

func (g *rig) ranged(method, target, spec string) answer {
	g.t.Helper()
	return g.do(call{method: method, target: target, header: map[string]string{"range": spec}})
}

func TestParseRange(t *testing.T) {
	type want struct {
		off, n int64
		ok     bool
		bad    bool
	}
	whole, outside := want{}, want{bad: true}
	for spec, w := range map[string]want{
		"bytes=0-0": {0, 1, true, false}, "bytes=0-": {0, 100, true, false}, "bytes=99-": {99, 1, true, false}, "bytes=10-19": {10, 10, true, false},
		"bytes=90-200": {90, 10, true, false}, "bytes=0-99999999999999999999999": {0, 100, true, false}, "bytes=-1": {99, 1, true, false},
		"bytes=-100": {0, 100, true, false}, "bytes=-101": {0, 100, true, false}, "bytes=-99999999999999999999": {0, 100, true, false},
		"bytes = 1-2": whole, "bytes= -1": whole, "bytes=0 -1": whole, "BYTES=1-2": {1, 2, true, false},
		"bytes=100-": outside, "bytes=100-200": outside, "bytes=-0": outside, "bytes=99999999999999999999-": outside,
		"": whole, "bytes": whole, "bytes=": whole, "bytes=-": whole, "bytes=a-b": whole, "bytes=5-4": whole, "bytes=0-1,3-4": whole,
		"items=0-1": whole, "bytes=--1": whole, "bytes=+1-2": whole, "bytes=0x1-2": whole, "bytes=1.0-2": whole, "bytes=1": whole,
	} {
		r, ok, err := parseRange(spec, 100)
		if (err != nil) != w.bad || ok != w.ok || r != (byteRange{w.off, w.n}) {
			t.Errorf("%q: %+v %v %v, want %+v", spec, r, ok, err, w)
		}
	}
	if _, ok, err := parseRange("bytes=-1", 0); ok || err != nil {
		t.Errorf("the last byte of an empty object: %v, %v; S3 gives all of it", ok, err)
	}
	for _, spec := range []string{"bytes=0-", "bytes=0-0", "bytes=-0"} {
		if _, ok, err := parseRange(spec, 0); ok || err == nil {
			t.Errorf("%s of an empty object: %v, %v", spec, ok, err)
		}
	}
}

// TestRangesAgainstASlice reads ranges around every edge of objects of every shape,
// stored in one piece or in parts, and compares them with a slice.
func TestRangesAgainstASlice(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(c *Config) { c.WholeObject = 11 << 20 })
	const S = format.SegmentSize
	for _, n := range []int{1, 2, S - 1, S, S + 1, 2*S + 1, 12<<20 + 5} {
		data := pattern(n)
		g.put("/bkt/k", data)
		edges := []int{0, 1, S - 1, S, S + 1, 2 * S, 2*S + 1, n / 2, n - 1, n - 2}
		if testing.Short() && n > 1<<20 {
			edges = []int{0, S - 1, S, n / 2, n - 1}
		}
		for _, from := range edges {
			for _, to := range append(edges, n, n+1, 3*S) {
				if from < 0 || to < from {
					continue
				}
				a := g.ranged("GET", "/bkt/k", fmt.Sprintf("bytes=%d-%d", from, to))
				if from >= n {
					if a.status != 416 || a.header.Get("Content-Range") != fmt.Sprintf("bytes */%d", n) || a.code() != "InvalidRange" {
						t.Fatalf("%d bytes, %d-%d: %d %s %q", n, from, to, a.status, a.code(), a.header.Get("Content-Range"))
					}
					continue
				}
				end := min(to, n-1)
				if a.status != 206 || !bytes.Equal(a.body, data[from:end+1]) || a.header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", from, end, n) {
					t.Fatalf("%d bytes, %d-%d: %d, %d bytes, %q", n, from, to, a.status, len(a.body), a.header.Get("Content-Range"))
				}
			}
		}
		for _, suffix := range []int{1, 2, S, S + 1, n, n + 1} {
			a := g.ranged("GET", "/bkt/k", fmt.Sprintf("bytes=-%d", suffix))
			if a.status != 206 || !bytes.Equal(a.body, data[max(0, n-suffix):]) {
				t.Fatalf("%d bytes, last %d: %d, %d bytes", n, suffix, a.status, len(a.body))
			}
		}
		for _, open := range []int{0, n / 2, n - 1} {
			if a := g.ranged("GET", "/bkt/k", fmt.Sprintf("bytes=%d-", open)); a.status != 206 || !bytes.Equal(a.body, data[open:]) {
				t.Fatalf("%d bytes, from %d: %d, %d bytes", n, open, a.status, len(a.body))
			}
		}
		head := g.ranged("HEAD", "/bkt/k", "bytes=0-0")
		if head.status != 206 || head.header.Get("Content-Length") != "1" || head.header.Get("Content-Range") != fmt.Sprintf("bytes 0-0/%d", n) {
			t.Errorf("HEAD: %d %v", head.status, head.header)
		}
		if a := g.ranged("GET", "/bkt/k", "bytes=0-1,3-4"); a.status != 200 || !bytes.Equal(a.body, data) {
			t.Errorf("several ranges: %d, %d bytes", a.status, len(a.body))
		}
	}
	g.put("/bkt/empty", nil)
	g.want(g.ranged("GET", "/bkt/empty", "bytes=0-"), 416, "InvalidRange")
	g.want(g.ranged("GET", "/bkt/empty", "nonsense"), 200, "")
}

func TestLargeRangeStreams(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	data := pattern(24 << 20)
	g.put("/bkt/k", data)
	for _, from := range []int{0, 1, format.SegmentSize, 1 << 20} {
		a := g.ranged("GET", "/bkt/k", fmt.Sprintf("bytes=%d-%d", from, from+21<<20))
		if a.status != 206 || a.err != nil || !bytes.Equal(a.body, data[from:min(len(data), from+21<<20+1)]) {
			t.Errorf("from %d: %d, %d bytes, %v", from, a.status, len(a.body), a.err)
		}
	}
}

// TestRangeFetchesOnlyItsSegments counts backend calls and bytes.
func TestRangeFetchesOnlyItsSegments(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", pattern(10<<20))
	g.want(g.do(call{method: "HEAD", target: "/bkt/k"}), 200, "") // whether the bucket has object lock is asked once
	var read int64
	g.store.body = func(r io.Reader) io.Reader { return countReader{r, &read} }
	for spec, w := range map[string]struct {
		calls int
		bytes int64
	}{
		"bytes=0-9":             {1, format.DefaultBlockSize + format.Stride},
		"bytes=65530-65545":     {1, format.DefaultBlockSize + 2*format.Stride},
		"bytes=5000000-5000009": {2, format.DefaultBlockSize + format.Stride},
		"bytes=-1":              {2, format.DefaultBlockSize + format.Stride},
	} {
		before := g.store.count()
		read = 0
		g.want(g.ranged("GET", "/bkt/k", spec), 206, "")
		if calls := g.store.callsSince(before); len(calls) != w.calls || read > w.bytes+4096 {
			t.Errorf("%s: %v, %d bytes", spec, calls, read)
		}
	}
}

type countReader struct {
	io.Reader
	n *int64
}

func (c countReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += int64(n)
	return n, err
}

func TestRangeOfATamperedObjectIsRefused(t *testing.T) {
	g := newRig(t)
	data := pattern(5 * format.SegmentSize)
	g.put("/bkt/k", data)
	g.store.tamper("bkt", "k", func(b []byte) []byte { b[format.DefaultBlockSize+2*format.Stride+7] ^= 1; return b })
	g.want(g.ranged("GET", "/bkt/k", "bytes=140000-140001"), 500, "InternalError")
	if a := g.ranged("GET", "/bkt/k", "bytes=0-9"); a.status != 206 || !bytes.Equal(a.body, data[:10]) {
		t.Errorf("a range beside the damage: %d", a.status) // it verifies on its own
	}
	g.store.tamper("bkt", "k", func(b []byte) []byte { return b[:len(b)-1] })
	g.want(g.ranged("GET", "/bkt/k", "bytes=0-9"), 500, "InternalError")
}

// An object that is replaced between the two fetches of a range is read again from
// the start: never a block of one and a body of another.
func TestRangeOfAReplacedObjectStartsAgain(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", pattern(4*format.SegmentSize))
	fresh := bytes.Repeat([]byte("new!"), format.SegmentSize)
	g.put("/bkt/k", fresh)
	g.store.clone("k", "aside", `"fresh"`)
	g.put("/bkt/k", pattern(4*format.SegmentSize))
	gets := 0
	g.store.before = func(op, _, key string) error {
		if op == "Get" && key == "k" {
			if gets++; gets == 2 {
				g.store.clone("aside", "k", `"fresh"`)
			}
		}
		return nil
	}
	a := g.ranged("GET", "/bkt/k", "bytes=200000-200003")
	if a.status != 206 || !bytes.Equal(a.body, fresh[200000:200004]) || gets != 4 {
		t.Errorf("%d %s %q after %d fetches", a.status, a.code(), a.body, gets)
	}
}

func TestReadConditions(t *testing.T) {
	g := newRig(t)
	etag := g.put("/bkt/k", pattern(100)).header.Get("ETag")
	at := time.Unix(1768478400, 0).UTC() // the memory backend's
	now, before, after := at.Format(httpTime), at.Add(-time.Second).Format(httpTime), at.Add(time.Second).Format(httpTime)
	for _, c := range []struct {
		header map[string]string
		status int
	}{
		{map[string]string{"if-match": etag}, 200},
		{map[string]string{"if-match": "*"}, 200},
		{map[string]string{"if-match": `"other", ` + etag}, 200},
		{map[string]string{"if-match": etag[1 : len(etag)-1]}, 200},
		{map[string]string{"if-match": `"other"`}, 412},
		{map[string]string{"if-match": "W/" + etag}, 412},
		{map[string]string{"if-none-match": etag}, 304},
		{map[string]string{"if-none-match": "W/" + etag}, 304},
		{map[string]string{"if-none-match": "*"}, 304},
		{map[string]string{"if-none-match": `"other"`}, 200},
		{map[string]string{"if-modified-since": now}, 304},
		{map[string]string{"if-modified-since": after}, 304},
		{map[string]string{"if-modified-since": before}, 200},
		{map[string]string{"if-modified-since": "yesterday"}, 200},
		{map[string]string{"if-unmodified-since": now}, 200},
		{map[string]string{"if-unmodified-since": after}, 200},
		{map[string]string{"if-unmodified-since": before}, 412},
		{map[string]string{"if-match": etag, "if-unmodified-since": before}, 200},        // If-Match wins
		{map[string]string{"if-none-match": `"other"`, "if-modified-since": after}, 200}, // If-None-Match wins
		{map[string]string{"if-match": `"other"`, "if-none-match": etag}, 412},
		{map[string]string{"if-match": etag, "range": "bytes=0-1"}, 206},
		{map[string]string{"if-none-match": etag, "range": "bytes=0-1"}, 304},
		{map[string]string{"if-range": etag, "range": "bytes=0-1"}, 206},
		{map[string]string{"if-range": `"other"`, "range": "bytes=0-1"}, 200},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			a := g.do(call{method: method, target: "/bkt/k", header: c.header})
			if a.status != c.status {
				t.Errorf("%s %v: %d, want %d", method, c.header, a.status, c.status)
			}
			switch {
			case a.status == 304 && (len(a.body) > 0 || a.header.Get("ETag") != etag || a.header.Get("Last-Modified") == ""):
				t.Errorf("%s %v: %d bytes, %v", method, c.header, len(a.body), a.header)
			case a.status == 412 && method == "GET" && a.code() != "PreconditionFailed":
				t.Errorf("%v: %s", c.header, a.body)
			}
		}
	}
}

func TestResponseHeadersCanBeReplaced(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", pattern(10))
	a := g.do(call{method: "GET", target: "/bkt/k?response-content-type=text%2Fx&response-content-disposition=attachment%3B%20filename%3Da&response-cache-control=no-store"})
	g.want(a, 200, "")
	if a.header.Get("Content-Type") != "text/x" || a.header.Get("Content-Disposition") != "attachment; filename=a" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", a.header)
	}
	if b := g.do(call{method: "GET", target: "/bkt/k?response-content-type=a%0D%0Ax-evil%3A1"}); b.header.Get("x-evil") != "" {
		t.Error("a line break became a header")
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=7-", "bytes=99999999999999999999-", ""} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, spec string, size int64) {
		if size < 0 {
			return
		}
		r, ok, err := parseRange(spec, size)
		if ok && (err != nil || r.off < 0 || r.n <= 0 || r.off >= size || r.n > size-r.off) || !ok && r != (byteRange{}) {
			t.Fatalf("%q of %d: %+v %v %v", spec, size, r, ok, err)
		}
	})
}
