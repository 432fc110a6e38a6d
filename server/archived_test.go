package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// archiveTier is a fake of a store with an archive, over the store in memory: objects of
// the class GLACIER cannot be read before they are restored, as S3 has it.
type archiveTier struct {
	*memory
	restores map[string]string // by key: x-amz-restore, empty before the first request
}

func (a *archiveTier) frozen(bucket, key string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o := a.buckets[bucket][key]; o != nil && o.with.StorageClass == "GLACIER" && !strings.Contains(a.restores[key], `"false"`) {
		return &backend.Error{Kind: backend.Denied, Op: "GetObject", Status: 403, Code: "InvalidObjectState", Message: "no"}
	}
	return nil
}

func (a *archiveTier) Get(ctx context.Context, bucket, key string, opt backend.GetOptions) (*backend.Object, error) {
	if err := a.frozen(bucket, key); err != nil {
		return nil, err
	}
	o, err := a.memory.Get(ctx, bucket, key, opt)
	if err == nil {
		o.Restore = a.restores[key]
	}
	return o, err
}

func (a *archiveTier) HeadVersion(ctx context.Context, bucket, key, version string) (*backend.Object, error) {
	o, err := a.memory.HeadVersion(ctx, bucket, key, version)
	if err == nil {
		o.Restore = a.restores[key]
		if m, err := base64.StdEncoding.DecodeString(o.BlockHint); err == nil && len(m) > 0 {
			o.Hint = m
		}
	}
	return o, err
}

func (a *archiveTier) CopyPart(ctx context.Context, bucket, key, id string, n int, source backend.CopySource, r backend.Range) (string, error) {
	if err := a.frozen(source.Bucket, source.Key); err != nil {
		return "", err
	}
	return a.memory.CopyPart(ctx, bucket, key, id, n, source, r)
}

func (a *archiveTier) Relay(ctx context.Context, q backend.Question) (*backend.Reply, error) {
	if q.Op != "RestoreObject" {
		return a.memory.Relay(ctx, q)
	}
	switch a.restores[q.Key] {
	case "":
		a.restores[q.Key] = `ongoing-request="true"`
		return &backend.Reply{Status: 202, Header: http.Header{}}, nil
	case `ongoing-request="true"`:
		return &backend.Reply{Status: 409, Code: "RestoreAlreadyInProgress", Message: "Object restore is already in progress"}, nil
	}
	return &backend.Reply{Status: 200, Header: http.Header{}}, nil
}

const thawed = `ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"`

func newArchive(t *testing.T, change ...func(*Config)) (*rig, *archiveTier) {
	tier := &archiveTier{restores: map[string]string{}}
	g := newRig(t, append(change, func(c *Config) { tier.memory = c.Backend.(*memory); c.Backend = tier })...)
	return g, tier
}

const restoreDoc = `<RestoreRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Days>2</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters></RestoreRequest>`

func TestArchivedObjects(t *testing.T) {
	g, tier := newArchive(t)
	body := pattern(200_000)
	stored := g.do(call{method: "PUT", target: "/bkt/k", body: body, header: map[string]string{"x-amz-storage-class": "GLACIER", "x-amz-meta-a": "1"}})
	g.want(stored, 200, "")

	g.want(g.get("/bkt/k"), 403, "InvalidObjectState")
	g.want(g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "bkt/k"}}), 403, "InvalidObjectState")
	a := g.do(call{method: "HEAD", target: "/bkt/k"})
	h := a.header
	if a.status != 200 || h.Get("Content-Length") != "200000" || h.Get("X-Amz-Storage-Class") != "GLACIER" || h.Get("ETag") != stored.header.Get("ETag") || h.Get("Last-Modified") == "" || h.Get("X-Amz-Restore") != "" || h.Get("X-Amz-Meta-A") != "" {
		t.Errorf("HEAD: %d %v", a.status, h)
	}
	a = g.do(call{method: "GET", target: "/bkt/k?attributes", header: map[string]string{"x-amz-object-attributes": "ObjectSize,StorageClass"}})
	if !bytes.Contains(a.body, []byte("<StorageClass>GLACIER</StorageClass><ObjectSize>200000</ObjectSize>")) {
		t.Errorf("attributes: %d %s", a.status, a.body)
	}
	if a := g.do(call{method: "HEAD", target: "/bkt/k?partNumber=1"}); a.status != 403 {
		t.Errorf("HEAD of a part: %d", a.status)
	}
	if a := g.do(call{method: "HEAD", target: "/bkt/k", header: map[string]string{"if-none-match": stored.header.Get("ETag")}}); a.status != 304 {
		t.Errorf("conditional HEAD: %d", a.status)
	}
	// Nobody is told "stored already" of what cannot be proved to open.
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), header: map[string]string{"if-none-match": "*"}}), 503, "ServiceUnavailable")

	restore := call{method: "POST", target: "/bkt/k?restore", body: []byte(restoreDoc)}
	g.want(g.do(restore), 202, "")
	g.want(g.do(restore), 409, "RestoreAlreadyInProgress")
	if a := g.do(call{method: "HEAD", target: "/bkt/k"}); a.header.Get("X-Amz-Restore") != `ongoing-request="true"` {
		t.Errorf("while it is restored: %v", a.header)
	}
	g.want(g.get("/bkt/k"), 403, "InvalidObjectState")
	tier.restores["k"] = thawed
	g.want(g.do(restore), 200, "")
	for _, method := range []string{"GET", "HEAD"} {
		a := g.do(call{method: method, target: "/bkt/k"})
		if a.status != 200 || a.header.Get("X-Amz-Restore") != thawed || a.header.Get("X-Amz-Meta-A") != "1" || method == "GET" && !bytes.Equal(a.body, body) {
			t.Errorf("%s of a restored object: %d %v", method, a.status, a.header)
		}
	}
	delete(tier.restores, "k")
	g.want(g.do(call{method: "DELETE", target: "/bkt/k", header: map[string]string{"x-amz-if-match-size": "7"}}), 412, "PreconditionFailed")
	g.want(g.do(call{method: "DELETE", target: "/bkt/k", header: map[string]string{"x-amz-if-match-size": "200000"}}), 204, "")
}

