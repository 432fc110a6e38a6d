//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

// contractCase is one point of what PBS relies on.
type contractCase struct {
	name string
	run  func(*testing.T, *world)
}

// TestContract runs the cases that share one stack, side by side.
func TestContract(t *testing.T) {
	t.Parallel()
	w := start(t, nil, "")
	w.holds(t, append(contract(), []contractCase{
		{"TestA_Signatures", testSignatures},
		{"TestL_TLS", testTLS},
		{"TestM_IdleConnectionIsReused", testIdleConnection},
	}...))
}

// contract is what must hold whatever the proxy hides from the provider.
func contract() []contractCase {
	return []contractCase{
		{"TestB_CheckAndCreate", testCheckAndCreate},
		{"TestC_RoundTrips", testRoundTrips},
		{"TestD_IfNoneMatch", testIfNoneMatch},
		{"TestE_ListingOf2500Chunks", testListing},
		{"TestF_BatchDelete", testBatchDelete},
		{"TestG_CopyToBad", testCopy},
		{"TestI_FlippedByte", testFlippedByte},
		{"TestJ_StoresThatShareAPrefix", testSharedPrefix},
		{"TestK_StrictXML", testStrictXML},
		{"TestBackupRestoreVerifyCollectForgetRefresh", testBackupDay},
	}
}

// holds runs the cases side by side.
func (w *world) holds(t *testing.T, cases []contractCase) {
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(t, w)
			})
		}
	})
}

// (a) The vectors themselves are unit tests of the fake and of the verifier; here the live proxy takes each form.
func testSignatures(t *testing.T, w *world) {
	ctx := context.Background()
	c := w.client(t)
	key := "sig/.cnt/vm/100/2025-07-14T14:20:02Z/index.json.blob"
	_, err := c.Put(ctx, key, pbs.NewBody([]byte("hello")), false)
	must(t, err)
	if o, err := c.Get(ctx, key); err != nil || string(o.Body) != "hello" {
		t.Errorf("a key with a colon: %v", err)
	}
	// Clients before 1.2.3 sent and signed content-length: 0 on every request.
	conn, err := c.Dial(ctx)
	must(t, err)
	defer conn.Close()
	now := time.Now()
	r := pbs.Request{Method: "GET", Path: "/" + bucket + "/" + strings.ReplaceAll(key, ":", "%3A")}
	head := c.Render(r, append(signedHeaders(w.proxy.Address, emptySHA, now), pbs.Header{Name: "content-length", Value: "0"}), emptySHA, now)
	a := exchange(t, conn, head, nil)
	if a.status != 200 || string(a.body) != "hello" {
		t.Errorf("a signed content-length: 0 is answered %d: %s", a.status, a.body)
	}
	// A wait after signing: an honest request may be minutes old.
	slow := w.client(t, func(cfg *pbs.Config) { cfg.Now = func() time.Time { return time.Now().Add(-14 * time.Minute) } })
	if err := slow.HeadBucket(ctx); err != nil {
		t.Errorf("a signature of 14 minutes ago: %v", err)
	}
}

// (b)
func testCheckAndCreate(t *testing.T, w *world) {
	ctx := context.Background()
	d := w.datastore(t, "created")
	must(t, d.Check(ctx))
	must(t, d.Create(ctx))
	if err := d.Create(ctx); !errors.Is(err, pbs.ErrInUse) {
		t.Errorf("created twice: %v", err)
	}
	// Without path style the bucket is nowhere: HEAD / must fail, as 404.
	conn, err := d.Client.Dial(ctx)
	must(t, err)
	defer conn.Close()
	now := time.Now()
	if a := exchange(t, conn, d.Client.Render(pbs.Request{Method: "HEAD", Path: "/"}, signedHeaders(w.proxy.Address, emptySHA, now), emptySHA, now), nil); a.status != 404 {
		t.Errorf("HEAD / is answered %d, want 404", a.status)
	}
}

