package server

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

func (u *partsUp) copyCall(n int, source, span string) call {
	h := map[string]string{"x-amz-copy-source": source}
	if span != "" {
		h["x-amz-copy-source-range"] = span
	}
	return call{method: "PUT", target: fmt.Sprintf("%s?partNumber=%d&uploadId=%s", u.target, n, u.id), header: h}
}

func (u *partsUp) copied(a answer) string {
	u.t.Helper()
	u.want(a, 200, "")
	return between(a.body, "ETag")
}

// multipartObject stores a multipart object and returns its plain bytes.
func (g *rig) multipartObject(target string, header map[string]string, sizes ...int) []byte {
	g.t.Helper()
	u := g.begin(target, header)
	var data []byte
	var list []listed
	for i, n := range sizes {
		list = append(list, listed{i + 1, u.part(i+1, pattern(n))})
		data = append(data, pattern(n)...)
	}
	g.want(u.complete(list...), 200, "")
	return data
}

// Parts are made of stream objects and of multipart objects, whole and in ranges,
// large and small, held in memory and flowing through.
func TestUploadPartCopy(t *testing.T) {
	t.Parallel()
	for _, whole := range []int64{0, 1 << 20} {
		g := newRig(t, func(c *Config) { c.WholeObject = whole })
		stream := pattern(7*mib + 3)
		g.put("/bkt/a%20b", stream)
		multi := g.multipartObject("/other/m", nil, 6*mib, 16*mib, 100)
		u := g.begin("/bkt/k", nil)
		spec := func(off, end int) string { return fmt.Sprintf("bytes=%d-%d", off, end-1) }
		list := []listed{
			{1, u.copied(g.do(u.copyCall(1, "bkt/a%20b", "")))},
			{2, u.copied(g.do(u.copyCall(2, "/other/m", "")))},
			{3, u.copied(g.do(u.copyCall(3, "/bkt/a%20b", spec(1, 5*mib+2))))},
			{4, u.copied(g.do(u.copyCall(4, "other/m", spec(6*mib-10, 12*mib))))},
			{5, u.copied(g.do(u.copyCall(5, "other/m", spec(22*mib-3, 22*mib+100))))},
		}
		g.want(u.complete(list...), 200, "")
		want := bytes.Join([][]byte{stream, multi, stream[1 : 5*mib+2], multi[6*mib-10 : 12*mib], multi[22*mib-3:]}, nil)
		if a := g.get("/bkt/k"); !bytes.Equal(a.body, want) {
			t.Fatalf("%d, %d bytes of %d", a.status, len(a.body), len(want))
		}
		if used := g.engine.Stats().BudgetUsed; used != 0 {
			t.Errorf("the budget still holds %d bytes", used)
		}
	}
}