// TestArchivedForeignObjectHasNoSize: a size that no sealed object has is not told.
func TestArchivedForeignObjectHasNoSize(t *testing.T) {
	g, tier := newArchive(t)
	g.put("/bkt/first", nil)
	tier.buckets["bkt"]["alien"] = &blob{data: []byte("plain"), etag: `"x"`, with: backend.Attributes{StorageClass: "GLACIER"}}
	if a := g.do(call{method: "HEAD", target: "/bkt/alien"}); a.status != 500 {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestRestoresThatSelectAreRefused(t *testing.T) {
	g, _ := newArchive(t)
	g.put("/bkt/k", nil)
	n := g.store.count()
	for doc, want := range map[string]int{
		"<RestoreRequest><Type>SELECT</Type></RestoreRequest>":                               501,
		"<RestoreRequest><SelectParameters/></RestoreRequest>":                               501,
		"<RestoreRequest><OutputLocation><S3/></OutputLocation></RestoreRequest>":            501,
		"<RestoreRequest><Days>1</Days>":                                                     400,
		`<!DOCTYPE d [<!ENTITY a "aaaa">]><RestoreRequest><Days>&a;</Days></RestoreRequest>`: 400,
	} {
		if a := g.do(call{method: "POST", target: "/bkt/k?restore", body: []byte(doc)}); a.status != want {
			t.Errorf("%s: %d", doc, a.status)
		}
	}
	if calls := g.store.callsSince(n); len(calls) > 0 {
		t.Errorf("backend calls %v", calls)
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/k?restore", body: []byte(restoreDoc)}), 501, "NotImplemented")
}

// TestHintsOfArchivedObjects: with them HEAD tells the sealed metadata, proved as from
// any block; what was changed is refused, and reads never go by a hint.
func TestHintsOfArchivedObjects(t *testing.T) {
	g, tier := newArchive(t, func(c *Config) { c.BlockHint, c.WholeObject = true, 6<<20 })
	header := map[string]string{"x-amz-storage-class": "GLACIER", "x-amz-meta-a": "1", "content-type": "text/x"}
	for _, n := range []int{100, 7 << 20} { // whole, in parts
		g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(n), header: header}), 200, "")
		a := g.do(call{method: "HEAD", target: "/bkt/k"})
		if a.status != 200 || a.header.Get("X-Amz-Meta-A") != "1" || a.header.Get("Content-Type") != "text/x" || a.header.Get("X-Amz-Storage-Class") != "GLACIER" {
			t.Errorf("%d bytes: %d %v", n, a.status, a.header)
		}
	}
	tier.restores["k"] = thawed
	for _, target := range []string{"/bkt/c", "/other/c"} {
		g.want(g.do(call{method: "PUT", target: target, header: map[string]string{"x-amz-copy-source": "bkt/k", "x-amz-storage-class": "GLACIER"}}), 200, "")
		if a := g.do(call{method: "HEAD", target: target}); a.header.Get("X-Amz-Meta-A") != "1" {
			t.Errorf("copy: %d %v", a.status, a.header)
		}
	}
	delete(tier.restores, "k")
	mine := tier.buckets["bkt"]["k"]
	moved := *mine
	tier.buckets["bkt"]["moved"] = &moved
	if a := g.do(call{method: "HEAD", target: "/bkt/moved"}); a.status != 500 {
		t.Errorf("a hint of another key: %d", a.status)
	}
	whole := mine.with.BlockHint
	mine.with.BlockHint = "B" + whole[1:]
	if whole[0] == 'B' {
		t.Fatal("nothing was changed")
	}
	if a := g.do(call{method: "HEAD", target: "/bkt/k"}); a.status != 500 {
		t.Errorf("a changed hint: %d", a.status)
	}
	mine.with.BlockHint = ""
	if a := g.do(call{method: "HEAD", target: "/bkt/k"}); a.status != 200 || a.header.Get("X-Amz-Meta-A") != "" {
		t.Errorf("a hint that was removed: %d %v", a.status, a.header)
	}
}

