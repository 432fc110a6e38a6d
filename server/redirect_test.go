package server

import (
	"strings"
	"testing"
)

// TestWebsiteRedirectStaysSealed: an object's redirect is told to its readers, on a copy is
// what the copy says and never the source's, and no header of any request tells the backend.
func TestWebsiteRedirectStaysSealed(t *testing.T) {
	g, w := newWireRig(t)
	const name = "x-amz-website-redirect-location"
	to := "/moved/" + strings.Repeat("m", 40)
	put := func(key string, header map[string]string) {
		t.Helper()
		g.want(g.do(call{method: "PUT", target: "/bkt/" + key, header: header}), 200, "")
	}
	shown := func(key, want string) {
		t.Helper()
		for _, method := range []string{"GET", "HEAD"} {
			a := g.do(call{method: method, target: "/bkt/" + key})
			if g.want(a, 200, ""); a.header.Get(name) != want || a.header.Get("Location") != "" {
				t.Errorf("%s %s: %q, want %q", method, key, a.header, want)
			}
		}
	}
	put("k", map[string]string{name: to, "x-amz-meta-a": "b"})
	shown("k", to)
	for _, other := range []string{"http://x.example/" + to, "https://x.example/" + to} {
		put("other", map[string]string{name: other})
		shown("other", other)
	}
	copied := func(key, want string, header map[string]string) {
		t.Helper()
		header["x-amz-copy-source"] = "/bkt/k"
		put(key, header)
		shown(key, want)
	}
	copied("plain", "", map[string]string{})
	copied("new", to+"2", map[string]string{name: to + "2"})
	copied("replaced", "", map[string]string{"x-amz-metadata-directive": "REPLACE"})
	copied("both", to, map[string]string{"x-amz-metadata-directive": "REPLACE", name: to})
	copied("k", to+"3", map[string]string{name: to + "3"}) // onto itself: it changes something
	if a := g.do(call{method: "HEAD", target: "/bkt/k"}); a.header.Get("x-amz-meta-a") != "b" {
		t.Errorf("the copy lost its metadata: %v", a.header)
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/bad", header: map[string]string{name: "ftp://x"}}), 400, "InvalidRedirectLocation")
	g.want(g.do(call{method: "POST", target: "/bkt/bad?uploads", header: map[string]string{name: "x"}}), 400, "InvalidRedirectLocation")
	for _, size := range []int{5, 6 * mib} {
		u := g.begin("/bkt/parts", map[string]string{name: to})
		part := u.part(1, pattern(size))
		u.rig = g.twin()
		g.want(u.complete(listed{1, part}), 200, "")
		shown("parts", to)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, h := range w.headers {
		for n, values := range h {
			if strings.Contains(strings.ToLower(n), "redirect") || strings.Contains(strings.Join(values, " "), "moved") {
				t.Errorf("%s told the backend %s: %q", w.targets[i], n, values)
			}
		}
	}
	if len(w.headers) < 20 {
		t.Fatalf("the store saw %d requests", len(w.headers))
	}
}
