package server

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// keepsVersions is a store whose versions can be asked for by relay, too.
type keepsVersions struct {
	*memory
	page   int                             // how many versions it lists at a time, 0: as many as were asked for
	erased func(version string)            // behind the removal of a version
	bucket func(ctx context.Context) error // before the removal of the bucket
}

func (v *keepsVersions) Relay(ctx context.Context, q backend.Question) (*backend.Reply, error) {
	if !q.Query.Has("versions") {
		return v.memory.Relay(ctx, q)
	}
	most, err := strconv.Atoi(q.Query.Get("max-keys"))
	if err != nil {
		return nil, err
	}
	if v.page > 0 {
		most = min(most, v.page)
	}
	opt := backend.ListVersionsOptions{MaxKeys: most, Delimiter: q.Query.Get("delimiter"), KeyMarker: q.Query.Get("key-marker"), VersionMarker: q.Query.Get("version-id-marker")}
	page, err := v.memory.ListVersions(ctx, q.Bucket, opt)
	if err != nil {
		return nil, err
	}
	var doc strings.Builder
	doc.WriteString("<ListVersionsResult>")
	for _, p := range page.CommonPrefixes {
		fmt.Fprintf(&doc, "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", p)
	}
	for _, e := range page.Versions {
		root := map[bool]string{false: "Version", true: "DeleteMarker"}[e.Marker]
		fmt.Fprintf(&doc, "<%s><Key>%s</Key><VersionId>%s</VersionId><IsLatest>%v</IsLatest></%s>", root, e.Key, e.Version, e.Latest, root)
	}
	fmt.Fprintf(&doc, "<IsTruncated>%v</IsTruncated><NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>%s</NextVersionIdMarker></ListVersionsResult>",
		page.Truncated, page.NextKeyMarker, page.NextVersionMarker)
	return &backend.Reply{Status: 200, Body: []byte(doc.String())}, nil
}

func (v *keepsVersions) DeleteWith(ctx context.Context, bucket, key string, with backend.DeleteOptions) (backend.Deleted, error) {
	d, err := v.memory.DeleteWith(ctx, bucket, key, with)
	if v.erased != nil && with.Version != "" {
		v.erased(with.Version)
	}
	return d, err
}

func (v *keepsVersions) DeleteBucket(ctx context.Context, bucket string) error {
	if v.bucket != nil {
		if err := v.bucket(ctx); err != nil {
			return err
		}
	}
	return v.memory.DeleteBucket(ctx, bucket)
}

// states is how many versions of the state the bucket has.
func (v *keepsVersions) states() int {
	v.memory.mu.Lock()
	defer v.memory.mu.Unlock()
	return len(v.memory.history["bkt"][format.StateKey])
}

// TestRemovalTakesNoStateOfOthers: between the removal of a bucket's last state and that
// of the bucket another proxy may find it empty, and initialise it. What is written
// there then keeps its state, versions or not.
func TestRemovalTakesNoStateOfOthers(t *testing.T) {
	v := &keepsVersions{memory: newMemory("bkt")}
	v.versioning["bkt"] = "Enabled"
	lease := func(c *Config) { c.Backend, c.lease = v, 400*time.Millisecond }
	one, two := newRig(t, lease), newRig(t, lease)
	one.store, two.store = v.memory, v.memory
	one.put("/bkt/k", []byte("x"))
	version := one.do(call{method: "HEAD", target: "/bkt/k"}).header.Get(versionHeader)
	one.want(one.do(call{method: "DELETE", target: "/bkt/k?versionId=" + version}), 204, "")

	opened := false
	v.erased = func(string) {
		if v.states() > 0 || opened {
			return
		}
		opened = true
		if _, err := two.s.gate.open(context.Background(), two.keys.ring, "bkt", true); err != nil {
			t.Errorf("the empty bucket was not initialised: %v", err)
		}
	}
	acked := false
	write := func() {
		if !acked && opened {
			acked = two.do(call{method: "PUT", target: "/bkt/new", body: []byte("acknowledged")}).status == 200
		}
	}
	v.bucket = func(context.Context) error { write(); return nil }
	a := one.do(call{method: "DELETE", target: "/bkt"})
	v.erased, v.bucket = nil, nil
	if !opened {
		t.Fatal("the removal took no version of the state")
	}
	if write(); !acked {
		t.Fatal("nothing was written")
	}
	one.want(a, 409, "BucketNotEmpty")
	for _, g := range []*rig{two, one.beside(t, one.keys.ring)} {
		if b := g.get("/bkt/new"); string(b.body) != "acknowledged" {
			t.Errorf("an acknowledged object reads as %d %s", b.status, b.body)
		}
	}
}

