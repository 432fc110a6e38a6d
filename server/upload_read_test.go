package server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

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
