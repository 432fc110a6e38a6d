package server

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// withMD5 makes a rig whose clients see MD5s.
func withMD5(c *Config) { c.ETags, c.ETagCache = ETagMD5, 1000 }

// md5Of is S3's ETag of an object that was stored whole.
func md5Of(data []byte) string { return fmt.Sprintf(`"%x"`, md5.Sum(data)) }

// md5OfParts is S3's ETag of an object uploaded in parts.
func md5OfParts(parts ...[]byte) string {
	var all []byte
	for _, p := range parts {
		sum := md5.Sum(p)
		all = append(all, sum[:]...)
	}
	return fmt.Sprintf(`"%x-%d"`, md5.Sum(all), len(parts))
}

// etags is what each verb says of an object's ETag.
func (g *rig) etags(key string) map[string]string {
	g.t.Helper()
	out := map[string]string{}
	for name, c := range map[string]call{
		"GET":   {method: "GET", target: "/bkt/" + key},
		"HEAD":  {method: "HEAD", target: "/bkt/" + key},
		"range": {method: "GET", target: "/bkt/" + key, header: map[string]string{"range": "bytes=0-0"}},
	} {
		if a := g.do(c); a.status < 300 {
			out[name] = a.header.Get("ETag")
		}
	}
	a := g.do(call{method: "GET", target: "/bkt/" + key + "?attributes", header: map[string]string{"x-amz-object-attributes": "ETag"}})
	out["attributes"] = `"` + between(a.body, "ETag") + `"`
	for name, target := range map[string]string{"V1": "/bkt?prefix=" + key, "V2": "/bkt?list-type=2&prefix=" + key} {
		a := g.get(target)
		g.want(a, 200, "")
		out[name] = strings.ReplaceAll(between(a.body, "ETag"), "&#34;", `"`)
	}
	a = g.do(call{method: "PUT", target: "/bkt/copied", header: map[string]string{"x-amz-copy-source": "/bkt/" + key}})
	g.want(a, 200, "")
	out["copy"] = strings.ReplaceAll(between(a.body, "ETag"), "&#34;", `"`)
	out["HEAD of the copy"] = g.do(call{method: "HEAD", target: "/bkt/copied"}).header.Get("ETag")
	return out
}

func (g *rig) sameETags(key, want string) {
	g.t.Helper()
	for verb, got := range g.etags(key) {
		if got != want {
			g.t.Errorf("%s: %s says %s, want %s", key, verb, got, want)
		}
	}
}

// Whatever way an object takes to the backend, and whether or not its client says the
// MD5, every verb shows S3's ETag.
func TestMD5IsShownByEveryVerb(t *testing.T) {
	for name, way := range map[string]struct {
		size   int
		change func(*Config)
	}{
		"empty": {0, nil}, "whole": {70000, nil}, "in parts": {6 * mib, func(c *Config) { c.WholeObject = 5 * mib }},
	} {
		for _, said := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, said %v", name, said), func(t *testing.T) {
				g := newRig(t, withMD5, func(c *Config) {
					if way.change != nil {
						way.change(c)
					}
				})
				body := pattern(way.size)
				a := g.do(call{method: "PUT", target: "/bkt/k", body: body, noMD5: !said})
				g.want(a, 200, "")
				if got := a.header.Get("ETag"); got != md5Of(body) {
					t.Errorf("PUT says %s, want %s", got, md5Of(body))
				}
				if way.size == 0 {
					g.want(g.do(call{method: "GET", target: "/bkt/k"}), 200, "")
					return
				}
				g.sameETags("k", md5Of(body))
				g.twin2(withMD5).sameETags("k", md5Of(body))
			})
		}
	}
}

// twin2 is another proxy over the same store, changed.
func (g *rig) twin2(change func(*Config)) *rig {
	g.t.Helper()
	other := newRig(g.t, func(c *Config) { c.Backend = g.store }, change)
	other.store, other.keys = g.store, g.keys
	return other
}

