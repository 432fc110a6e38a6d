package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
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