// (c)
func testRoundTrips(t *testing.T, w *world) {
	ctx := context.Background()
	c := w.client(t)
	for i, n := range []int{0, 1, 13, 65535, 65536, 65537, 4 << 20, 16<<20 + 44, 20<<20 + 1, 200 << 20} {
		key := fmt.Sprintf("trips/%d", n)
		body := random(uint64(i), n)
		if _, err := c.Put(ctx, key, pbs.NewBody(body), false); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		o, err := c.Get(ctx, key)
		if err != nil || !bytes.Equal(o.Body, body) {
			t.Fatalf("%d bytes do not come back: %v", n, err)
		}
		h, err := c.HeadObject(ctx, key)
		if err != nil || h.Size != int64(n) || h.ETag != o.ETag || !h.LastModified.Equal(o.LastModified) {
			t.Errorf("%d bytes: HEAD %+v, %v; GET said %s %v", n, h, err, o.ETag, o.LastModified)
		}
		l, err := c.ListAll(ctx, key)
		if err != nil || len(l) != 1 || l[0].Size != uint64(w.listed(int64(n))) || l[0].ETag != o.ETag {
			t.Errorf("%d bytes: listed as %+v, %v; GET said %s", n, l, err, o.ETag)
		}
	}
}

// (d)
func testIfNoneMatch(t *testing.T, w *world) {
	ctx := context.Background()
	c := w.client(t)
	for _, n := range []int{0, 1000, 4 << 20, 16 << 20} {
		key := fmt.Sprintf("inm/%d", n)
		first, second := random(1, n), random(2, n)
		if got, err := c.Put(ctx, key, pbs.NewBody(first), true); err != nil || got != pbs.Written {
			t.Fatalf("%d bytes, first: %v, %v", n, got, err)
		}
		// The client sends the whole body before it reads: an answer that cuts it off is an error here.
		if got, err := c.Put(ctx, key, pbs.NewBody(second), true); err != nil || got != pbs.Duplicate {
			t.Errorf("%d bytes, second: %v, %v", n, got, err)
		}
		if o, err := c.Get(ctx, key); err != nil || !bytes.Equal(o.Body, first) {
			t.Errorf("%d bytes: not the first body: %v", n, err)
		}
	}
	var written, duplicate atomic.Int64
	var winner atomic.Pointer[[]byte]
	var g errgroup.Group
	for i := range 50 {
		body := random(uint64(100+i), 256<<10)
		g.Go(func() error {
			got, err := c.Upload(ctx, "inm/race", pbs.NewBody(body), true)
			switch got {
			case pbs.Written:
				written.Add(1)
				winner.Store(&body)
			case pbs.Duplicate:
				duplicate.Add(1)
			}
			return err
		})
	}
	must(t, g.Wait())
	if written.Load() != 1 || duplicate.Load() != 49 {
		t.Errorf("%d winners, %d duplicates of 50", written.Load(), duplicate.Load())
	}
	if o, err := c.Get(ctx, "inm/race"); err != nil || !bytes.Equal(o.Body, *winner.Load()) {
		t.Errorf("the winner's body is not what is stored: %v", err)
	}
}

// chunks stores n small chunks with 64 PUTs in flight and returns their keys.
func chunks(t *testing.T, d *pbs.Datastore, n int) []string {
	t.Helper()
	var mu sync.Mutex
	var keys []string
	g, ctx := errgroup.WithContext(context.Background())
	g.SetLimit(64)
	for i := range n {
		g.Go(func() error {
			data := fmt.Appendf(nil, "chunk %d of %s", i, d.Name)
			key := d.ChunkKey(pbs.DigestOf(data))
			_, err := d.Client.Upload(ctx, key, pbs.NewBody(pbs.EncodeBlob(data)), true)
			mu.Lock()
			defer mu.Unlock()
			keys = append(keys, key)
			return err
		})
	}
	must(t, g.Wait())
	return keys
}