// With a trailing checksum both are sealed, also while the budget is short.
func TestMD5OfStreamedBodies(t *testing.T) {
	g := newRig(t, withMD5)
	for _, short := range []bool{false, true} {
		body := pattern(70000)
		if short {
			body = body[1:]
			res, err := g.engine.Reserve(context.Background(), g.engine.Stats().Budget/4*3)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Release()
		}
		sum := sumOf("crc32", body)
		a := g.doStreamed(streamedPut{target: "/bkt/k", data: body, payload: unsignedTrailer, trailer: []sigv4.Header{sum}})
		g.want(a, 200, "")
		if got := a.header.Get("ETag"); got != md5Of(body) {
			t.Errorf("PUT says %s", got)
		}
		g.sameETags("k", md5Of(body))
		if a := g.do(call{method: "HEAD", target: "/bkt/k", header: map[string]string{"x-amz-checksum-mode": "ENABLED"}}); a.header.Get(sum.Name) != sum.Value {
			t.Errorf("the checksum is %q", a.header.Get(sum.Name))
		}
	}
}

// An upload in parts has S3's ETag, whatever its shape, from the ETags of its parts
// alone.
func TestMD5OfUploads(t *testing.T) {
	for _, name := range []string{"small last part", "empty last part", "only a small part", "only an empty part"} {
		sizes := shapes[name]
		t.Run(name, func(t *testing.T) {
			g := newRig(t, withMD5)
			u := g.begin("/bkt/k", nil)
			var list []listed
			var parts [][]byte
			for i, n := range sizes {
				body := bytes.Clone(pattern(n))
				for j := range body {
					body[j] += byte(i)
				}
				other := *u
				other.rig = g.twin2(withMD5)
				parts, list = append(parts, body), append(list, listed{i*3 + 1, other.part(i*3+1, body)})
			}
			u.rig = g.twin2(withMD5)
			want := md5OfParts(parts...)
			for range 2 { // the second finds the object
				a := u.complete(list...)
				g.want(a, 200, "")
				if got := strings.ReplaceAll(between(a.body, "ETag"), "&#34;", `"`); got != want {
					t.Errorf("Complete says %s, want %s", got, want)
				}
			}
			if sizes[0] > 0 { // range requests want a byte
				g.sameETags("k", want)
			}
		})
	}
}

// Parts that are copies, and parts with checksums, count as well.
func TestMD5OfCopiedAndSummedParts(t *testing.T) {
	g := newRig(t, withMD5)
	src := pattern(6 * mib)
	g.put("/bkt/src", src)
	u := g.begin("/bkt/k", map[string]string{"x-amz-checksum-algorithm": "CRC32C", "x-amz-checksum-type": "FULL_OBJECT"})
	list := []listed{{1, u.copied(g.do(u.copyCall(1, "/bkt/src", "")))}, {2, u.part(2, []byte("end"))}}
	c := u.completeCall(list...)
	c.body = bytes.ReplaceAll(c.body, []byte("<ChecksumCRC32>AAAAAA==</ChecksumCRC32>"), nil)
	g.want(g.do(c), 200, "")
	g.sameETags("k", md5OfParts(src, []byte("end")))
	if a := g.do(call{method: "HEAD", target: "/bkt/k", header: map[string]string{"x-amz-checksum-mode": "ENABLED"}}); a.header.Get("x-amz-checksum-crc32c") == "" {
		t.Error("the checksum is gone")
	}
}