// TestHintIsTheStoredBlock: byte for byte, also where the block is made anew at the end.
func TestHintIsTheStoredBlock(t *testing.T) {
	g := newRig(t, func(c *Config) { c.BlockHint = true; c.ETags = ETagMD5 })
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(5000), noMD5: true}), 200, "")
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(5000), noMD5: true, header: map[string]string{"x-amz-meta-scpx-block": "mine"}}), 200, "")
	o := g.store.buckets["bkt"]["k"]
	if o.with.BlockHint != backend.Hint(o.data[:1024]) {
		t.Error("another block")
	}
	plain := newRig(t)
	plain.put("/bkt/k", pattern(5000))
	if plain.store.buckets["bkt"]["k"].with.BlockHint != "" {
		t.Error("a hint that nobody asked for")
	}
}

// TestUploadsIntoTheArchive: an object that nobody may read as soon as it is complete is
// confirmed by what the backend tells of it, and whole once it is restored.
func TestUploadsIntoTheArchive(t *testing.T) {
	g, tier := newArchive(t)
	glacier := map[string]string{"x-amz-storage-class": "GLACIER", "x-amz-meta-a": "1"}
	for i, sizes := range [][]int{{5 << 20, 5 << 20}, {5 << 20, 70_000}, {70_000}} {
		key := fmt.Sprintf("k%d", i)
		up := g.begin("/bkt/"+key, glacier)
		var whole []byte
		var parts []listed
		for n, size := range sizes {
			whole = append(whole, pattern(size)...)
			parts = append(parts, listed{n + 1, up.part(n+1, pattern(size))})
		}
		done := up.complete(parts...)
		g.want(done, 200, "")
		a := g.do(call{method: "HEAD", target: "/bkt/" + key})
		if a.status != 200 || a.header.Get("Content-Length") != fmt.Sprint(len(whole)) || a.header.Get("X-Amz-Storage-Class") != "GLACIER" || !strings.Contains(string(done.body), strings.Trim(a.header.Get("ETag"), `"`)) {
			t.Errorf("HEAD of %v: %d %v, Complete said %s", sizes, a.status, a.header, done.body)
		}
		g.want(g.get("/bkt/"+key), 403, "InvalidObjectState")
		tier.restores[key] = thawed
		if a := g.get("/bkt/" + key); a.status != 200 || !bytes.Equal(a.body, whole) || a.header.Get("X-Amz-Meta-A") != "1" {
			t.Errorf("%v after its restore: %d, %d bytes", sizes, a.status, len(a.body))
		}
	}
	g.onlyObjects("k0", "k1", "k2")
}

// TestUploadIntoTheArchiveIsLookedAt: a store that made another object of the parts, or
// removed it, is not told of as a success; another writer's object is the later one.
func TestUploadIntoTheArchiveIsLookedAt(t *testing.T) {
	for name, c := range map[string]struct {
		now    func(m *memory)
		status int
		code   string
	}{
		"cut":      {func(m *memory) { o := m.buckets["bkt"]["k"]; o.data = o.data[:len(o.data)-1] }, 500, "InternalError"},
		"removed":  {func(m *memory) { delete(m.buckets["bkt"], "k") }, 503, "ServiceUnavailable"},
		"replaced": {func(m *memory) { o := *m.buckets["bkt"]["k"]; o.etag = `"another"`; m.buckets["bkt"]["k"] = &o }, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g, tier := newArchive(t)
			up := g.begin("/bkt/k", map[string]string{"x-amz-storage-class": "GLACIER"})
			etag := up.part(1, pattern(5<<20))
			tier.committed = func(key string) {
				if key == "k" {
					c.now(tier.memory)
				}
			}
			g.want(up.complete(listed{1, etag}), c.status, c.code)
		})
	}
}
