package server

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

func paddedSizes(c *Config) { c.PadSizes = []string{"bkt"} }

// Every way of a PUT pads; reads are exact, in full and in ranges; listings show the
// padded size and the store no other.
func TestPaddedObjects(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"whole": func(*Config) {},
		"parts": func(c *Config) { c.WholeObject = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, paddedSizes, change)
			for _, n := range []int{0, 1, 1000, 65535, 65537, 140_000, 5*mib - 1, 9*mib + 123_457, 18*mib + 1} {
				data := pattern(n)
				target := fmt.Sprintf("/bkt/k%d", n)
				g.put(target, data)
				want := format.SealedSize(format.DefaultBlockSize, format.PaddedSize(int64(n)))
				if got := len(g.store.stored("bkt", target[5:])); int64(got) != want {
					t.Errorf("%d: %d stored bytes, want %d", n, got, want)
				}
				if a := g.get(target); a.status != 200 || !bytes.Equal(a.body, data) {
					t.Fatalf("%d: %d, %d bytes, %v", n, a.status, len(a.body), a.err)
				}
				if a := g.do(call{method: "HEAD", target: target}); a.header.Get("Content-Length") != fmt.Sprint(n) {
					t.Errorf("%d: %v", n, a.header)
				}
				if n == 0 {
					continue
				}
				for _, r := range [][2]int{{0, 1}, {n / 2, n}, {n - 1, n}, {max(0, n-70_000), n}, {n / 3, n/3 + 1}} {
					a := g.ranged("GET", target, fmt.Sprintf("bytes=%d-%d", r[0], r[1]+10*(r[1]/n)-1))
					if a.status != 206 || !bytes.Equal(a.body, data[r[0]:r[1]]) {
						t.Errorf("%d, %v: %d, %d bytes", n, r, a.status, len(a.body))
					}
				}
				g.want(g.ranged("GET", target, fmt.Sprintf("bytes=%d-", n)), 416, "InvalidRange")
			}
			all, _ := g.entries(false, url.Values{"prefix": {"k1000"}})
			if len(all) != 1 || all[0] != "k1000 1024" {
				t.Errorf("%q", all)
			}
		})
	}
}

// A body that flows through memory is proved before its last bytes and its padding go
// out: a wrong digest leaves nothing.
func TestPaddedBodyIsProvedBeforeItsPadding(t *testing.T) {
	g := newRig(t, paddedSizes)
	g.put("/bkt/first", nil)
	hold, ok := g.engine.TryReserve(g.engine.Stats().Budget - 2*g.engine.Window())
	if !ok {
		t.Fatal("no budget to take")
	}
	defer hold.Release()
	data := pattern(5*mib + 1)
	g.put("/bkt/good", data)
	if a := g.get("/bkt/good"); !bytes.Equal(a.body, data) {
		t.Errorf("%d, %d bytes", a.status, len(a.body))
	}
	a := g.do(call{method: "PUT", target: "/bkt/bad", body: data, sha: strings.Repeat("0", 64)})
	if g.want(a, 400, "XAmzContentSHA256Mismatch"); g.store.stored("bkt", "bad") != nil {
		t.Error("a body that was not proved exists")
	}
}