func TestUploadPartCopyRefusals(t *testing.T) {
	g := newRig(t, func(c *Config) { c.AllowedBuckets = []string{"bkt"} })
	etag := g.put("/bkt/src", pattern(1000)).header.Get("ETag")
	u := g.begin("/bkt/k", nil)
	for name, c := range map[string]struct {
		source, span, header, value string
		status                      int
		code                        string
	}{
		"foreign bucket": {"other/x", "", "", "", 403, "AccessDenied"},
		"our own names":  {"bkt/_objcryptproxy___.json", "", "", "", 403, "AccessDenied"},
		"missing":        {"bkt/missing", "", "", "", 404, "NoSuchKey"},
		"no key":         {"bkt", "", "", "", 400, "InvalidArgument"},
		"beyond":         {"bkt/src", "bytes=0-1000", "", "", 400, "InvalidArgument"},
		"behind":         {"bkt/src", "bytes=1000-1001", "", "", 400, "InvalidArgument"},
		"suffix":         {"bkt/src", "bytes=-5", "", "", 400, "InvalidArgument"},
		"open":           {"bkt/src", "bytes=5-", "", "", 400, "InvalidArgument"},
		"no range":       {"bkt/src", "5-6", "", "", 400, "InvalidArgument"},
		"if-match":       {"bkt/src", "", "x-amz-copy-source-if-match", `"0"`, 412, "PreconditionFailed"},
		"if-none-match":  {"bkt/src", "", "x-amz-copy-source-if-none-match", etag, 304, ""},
		"unmodified":     {"bkt/src", "", "x-amz-copy-source-if-unmodified-since", time.Unix(0, 0).UTC().Format(http.TimeFormat), 412, "PreconditionFailed"},
		"modified":       {"bkt/src", "", "x-amz-copy-source-if-modified-since", time.Now().UTC().Format(http.TimeFormat), 304, ""},
		"if-match holds": {"bkt/src", "", "x-amz-copy-source-if-match", etag, 200, ""},
	} {
		call := u.copyCall(1, c.source, c.span)
		if c.header != "" {
			call.header[c.header] = c.value
		}
		if a := g.do(call); a.status != c.status || a.code() != c.code {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	withBody := u.copyCall(1, "bkt/src", "")
	withBody.body = []byte("x")
	g.want(g.do(withBody), 400, "InvalidRequest")
	g.store.tamper("bkt", "src", func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	g.want(g.do(u.copyCall(1, "bkt/src", "")), 500, "InternalError")
	g.want(u.abort(), 204, "")
	g.onlyObjects("src")
}

// A copy of a multipart object moves every byte but the tail at the backend, opens
// under its new name alone, and keeps or replaces the metadata.
func TestCopyOfAMultipartObject(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	data := g.multipartObject("/bkt/k", map[string]string{"x-amz-meta-a": "1", "content-type": "text/x"}, 5*mib, 6*mib, 7)
	for _, target := range []string{"/bkt/copy", "/other/copy"} {
		before := g.store.count()
		a := g.do(call{method: "PUT", target: target, header: map[string]string{"x-amz-copy-source": "bkt/k"}})
		g.want(a, 200, "")
		for _, c := range g.store.callsSince(before) {
			if c == "Put bkt/copy" || c == "Put other/copy" {
				t.Errorf("the body went through here: %s", c)
			}
		}
		if got := g.get(target); !bytes.Equal(got.body, data) || got.header.Get("X-Amz-Meta-A") != "1" || got.header.Get("Content-Type") != "text/x" {
			t.Fatalf("%s: %d, %d bytes, %v", target, got.status, len(got.body), got.header)
		}
		if got := g.ranged("GET", target, "bytes=5242870-5242889"); !bytes.Equal(got.body, data[5242870:5242890]) {
			t.Errorf("%s: a range across parts: %d", target, got.status)
		}
	}
	replaced := map[string]string{"x-amz-copy-source": "bkt/k", "x-amz-metadata-directive": "REPLACE", "x-amz-meta-b": "2"}
	g.want(g.do(call{method: "PUT", target: "/bkt/k", header: replaced}), 200, "")
	if got := g.get("/bkt/k"); !bytes.Equal(got.body, data) || got.header.Get("X-Amz-Meta-B") != "2" || got.header.Get("X-Amz-Meta-A") != "" {
		t.Fatalf("REPLACE: %d, %d bytes, %v", got.status, len(got.body), got.header)
	}
	// The sealed bytes under another name are refused.
	g.store.mu.Lock()
	g.store.buckets["bkt"]["moved"] = g.store.buckets["bkt"]["k"]
	g.store.mu.Unlock()
	g.want(g.get("/bkt/moved"), 500, "InternalError")
	if len(g.store.uploads) != 0 {
		t.Errorf("%d uploads are left over", len(g.store.uploads))
	}
}

func TestCopyOfAMultipartObjectCutAnywhere(t *testing.T) {
	t.Parallel()
	for cut := 1; ; cut++ {
		g := newRig(t)
		data := g.multipartObject("/bkt/k", nil, 5*mib, 7)
		g.put("/bkt/copy", []byte("old"))
		made, reached := 0, false
		g.store.before = func(string, string, string) error {
			if made++; made != cut {
				return nil
			}
			reached = true
			return fault4(backend.Busy, "cut")
		}
		a := g.do(call{method: "PUT", target: "/bkt/copy", header: map[string]string{"x-amz-copy-source": "bkt/k"}})
		g.store.before = nil
		got := g.get("/bkt/copy")
		if a.status == 200 && !bytes.Equal(got.body, data) || a.status != 200 && string(got.body) != "old" {
			t.Fatalf("cut at %d: told %d, has %d bytes", cut, a.status, len(got.body))
		}
		if !reached {
			return
		}
	}
}
