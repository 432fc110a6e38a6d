package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// done is what of a list of calls changes the store, without the bucket's state.
func (g *rig) done(since int) (ops []string) {
	for _, c := range g.store.callsSince(since) {
		op, key, _ := strings.Cut(c, " bkt/")
		if key == "k" && op != "Get" && op != "Head" {
			ops = append(ops, op)
		}
	}
	return ops
}

// TestPartsAreSentBesideEachOther: as many as there are threads, the object is the same to
// whoever reads it, and so is what was declared of it.
func TestPartsAreSentBesideEachOther(t *testing.T) {
	for name, change := range map[string]func(*Config){"plain": func(*Config) {}, "md5": withMD5, "padded": paddedSizes, "small limit": func(c *Config) { c.WholeObject = 6 << 20 }} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "md5" {
				t.Skip("one of the ways is enough for a short run")
			}
			g, l := threaded(t, 3, 0, change)
			one := g.over(1, 0, change)
			body := pattern(25<<20 + 12_345)
			with := map[string]string{"content-type": "text/x-test", "x-amz-meta-a": "b", "x-amz-storage-class": "STANDARD_IA", "x-amz-tagging": "a=b",
				"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "2099-01-01T00:00:00Z"}
			one.want(one.do(call{method: "PUT", target: "/bkt/one", body: body, header: with}), 200, "")
			l.meet(3)
			n := g.store.count()
			put := g.do(call{method: "PUT", target: "/bkt/k", body: body, header: with})
			g.want(put, 200, "")
			ops := g.done(n)
			if l.most != 3 || len(ops) < 6 || ops[0] != "CreateUpload" || ops[len(ops)-1] != "CompleteUpload" || slices.Contains(ops, "Put") {
				t.Errorf("%d parts at once; %q", l.most, ops)
			}
			was, is := g.store.buckets["bkt"]["one"], g.store.buckets["bkt"]["k"]
			if len(was.data) != len(is.data) || was.with != is.with || is.with.StorageClass != "STANDARD_IA" || is.with.Tagging == "" || is.with.LockMode == "" {
				t.Errorf("stored %d bytes with %+v, want %d with %+v", len(is.data), is.with, len(was.data), was.with)
			}
			for _, reader := range []*rig{g, one} {
				a := reader.get("/bkt/k")
				if a.status != 200 || !bytes.Equal(a.body, body) {
					t.Fatalf("%d, %d bytes, %v", a.status, len(a.body), a.err)
				}
				want := undated(reader.get("/bkt/one").header)
				if name != "md5" { // else it is of the content
					want.Set("ETag", put.header.Get("ETag"))
				}
				got := undated(a.header)
				for _, h := range []string{"Content-Type", "X-Amz-Meta-A", "Content-Length", "Etag", "X-Amz-Storage-Class", "X-Amz-Object-Lock-Mode"} {
					if got.Get(h) != want.Get(h) {
						t.Errorf("%s: %q, want %q", h, got.Get(h), want.Get(h))
					}
				}
			}
			g.turnsEnded()
		})
	}
}

// TestNothingUnprovedIsCompleted: a body that is not what its client declared, or that ends
// early, or a part that fails, leaves nothing, and the upload is given up once.
func TestNothingUnprovedIsCompleted(t *testing.T) {
	g, l := threaded(t, 4, 0)
	body := pattern(26 << 20)
	sum := sha256.Sum256([]byte("another"))
	fine := func(int) error { return nil }
	for name, x := range map[string]struct {
		call   call
		onPart func(int) error
		status int
	}{
		"SHA-256":   {call{body: body, sha: fmt.Sprintf("%x", sum)}, fine, 400},
		"MD5":       {call{body: body, header: map[string]string{"content-md5": base64.StdEncoding.EncodeToString(sum[:16])}}, fine, 400},
		"checksum":  {call{body: body, header: map[string]string{"x-amz-checksum-sha256": base64.StdEncoding.EncodeToString(sum[:])}}, fine, 400},
		"part 1":    {call{body: body}, failing(1), 503},
		"part 2":    {call{body: body}, failing(2), 503},
		"last part": {call{body: body}, failing(4), 503},
	} {
		t.Run(name, func(t *testing.T) {
			x.call.method, x.call.target = "PUT", "/bkt/k"
			l.onPart = x.onPart
			n := g.store.count()
			g.want(g.do(x.call), x.status, "")
			l.onPart = nil
			ops := g.done(n)
			if slices.Contains(ops, "CompleteUpload") || slices.Contains(ops, "Put") || ops[len(ops)-1] != "AbortUpload" || len(g.store.uploads) != 0 {
				t.Errorf("%q, uploads %v", ops, len(g.store.uploads))
			}
			g.want(g.get("/bkt/k"), 404, "NoSuchKey")
			g.turnsEnded()
		})
	}
}

func failing(part int) func(int) error {
	return func(n int) error {
		if n == part {
			return fault4(backend.Busy, "UploadPart")
		}
		return nil
	}
}