// Objects without an MD5 keep the opaque form, and in the opaque mode all have it, so
// that a change of the mode makes no object unreadable or two verbs disagree.
func TestETagModesOverOneStore(t *testing.T) {
	opaque := newRig(t)
	first := opaque.do(call{method: "PUT", target: "/bkt/plain", body: []byte("one"), noMD5: true}).header.Get("ETag")
	u := opaque.begin("/bkt/parts", nil)
	opaque.want(u.complete(listed{1, u.part(1, pattern(5*mib))}), 200, "")
	g := opaque.twin2(withMD5)
	for verb, got := range g.etags("plain") {
		if copied := strings.Contains(verb, "copy"); !strings.HasSuffix(got, `-s"`) || !copied && got != first {
			t.Errorf("%s says %s, want %s", verb, got, first)
		}
	}
	if got := g.etags("parts")["V2"]; !strings.HasSuffix(got, `-s"`) {
		t.Errorf("an upload without MD5s has %s", got)
	}
	g.put("/bkt/k", []byte("two"))
	g.sameETags("k", md5Of([]byte("two")))
	for verb, got := range opaque.etags("k") {
		if !strings.HasSuffix(got, `-s"`) {
			t.Errorf("%s says %s in the opaque mode", verb, got)
		}
	}
	// Begun in one mode, ended in the other, by parts of both.
	u = opaque.begin("/bkt/mixed", map[string]string{"x-amz-meta-a": strings.Repeat("v", 800)})
	list := []listed{{1, u.part(1, pattern(5*mib))}}
	u.rig = g
	list = append(list, listed{2, u.part(2, []byte("end"))})
	opaque.want(u.complete(list...), 200, "")
	// No room was kept for the MD5: the object is stored without.
	u = opaque.begin("/bkt/full", map[string]string{"x-amz-meta-a": strings.Repeat("v", 808)})
	u.rig = g
	g.want(u.complete(listed{1, u.part(1, []byte("end"))}), 200, "")
	if a := g.get("/bkt/full"); string(a.body) != "end" || !strings.HasSuffix(a.header.Get("ETag"), `-s"`) {
		t.Errorf("%q, %s", a.body, a.header.Get("ETag"))
	}
}

// Conditions name an object by its MD5 or by its opaque form.
func TestConditionsOnMD5s(t *testing.T) {
	g := newRig(t, withMD5)
	body := []byte("the body")
	g.put("/bkt/k", body)
	opaque := clientETag(md5Of(g.store.stored("bkt", "k")))
	is, not := md5Of(body), md5Of([]byte("other"))
	for _, name := range []string{is, strings.Trim(is, `"`), opaque} {
		for _, method := range []string{"GET", "HEAD"} {
			read := func(h, v string) int {
				return g.do(call{method: method, target: "/bkt/k", header: map[string]string{h: v}}).status
			}
			if s := read("if-match", name); s != 200 {
				t.Errorf("%s if-match %s: %d", method, name, s)
			}
			if s := read("if-none-match", name); s != 304 {
				t.Errorf("%s if-none-match %s: %d", method, name, s)
			}
			if s := read("if-none-match", not+", "+name); s != 304 {
				t.Errorf("%s if-none-match with a list and %s: %d", method, name, s)
			}
		}
		if a := g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "/bkt/k", "x-amz-copy-source-if-match": name}}); a.status != 200 {
			t.Errorf("copy if-match %s: %d", name, a.status)
		}
		if a := g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "/bkt/k", "x-amz-copy-source-if-none-match": name}}); a.status != 304 {
			t.Errorf("copy if-none-match %s: %d", name, a.status)
		}
	}
	if a := g.do(call{method: "GET", target: "/bkt/k", header: map[string]string{"range": "bytes=0-2", "if-range": is}}); a.status != 206 {
		t.Errorf("if-range: %d", a.status)
	}
	if a := g.do(call{method: "GET", target: "/bkt/k", header: map[string]string{"range": "bytes=0-2", "if-range": not}}); a.status != 200 {
		t.Errorf("if-range of another: %d", a.status)
	}
	for _, method := range []string{"GET", "HEAD"} {
		if a := g.do(call{method: method, target: "/bkt/k", header: map[string]string{"if-match": not}}); a.status != 412 {
			t.Errorf("%s if-match of another: %d", method, a.status)
		}
	}
	// Writes, deletes and Completes.
	put := func(etag, key string, body []byte) answer {
		return g.do(call{method: "PUT", target: "/bkt/" + key, body: body, header: map[string]string{"if-match": etag}})
	}
	g.want(put(not, "k", []byte("x")), 412, "PreconditionFailed")
	g.want(put(is, "none", []byte("x")), 404, "NoSuchKey")
	g.want(put("*", "k", []byte("x")), 412, "PreconditionFailed")
	g.want(put(is, "k", []byte("second")), 200, "")
	g.want(put(is, "k", []byte("third")), 412, "PreconditionFailed")
	g.want(g.do(call{method: "DELETE", target: "/bkt/k", header: map[string]string{"if-match": is}}), 412, "PreconditionFailed")
	u := g.begin("/bkt/k", nil)
	c := u.completeCall(listed{1, u.part(1, []byte("in parts"))})
	c.header = map[string]string{"if-match": is}
	g.want(g.do(c), 412, "PreconditionFailed")
	c.header = map[string]string{"if-match": md5Of([]byte("second"))}
	g.want(g.do(c), 200, "")
	g.want(g.do(c), 200, "") // its own work
	g.want(put(md5OfParts([]byte("in parts")), "k", []byte("last")), 200, "")
	g.want(g.do(call{method: "DELETE", target: "/bkt/k", header: map[string]string{"if-match": md5Of([]byte("last"))}}), 204, "")
}