// A body that is too large for memory goes out in parts while it arrives, with the limits
// as they are by default: it is padded as any other, read back exactly, and one that is
// wrong or cut leaves nothing.
func TestPaddedBodyLargerThanMemory(t *testing.T) {
	t.Parallel()
	whole := 64 * mib // the default
	if testing.Short() {
		whole = 20 * mib
	}
	g := newRig(t, paddedSizes, func(c *Config) { c.WholeObject = int64(whole) })
	n := whole + 3*format.SegmentSize + 77
	data := pattern(n)
	g.put("/bkt/large", data)
	parts := 0
	for _, c := range g.store.callsSince(0) {
		if strings.HasPrefix(c, "UploadPart bkt/large") {
			parts++
		}
	}
	if parts < 2 {
		t.Errorf("it was stored in %d parts", parts)
	}
	want := format.SealedSize(format.DefaultBlockSize, format.PaddedSize(int64(n)))
	if got := int64(len(g.store.stored("bkt", "large"))); got != want {
		t.Errorf("%d stored bytes, want %d", got, want)
	}
	if a := g.get("/bkt/large"); a.status != 200 || !bytes.Equal(a.body, data) {
		t.Fatalf("%d, %d bytes, %v", a.status, len(a.body), a.err)
	}
	for _, r := range [][2]int{{0, 100}, {16*mib - 10, 16*mib + 10}, {n - 70_000, n}, {n - 1, n}} {
		if a := g.ranged("GET", "/bkt/large", fmt.Sprintf("bytes=%d-%d", r[0], r[1]-1)); a.status != 206 || !bytes.Equal(a.body, data[r[0]:r[1]]) {
			t.Errorf("%v: %d, %d bytes", r, a.status, len(a.body))
		}
	}
	g.want(g.ranged("GET", "/bkt/large", fmt.Sprintf("bytes=%d-", n)), 416, "InvalidRange")
	before := bytes.Clone(g.store.stored("bkt", "large")[:format.DefaultBlockSize])
	g.want(g.do(call{method: "PUT", target: "/bkt/large", body: data, sha: strings.Repeat("0", 64)}), 400, "XAmzContentSHA256Mismatch")
	conn := g.dial()
	sent := call{method: "PUT", target: "/bkt/large", body: data}.raw(g.addr)
	conn.Write(sent[:len(sent)-2*mib])
	conn.Close()
	deadline := time.Now().Add(20 * time.Second)
	for g.engine.Stats().BudgetUsed != 0 {
		if time.Now().After(deadline) {
			t.Fatal("a body that was cut holds its memory")
		}
		time.Sleep(time.Millisecond)
	}
	if !bytes.Equal(before, g.store.stored("bkt", "large")[:format.DefaultBlockSize]) {
		t.Error("the object was replaced")
	}
	g.onlyObjects("large")
}

// Any change of a padded object is refused, of its padding too.
func TestTamperedPaddingIsRefused(t *testing.T) {
	g := newRig(t, paddedSizes)
	g.put("/bkt/k", pattern(40*format.SegmentSize+5))
	good := bytes.Clone(g.store.stored("bkt", "k"))
	filler := int(format.Filler(format.PaddedSize(40*format.SegmentSize + 5)))
	for name, edit := range map[string]func([]byte) []byte{
		"padding": func(b []byte) []byte { b[len(b)-filler-20] ^= 1; return b },
		"cut":     func(b []byte) []byte { return b[:len(b)-1] },
		"unpadded size": func(b []byte) []byte {
			return b[:format.SealedSize(format.DefaultBlockSize, 40*format.SegmentSize+5)]
		},
		"flag": func(b []byte) []byte { b[9] = 0; return b },
	} {
		g.store.tamper("bkt", "k", func([]byte) []byte { return edit(bytes.Clone(good)) })
		if a := g.get("/bkt/k"); a.status != 500 {
			t.Errorf("%s: %d, %d bytes", name, a.status, len(a.body))
		}
	}
}

// What cannot be padded is refused where sizes are promised to be hidden, with a
// reason, before anything is stored.
func TestPaddedBucketsRefuseWhatShowsSizes(t *testing.T) {
	g := newRig(t, paddedSizes)
	g.put("/bkt/k", pattern(1000))
	g.put("/other/k", pattern(1000))
	writes := g.store.count()
	a := g.do(call{method: "POST", target: "/bkt/parts?uploads"})
	if g.want(a, 501, "NotImplemented"); !strings.Contains(string(a.body), "multipart threshold") {
		t.Errorf("%s", a.body)
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/copy", header: map[string]string{"x-amz-copy-source": "/other/k"}}), 501, "NotImplemented")
	g.want(g.do(call{method: "PUT", target: "/other/copy", header: map[string]string{"x-amz-copy-source": "/bkt/k"}}), 501, "NotImplemented")
	for _, c := range g.store.callsSince(writes) {
		if strings.HasPrefix(c, "Put") || strings.HasPrefix(c, "Create") {
			t.Errorf("the backend was asked: %s", c)
		}
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/copy", header: map[string]string{"x-amz-copy-source": "/bkt/k"}}), 200, "")
	if a := g.get("/bkt/copy"); !bytes.Equal(a.body, pattern(1000)) {
		t.Errorf("%d, %d bytes", a.status, len(a.body))
	}
	u := g.begin("/other/parts", nil)
	g.want(u.do(call{method: "PUT", target: fmt.Sprintf("%s?partNumber=1&uploadId=%s", u.target, u.id), header: map[string]string{"x-amz-copy-source": "/bkt/k"}}), 200, "")
}