// (e)
func testListing(t *testing.T, w *world) {
	ctx := context.Background()
	d := w.datastore(t, "paged")
	keys := chunks(t, d, 2500)
	pages, seen := []int{}, map[string]bool{}
	prefix := d.Name + "/.chunks/"
	err := d.Client.List(ctx, prefix, func(p *pbs.Page) error {
		pages = append(pages, len(p.Entries))
		for _, e := range p.Entries {
			if seen[e.Key] {
				t.Errorf("%s is listed twice", e.Key)
			}
			seen[e.Key] = true
		}
		return nil
	})
	must(t, err)
	if fmt.Sprint(pages) != "[1000 1000 500]" || len(seen) != 2500 {
		t.Errorf("pages %v, %d keys", pages, len(seen))
	}
	for _, k := range keys {
		if !seen[k] {
			t.Errorf("%s is not listed", k)
		}
	}
	// Deleting what was listed does not move what was not.
	left := 0
	err = d.Client.List(ctx, prefix, func(p *pbs.Page) error {
		left += len(p.Entries)
		for batch := range batches(p.Entries, 100) {
			if failed, err := d.Client.DeleteMany(ctx, batch); err != nil || len(failed) > 0 {
				return fmt.Errorf("%v %v", failed, err)
			}
		}
		return nil
	})
	must(t, err)
	if left != 2500 {
		t.Errorf("%d of 2500 keys were seen while they were deleted", left)
	}
	// An empty last page: everything behind the first page goes between the two calls.
	keys = chunks(t, d, 1001)
	first, err := d.Client.ListPage(ctx, prefix, "")
	must(t, err)
	if !first.Truncated {
		t.Fatal("1001 keys fit on a page")
	}
	_, err = d.Client.DeleteMany(ctx, keys[:1000])
	must(t, err)
	_, err = d.Client.DeleteMany(ctx, keys[1000:])
	must(t, err)
	last, err := d.Client.ListPage(ctx, prefix, first.NextToken)
	must(t, err)
	if len(last.Entries) != 0 || last.Truncated {
		t.Errorf("the last page holds %d keys, truncated %v", len(last.Entries), last.Truncated)
	}
}

// batches yields the keys of entries, n at a time.
func batches(entries []pbs.Entry, n int) func(func([]string) bool) {
	return func(yield func([]string) bool) {
		for len(entries) > 0 {
			m := min(n, len(entries))
			var keys []string
			for _, e := range entries[:m] {
				keys = append(keys, e.Key)
			}
			if !yield(keys) {
				return
			}
			entries = entries[m:]
		}
	}
}

// (f)
func testBatchDelete(t *testing.T, w *world) {
	ctx := context.Background()
	d := w.datastore(t, "batch")
	for _, n := range []int{100, 1000} {
		keys := chunks(t, d, n/2)
		for i := range n - len(keys) {
			keys = append(keys, d.ChunkKey(pbs.DigestOf(fmt.Appendf(nil, "missing %d", i))))
		}
		rand.Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		failed, err := d.Client.DeleteMany(ctx, keys)
		if err != nil || len(failed) > 0 {
			t.Errorf("batch of %d: %v, %v", n, failed, err)
		}
		if left, err := d.Client.ListAll(ctx, d.Name+"/"); err != nil || len(left) != 0 {
			t.Errorf("batch of %d left %d keys, %v", n, len(left), err)
		}
	}
	must(t, d.Client.Delete(ctx, "batch/missing"))
}

// (g)
func testCopy(t *testing.T, w *world) {
	ctx := context.Background()
	c := w.client(t)
	for i, n := range []int{0, 13, 4<<20 + 12, 16<<20 + 44, 40 << 20} {
		from, to := fmt.Sprintf("copy/.cnt/vm/1/2025-07-14T14:20:02Z/%d", n), fmt.Sprintf("copy/2025-07-14T14:20:02Z/%d.0.bad", n)
		body := random(uint64(i+10), n)
		_, err := c.Put(ctx, from, pbs.NewBody(body), false)
		must(t, err)
		if err := c.Copy(ctx, from, to); err != nil {
			t.Errorf("%d bytes: %v", n, err)
			continue
		}
		if o, err := c.Get(ctx, to); err != nil || !bytes.Equal(o.Body, body) {
			t.Errorf("%d bytes: the copy differs: %v", n, err)
		}
		if o, err := c.Get(ctx, from); err != nil || !bytes.Equal(o.Body, body) {
			t.Errorf("%d bytes: the source differs: %v", n, err)
		}
	}
	if err := c.Copy(ctx, "copy/absent", "copy/x"); !errors.Is(err, pbs.ErrAbsent) {
		t.Errorf("copying an absent object: %v", err)
	}
}