// An object that takes the place of the one whose MD5 was compared is not overwritten:
// the backend holds the condition, on its own ETag.
func TestIfMatchOnAnMD5IsHeldByTheBackend(t *testing.T) {
	g := newRig(t, withMD5)
	body := []byte("first")
	g.put("/bkt/k", body)
	var g2 = g.twin2(withMD5)
	raced := false
	g.store.committed = nil
	race := &racing{memory: g.store, then: func() {
		if !raced {
			raced = true
			g2.put("/bkt/k", []byte("meanwhile"))
		}
	}}
	late := newRig(t, withMD5, func(c *Config) { c.Backend = race })
	late.keys, late.store = g.keys, g.store
	late.want(late.do(call{method: "PUT", target: "/bkt/k", body: []byte("lost"), header: map[string]string{"if-match": md5Of(body)}}), 412, "PreconditionFailed")
	if a := g.get("/bkt/k"); string(a.body) != "meanwhile" || !raced {
		t.Errorf("%q", a.body)
	}
}

// racing lets something happen right before a write of k.
type racing struct {
	*memory
	then func()
}

func (r *racing) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error) {
	if key == "k" {
		r.then()
	}
	return r.memory.Put(ctx, bucket, key, body, size, cond)
}

// A listing costs one read for each object that is not known, none for those that are,
// and none at all in the opaque mode.
func TestListingsReadEachBlockOnce(t *testing.T) {
	g := newRig(t, withMD5)
	const n = 50
	for i := range n {
		g.put(fmt.Sprintf("/bkt/k%02d", i), []byte{byte(i)})
	}
	reads := func(g *rig) (gets int) {
		before := g.store.count()
		g.want(g.get("/bkt?list-type=2"), 200, "")
		for _, c := range g.store.callsSince(before) {
			if strings.HasPrefix(c, "Get bkt/k") {
				gets++
			}
		}
		return gets
	}
	if got := reads(g); got != 0 {
		t.Errorf("the proxy that stored them read %d blocks", got)
	}
	other := g.twin2(withMD5)
	if got := reads(other); got != n {
		t.Errorf("another proxy read %d blocks, want %d", got, n)
	}
	if got := reads(other); got != 0 {
		t.Errorf("the second time it read %d", got)
	}
	if got := other.s.metrics.etagsRead.Get(); got != n {
		t.Errorf("counted %d", got)
	}
	g.put("/bkt/k07", []byte("changed"))
	if got := reads(other); got != 1 {
		t.Errorf("it read %d blocks after one change", got)
	}
	if got := reads(g.twin2(func(*Config) {})); got != 0 {
		t.Errorf("in the opaque mode %d blocks were read", got)
	}
	if got := reads(g.twin2(func(c *Config) { c.ETags = ETagMD5 })); got != n {
		t.Errorf("without a cache %d blocks were read", got)
	}
}