// TestRemovalOfManyStates: every version of the state goes, however many pages there are
// of them, and none of them comes to life again on the way.
func TestRemovalOfManyStates(t *testing.T) {
	v := &keepsVersions{memory: newMemory("bkt")}
	v.versioning["bkt"] = "Enabled"
	g := newRig(t, quickly, func(c *Config) { c.Backend = v })
	g.store = v.memory
	g.put("/bkt/k", []byte("x"))
	version := g.do(call{method: "HEAD", target: "/bkt/k"}).header.Get(versionHeader)
	g.want(g.do(call{method: "DELETE", target: "/bkt/k?versionId=" + version}), 204, "")
	state := v.stored("bkt", format.StateKey)
	for range 2500 {
		if _, err := v.memory.Put(context.Background(), "bkt", format.StateKey, newBytesReader(state), int64(len(state)), backend.Conditions{}); err != nil {
			t.Fatal(err)
		}
	}
	closed := false
	v.erased = func(string) { closed = closed || v.stored("bkt", format.StateKey) != nil }
	g.want(g.do(call{method: "DELETE", target: "/bkt"}), 204, "")
	if closed {
		t.Error("an older state was the bucket's again")
	}
	if n := v.states(); n > 0 {
		t.Errorf("%d versions of the state are left", n)
	}
}

// TestRemovalSeesVersionsBehindAPage: an old version of an object that stands behind as many
// versions as the backend lists at a time keeps the bucket, and its state in place: without
// that, whoever writes next gives the bucket another, and the old version is lost.
func TestRemovalSeesVersionsBehindAPage(t *testing.T) {
	for _, behind := range []string{"old", "d/old"} {
		v := &keepsVersions{memory: newMemory("bkt"), page: 2}
		v.versioning["bkt"] = "Enabled"
		g := newRig(t, quickly, func(c *Config) { c.Backend = v })
		g.store = v.memory
		g.put("/bkt/"+behind, []byte("x"))
		version := g.do(call{method: "HEAD", target: "/bkt/" + behind}).header.Get(versionHeader)
		g.want(g.do(call{method: "DELETE", target: "/bkt/" + behind}), 204, "")
		state := v.stored("bkt", format.StateKey)
		for range 5 {
			if _, err := v.memory.Put(context.Background(), "bkt", format.StateKey, newBytesReader(state), int64(len(state)), backend.Conditions{}); err != nil {
				t.Fatal(err)
			}
		}
		before := v.count()
		g.want(g.do(call{method: "DELETE", target: "/bkt"}), 409, "BucketNotEmpty")
		for _, c := range v.callsSince(before) {
			if strings.HasPrefix(c, "Put") || strings.HasPrefix(c, "Delete") {
				t.Errorf("%s: a bucket that is not empty is changed: %s", behind, c)
			}
		}
		if a := g.get("/bkt/" + behind + "?versionId=" + version); string(a.body) != "x" {
			t.Errorf("%s reads as %d %s", behind, a.status, a.body)
		}
	}
}

// A backend whose pages lead nowhere keeps its bucket.
func TestRemovalEndsWhereAPageLeadsNowhere(t *testing.T) {
	v := &keepsVersions{memory: newMemory("bkt"), page: 1}
	g := newRig(t, quickly, func(c *Config) { c.Backend = stuckVersions{v} })
	g.store = v.memory
	g.put("/bkt/k", []byte("x"))
	g.want(g.do(call{method: "DELETE", target: "/bkt/k"}), 204, "")
	g.want(g.do(call{method: "DELETE", target: "/bkt"}), 503, "ServiceUnavailable")
	g.put("/bkt/k", []byte("x"))
}

// stuckVersions says that there is always more, behind the same place.
type stuckVersions struct{ *keepsVersions }

func (s stuckVersions) Relay(ctx context.Context, q backend.Question) (*backend.Reply, error) {
	if !q.Query.Has("versions") {
		return s.keepsVersions.Relay(ctx, q)
	}
	return &backend.Reply{Status: 200, Body: []byte("<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>" + format.StateKey + "</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker></ListVersionsResult>")}, nil
}