// (i) A flip anywhere is an error that is not 404, or a body that breaks off; never other bytes.
func testFlippedByte(t *testing.T, w *world) {
	ctx := context.Background()
	c, raw := w.client(t, once), w.direct(t)
	rng := rand.New(rand.NewPCG(seed(t), 1))
	for _, n := range []int{0, 13, 4<<20 + 12, 24 << 20} {
		key := fmt.Sprintf("flip/%d", n)
		body := random(uint64(n), n)
		_, err := c.Put(ctx, key, pbs.NewBody(body), false)
		must(t, err)
		stored := w.name(t, key)
		o, err := raw.Get(ctx, stored)
		must(t, err)
		places := []int{0, 4, 40, 200, 1023, len(o.Body) / 2, len(o.Body) - 1}
		for range 6 {
			places = append(places, rng.IntN(len(o.Body)))
		}
		for _, at := range places {
			bad := bytes.Clone(o.Body)
			bad[at] ^= 1 << rng.IntN(8)
			_, err := raw.Put(ctx, stored, pbs.NewBody(bad), false)
			must(t, err)
			got, err := c.Get(ctx, key)
			switch s := status(err); {
			case err == nil:
				t.Errorf("%d bytes, flip at %d: served, equal %v", n, at, bytes.Equal(got.Body, body))
			case s == 503 && at >= 10 && at < 18: // the key's id: another key may be meant
			case s == 404 || s != 500 && !(n > 20<<20 && pbs.IsTransport(err)):
				t.Errorf("%d bytes, flip at %d: %v", n, at, err)
			}
		}
		_, err = raw.Put(ctx, stored, pbs.NewBody(o.Body), false)
		must(t, err)
		if got, err := c.Get(ctx, key); err != nil || !bytes.Equal(got.Body, body) {
			t.Errorf("%d bytes, put back: %v", n, err)
		}
	}
}

// (j)
func testSharedPrefix(t *testing.T, w *world) {
	ctx := context.Background()
	foo, foo2 := w.datastore(t, "foo"), w.datastore(t, "foo2")
	a, b := chunks(t, foo, 20), chunks(t, foo2, 30)
	for _, c := range []struct {
		prefix string
		want   int
	}{{"foo/", len(a)}, {"foo2/", len(b)}, {"foo/.chunks/", len(a)}, {"foo", len(a) + len(b)}, {"foo/.chunks/zzzz", 0}} {
		if l, err := foo.Client.ListAll(ctx, c.prefix); err != nil || len(l) != c.want {
			t.Errorf("prefix %q lists %d keys, want %d; %v", c.prefix, len(l), c.want, err)
		}
	}
	must(t, foo.Destroy(ctx))
	if l, err := foo2.Client.ListAll(ctx, "foo2/"); err != nil || len(l) != len(b) {
		t.Errorf("destroying foo left %d of %d keys of foo2, %v", len(l), len(b), err)
	}
	// Groups share prefixes too, and are matched byte by byte.
	for _, k := range []string{"vm/100/owner", "vm/1001/owner"} {
		_, err := foo.Client.Put(ctx, "groups/.cnt/"+k, pbs.NewBody([]byte("o")), false)
		must(t, err)
	}
	if l, err := foo.Client.ListAll(ctx, "groups/.cnt/vm/100"); err != nil || len(l) != 2 {
		t.Errorf("%d keys, %v", len(l), err)
	}
}