// What cannot be opened is listed with the opaque form; a store that fails makes the
// listing fail, so that no client takes an object for changed.
func TestListingsOfWhatCannotBeOpened(t *testing.T) {
	g := newRig(t, withMD5)
	for _, key := range []string{"a", "b", "c", "d"} {
		g.put("/bkt/"+key, []byte(key))
	}
	g.store.tamper("bkt", "b", func(b []byte) []byte { b[100] ^= 1; return b })
	g.store.mu.Lock()
	g.store.buckets["bkt"]["raw"] = &blob{data: []byte("short"), etag: `"raw"`, time: g.store.buckets["bkt"]["a"].time}
	g.store.mu.Unlock()
	other := g.twin2(withMD5)
	g.store.before = func(op, _, key string) error {
		if op == "Get" && key == "d" {
			return fault4(backend.NotFound, op)
		}
		return nil
	}
	a := other.get("/bkt?list-type=2")
	other.want(a, 200, "")
	for key, md5 := range map[string]bool{"a": true, "b": false, "c": true, "d": false, "raw": false} {
		_, rest, _ := strings.Cut(string(a.body), "<Key>"+key+"</Key>")
		if got := strings.ReplaceAll(between([]byte(rest), "ETag"), "&#34;", `"`); md5 != (got == md5Of([]byte(key))) || !md5 != strings.HasSuffix(got, `-s"`) {
			t.Errorf("%s is listed with %s", key, got)
		}
	}
	g.store.before = func(op, _, key string) error {
		if op == "Get" && key == "d" {
			return fault4(backend.Busy, op)
		}
		return nil
	}
	other.want(other.get("/bkt?list-type=2"), 503, "ServiceUnavailable")
	g.store.before = nil
	a = other.get("/bkt?list-type=2")
	other.want(a, 200, "")
	if !strings.Contains(string(a.body), strings.Trim(md5Of([]byte("d")), `"`)) {
		t.Errorf("d has no MD5: %s", a.body)
	}
}

// No MD5 of plain bytes goes to the backend, in whatever form.
func TestBackendNeverSeesAnMD5OfPlainBytes(t *testing.T) {
	g, w := newWireRig(t, withMD5)
	body, part := pattern(70000), pattern(5*mib)
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: body, noMD5: true}), 200, "")
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: body, header: map[string]string{"if-match": md5Of(body)}}), 200, "")
	u := g.begin("/bkt/m", nil)
	g.want(u.complete(listed{1, u.part(1, part)}), 200, "")
	g.get("/bkt?list-type=2")
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := fmt.Sprint(w.targets, w.headers)
	w.memory.mu.Lock()
	for _, o := range w.memory.buckets["bkt"] {
		sent += string(o.data)
	}
	w.memory.mu.Unlock()
	for _, data := range [][]byte{body, part} {
		sum := md5.Sum(data)
		for _, form := range []string{hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:]), string(sum[:])} {
			if strings.Contains(sent, form) {
				t.Errorf("the store was told %q", form)
			}
		}
	}
}

// The cache is bounded, keeps what is asked for, and gives what was put.
func TestETagCacheIsBounded(t *testing.T) {
	c := newETagCache(100)
	rnd := rand.New(rand.NewPCG(1, 2))
	var id format.BucketID
	hot := etagKeyOf(id, "hot", "x")
	c.put(hot, cached(format.Meta{PartsMD5: format.PartsMD5{Sum: [16]byte{7}, Parts: 9}}))
	for i := range 10000 {
		k := etagKeyOf(id, fmt.Sprint(i), "e")
		c.put(k, cached(format.Meta{MD5: bytes.Repeat([]byte{byte(i)}, 16)}))
		if m, ok := c.get(k); !ok || m.meta().MD5[3] != byte(i) {
			t.Fatalf("%d: %v %v", i, m, ok)
		}
		if rnd.IntN(4) == 0 || i%40 == 0 {
			if m, ok := c.get(hot); !ok || m.meta().PartsMD5.Parts != 9 {
				t.Fatalf("what is asked for often was dropped after %d", i)
			}
		}
		if n := c.entries(); n > 100 {
			t.Fatalf("%d entries", n)
		}
	}
	if _, ok := c.get(etagKeyOf(id, "hotx", "")); ok {
		t.Error("key and ETag run together")
	}
	none := newETagCache(0)
	none.put(hot, cached(format.Meta{}))
	if none.entries() != 0 {
		t.Error("a cache of no entries has one")
	}
}