// TestClientWhoLeavesAnUploadLeavesNothing, in whichever part.
func TestClientWhoLeavesAnUploadLeavesNothing(t *testing.T) {
	g, _ := threaded(t, 3, 0)
	g.put("/bkt/first", nil)
	raw := call{method: "PUT", target: "/bkt/k", body: pattern(40 << 20)}.raw(g.addr)
	for _, sent := range []int{1 << 20, 12 << 20, 30 << 20, len(raw) - 1} {
		n := g.store.count()
		conn := g.dial()
		if _, err := io.Copy(conn, bytes.NewReader(raw[:sent])); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(20 * time.Second); !slices.Contains(g.done(n), "CreateUpload"); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("nothing begins")
			}
		}
		conn.Close()
		g.moves("active_requests", at(0))
		g.turnsEnded()
		ops := g.done(n)
		if slices.Contains(ops, "CompleteUpload") || slices.Contains(ops, "Put") {
			t.Errorf("after %d bytes: %q", sent, ops)
		}
		g.store.mu.Lock()
		left := len(g.store.uploads)
		g.store.mu.Unlock()
		if left != 0 {
			t.Errorf("after %d bytes: %d uploads are left", sent, left)
		}
	}
	g.want(g.get("/bkt/k"), 404, "NoSuchKey")
}

// TestWhatThreadsLeaveAlone: small objects, those under a condition, those with a hint, and
// all of them while memory is short, are sent as ever.
func TestWhatThreadsLeaveAlone(t *testing.T) {
	large, small := pattern(threadsFrom+1), pattern(threadsFrom)
	for name, x := range map[string]struct {
		body   []byte
		header map[string]string
		change func(*Config)
		held   int64
		want   []string
	}{
		"small":     {body: small, want: []string{"Put"}},
		"large":     {body: large, want: []string{"CreateUpload", "UploadPart", "UploadPart", "UploadPart", "CompleteUpload"}},
		"condition": {body: large, header: map[string]string{"if-none-match": "*"}, want: []string{"Put"}},
		"hint":      {body: large, change: func(c *Config) { c.BlockHint = true }, want: []string{"Put"}},
		"memory":    {body: large, held: 90 << 20, want: []string{"Put"}},
	} {
		t.Run(name, func(t *testing.T) {
			if x.change == nil {
				x.change = func(*Config) {}
			}
			g, _ := threaded(t, 2, 0, x.change)
			g.put("/bkt/first", nil)
			res, err := g.engine.Reserve(t.Context(), x.held)
			if err != nil {
				t.Fatal(err)
			}
			n := g.store.count()
			g.want(g.do(call{method: "PUT", target: "/bkt/k", body: x.body, header: x.header}), 200, "")
			if got := g.done(n); !slices.Equal(got, x.want) {
				t.Errorf("%q, want %q", got, x.want)
			}
			if told := g.value("backend_threads_withheld_total") > 0; told != (x.held > 0) {
				t.Errorf("told %v", told)
			}
			res.Release()
			if a := g.get("/bkt/k"); !bytes.Equal(a.body, x.body) {
				t.Errorf("%d, %d bytes", a.status, len(a.body))
			}
		})
	}
}

// TestLockedBucketsGetWholeObjects: Amazon S3 refuses "Put Part requests with Object Lock parameters" that have no checksum.
func TestLockedBucketsGetWholeObjects(t *testing.T) {
	for name, x := range map[string]struct {
		reply *backend.Reply
		want  string
	}{
		"locked":     {lockReply(200, "", lockEnabled), "Put"},
		"unknown":    {lockReply(503, "SlowDown", ""), "Put"},
		"not locked": {lockReply(404, "ObjectLockConfigurationNotFoundError", ""), "CreateUpload"},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := newLockingRig(t, x.reply, func(c *Config) { c.Threads = 2 })
			g.put("/bkt/first", nil)
			n := g.store.count()
			g.put("/bkt/k", pattern(threadsFrom+1))
			if got := g.done(n); got[0] != x.want {
				t.Errorf("%q, want %s", got, x.want)
			}
			g.turnsEnded()
		})
	}
}

// TestConditionOfManyPartsIsHeld: above WholeObject a conditional upload is in parts, and its
// completion is what the condition is of.
func TestConditionOfManyPartsIsHeld(t *testing.T) {
	g, _ := threaded(t, 3, 0, func(c *Config) { c.WholeObject = 6 << 20 })
	create := call{method: "PUT", target: "/bkt/k", body: pattern(21 << 20), header: map[string]string{"if-none-match": "*"}}
	g.want(g.do(create), 200, "")
	create.body = pattern(22 << 20)
	g.want(g.do(create), 412, "PreconditionFailed")
	if a := g.get("/bkt/k"); len(a.body) != 21<<20 || len(g.store.uploads) != 0 {
		t.Errorf("%d bytes, %d uploads left", len(a.body), len(g.store.uploads))
	}
}

// TestPlansOfParts: whatever the size and the threads, S3 takes the parts, and memory is
// what the threads need.
func TestPlansOfParts(t *testing.T) {
	g := newRig(t)
	ring, err := g.keys.Ring()
	if err != nil {
		t.Fatal(err)
	}
	at, err := format.NewContext([16]byte{1}, "k")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{1, 5 << 20, threadsFrom + 1, 64 << 20, 1 << 30, 80 << 30, 1 << 40, format.MaxPlainSize} {
		sealer, err := format.NewSealer(ring.(*format.Keyring), at, format.Meta{PlainSize: size}, format.SealOptions{BlockSize: 1024})
		if err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		for threads := 1; threads <= 64; threads++ {
			p := planParts(sealer, g.engine, threads)
			if p.parts > 10_000 || p.plainPerPart < minPart || p.plainPerPart > 5<<30 || p.threads < 1 || p.threads > threads || p.plainPerPart%format.SegmentSize != 0 || p.parts != max(1, (size+p.plainPerPart-1)/p.plainPerPart) {
				t.Errorf("%d bytes, %d threads: %+v", size, threads, p)
			}
			if threads > 2 && p.memory < last {
				t.Errorf("%d bytes, %d threads: %d bytes of memory, %d for fewer", size, threads, p.memory, last)
			}
			last = p.memory
		}
	}
}