// (k) Every answer of the other cases went through the strict reader; here each kind once, with errors.
func testStrictXML(t *testing.T, w *world) {
	ctx := context.Background()
	c := w.client(t, once)
	names, err := c.ListBuckets(ctx)
	if err != nil || len(names) != 1 || names[0] != bucket {
		t.Errorf("buckets %v, %v", names, err)
	}
	key := `xml/<a>&"b" 'ü' 😀`
	_, err = c.Put(ctx, key, pbs.NewBody([]byte("x")), false)
	must(t, err)
	if l, err := c.ListAll(ctx, "xml/<"); err != nil || len(l) != 1 || l[0].Key != key {
		t.Errorf("listed %+v, %v", l, err)
	}
	if l, err := c.ListAll(ctx, "xml/nothing"); err != nil || len(l) != 0 {
		t.Errorf("listed %+v, %v", l, err)
	}
	must(t, c.Copy(ctx, key, "xml/copy"))
	if failed, err := c.DeleteMany(ctx, []string{"xml/copy", "xml/missing"}); err != nil || len(failed) > 0 {
		t.Errorf("%v, %v", failed, err)
	}
	var s *pbs.StatusError
	if _, err := c.Get(ctx, "xml/missing"); !errors.As(err, &s) || s.Code != "NoSuchKey" {
		t.Errorf("absent: %v", err)
	}
	if err := c.Bucket("elsewhere").HeadBucket(ctx); status(err) != 403 && status(err) != 404 {
		t.Errorf("another bucket: %v", err)
	}
}

// (l) No ALPN, no SNI for an IP, self-signed, the fingerprint in either case.
func testTLS(t *testing.T, w *world) {
	ctx := context.Background()
	for name, change := range map[string]func(*pbs.Config){
		"lower":     func(c *pbs.Config) { c.Fingerprint = strings.ToLower(c.Fingerprint) },
		"upper":     func(c *pbs.Config) { c.Fingerprint = strings.ToUpper(c.Fingerprint) },
		"localhost": func(c *pbs.Config) { c.Address = strings.Replace(c.Address, "127.0.0.1", "localhost", 1) },
	} {
		if err := w.client(t, once, change).HeadBucket(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, fp := range map[string]string{"none": "", "another": pbs.FormatFingerprint([]byte("another"))} {
		if err := w.client(t, once, func(c *pbs.Config) { c.Fingerprint = fp }).HeadBucket(ctx); !errors.Is(err, pbs.ErrFingerprint) {
			t.Errorf("fingerprint %s: %v", name, err)
		}
	}
	if err := w.client(t, once, func(c *pbs.Config) { c.PlainHTTP = true }).HeadBucket(ctx); err == nil {
		t.Error("plain HTTP is served on the TLS port")
	}
}

// (m)
func testIdleConnection(t *testing.T, w *world) {
	ctx := context.Background()
	c := w.client(t, once)
	conn, err := c.Dial(ctx)
	must(t, err)
	defer conn.Close()
	ask := func() answer {
		now := time.Now()
		return exchange(t, conn, c.Head(pbs.Request{Method: "HEAD", Path: "/" + bucket + "/"}, now), nil)
	}
	if a := ask(); a.status != 200 {
		t.Fatalf("answered %d", a.status)
	}
	time.Sleep(85 * time.Second)
	if a := ask(); a.status != 200 {
		t.Errorf("after 85 s idle: answered %d", a.status)
	}
}

// testBackupDay is a day of PBS with 64 PUTs in flight.
func testBackupDay(t *testing.T, w *world) {
	ctx := context.Background()
	d := w.datastore(t, "day")
	must(t, d.Create(ctx))
	data := random(5, 25*pbs.ChunkSize+777)
	copy(data[3*pbs.ChunkSize:], data[:pbs.ChunkSize])
	monday := pbs.Snapshot{Type: "vm", ID: "100", Time: time.Date(2026, 1, 5, 1, 2, 3, 0, time.UTC)}
	tuesday := pbs.Snapshot{Type: "vm", ID: "100", Time: monday.Time.Add(24 * time.Hour)}
	st, err := d.Backup(ctx, monday, "drive-scsi0.img", bytes.NewReader(data))
	must(t, err)
	if st.Chunks != 26 || st.Plain != int64(len(data)) {
		t.Errorf("%+v", st)
	}
	changed := bytes.Clone(data)
	copy(changed[10*pbs.ChunkSize:], random(6, pbs.ChunkSize))
	st, err = d.Backup(ctx, tuesday, "drive-scsi0.img", bytes.NewReader(changed))
	must(t, err)
	if st.Uploaded != 1 {
		t.Errorf("the second day uploaded %d chunks, want 1", st.Uploaded)
	}
	for snap, want := range map[pbs.Snapshot][]byte{monday: data, tuesday: changed} {
		var out bytes.Buffer
		if _, err := d.Restore(ctx, snap, "drive-scsi0.img", &out); err != nil || !bytes.Equal(out.Bytes(), want) {
			t.Errorf("restore of %s: %v", snap.Dir(), err)
		}
	}
	v, err := d.Verify(ctx, monday, "drive-scsi0.img")
	if err != nil || v.Good != 25 || len(v.Renamed)+len(v.Errors) > 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
	// A chunk that the backend changed is an error of the endpoint, and stays where it is.
	key := w.name(t, d.ChunkKey(pbs.DigestOf(data[:pbs.ChunkSize])))
	raw := w.direct(t)
	o, err := raw.Get(ctx, key)
	must(t, err)
	bad := bytes.Clone(o.Body)
	bad[len(bad)/3] ^= 4
	_, err = raw.Put(ctx, key, pbs.NewBody(bad), false)
	must(t, err)
	hasty := &pbs.Datastore{Client: w.client(t, once), Name: d.Name, Listed: w.listed}
	must(t, hasty.Reimport(ctx))
	v, err = hasty.Verify(ctx, monday, "drive-scsi0.img")
	if err != nil || len(v.Errors) != 1 || len(v.Renamed) != 0 {
		t.Errorf("verify of a changed chunk: %+v, %v", v, err)
	}
	_, err = raw.Put(ctx, key, pbs.NewBody(o.Body), false)
	must(t, err)
	// One that is proven absent is renamed by PBS; the next backup brings it back.
	must(t, raw.Delete(ctx, key))
	v, err = d.Verify(ctx, monday, "drive-scsi0.img")
	if err != nil || len(v.Renamed) != 1 {
		t.Errorf("verify of an absent chunk: %+v, %v", v, err)
	}
	wednesday := pbs.Snapshot{Type: "vm", ID: "100", Time: monday.Time.Add(48 * time.Hour)}
	if st, err = d.Backup(ctx, wednesday, "drive-scsi0.img", bytes.NewReader(data)); err != nil || st.Uploaded != 1 {
		t.Errorf("%+v, %v", st, err)
	}
	// Nothing referenced is collected; a stray chunk goes.
	chunks(t, d, 150)
	gc, err := d.Collect(ctx)
	if err != nil || gc.Removed != 150 || gc.Kept != 27 {
		t.Errorf("collect: %+v, %v", gc, err)
	}
	must(t, d.Forget(ctx, tuesday))
	before := fmt.Sprint(d.Tree())
	must(t, d.Reimport(ctx))
	if after := fmt.Sprint(d.Tree()); after != before || !strings.Contains(after, "2026-01-05") || strings.Contains(after, "2026-01-06") {
		t.Errorf("the tree was\n%s\nand after a refresh is\n%s", before, after)
	}
	if gc, err = d.Collect(ctx); err != nil || gc.Removed != 2 { // the changed chunk, and the zero chunk, which has no marker now
		t.Errorf("collect after forget: %+v, %v", gc, err)
	}
	var out bytes.Buffer
	if _, err := d.Restore(ctx, monday, "drive-scsi0.img", &out); err != nil || !bytes.Equal(out.Bytes(), data) {
		t.Errorf("restore at the end: %v", err)
	}
	must(t, d.Destroy(ctx))
	if l, err := d.Client.ListAll(ctx, "day/"); err != nil || len(l) != 0 {
		t.Errorf("destroy left %d keys, %v", len(l), err)
	}
}
