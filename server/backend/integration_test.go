//go:build integration

package backend

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// realStore starts the S3 server named by S3SERVER_BIN (bench/versitygw) on a fresh directory.
func realStore(t *testing.T, args ...string) (client *Client, dir string) {
	t.Helper()
	bin := os.Getenv("S3SERVER_BIN")
	if bin == "" {
		t.Fatal("S3SERVER_BIN must name the S3 server: (cd bench/versitygw && go build -o ../../bin/versitygw .) and S3SERVER_BIN=$PWD/bin/versitygw")
	}
	dir = filepath.Join(t.TempDir(), "store")
	cmd := exec.Command(bin, append([]string{"-dir", dir, "-bucket", "bucket", "-parent-death"}, args...)...)
	cmd.Env = append(os.Environ(), "S3SERVER_ACCESS="+testAccess, "S3SERVER_SECRET="+testSecret)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("S3 server: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("S3 server did not start: %v", err)
	}
	endpoint, ok := strings.CutPrefix(strings.TrimSpace(line), "ready endpoint=")
	if !ok {
		t.Fatalf("S3 server said %q", line)
	}
	client = newTestClient(t, endpoint, func(c *Config) {
		c.AnswerTimeout, c.SlowTimeout, c.ProgressTimeout = time.Minute, time.Minute, 10*time.Second
	})
	t.Cleanup(client.Close)
	return client, dir
}

func TestRealStoreConformance(t *testing.T) {
	for _, args := range [][]string{nil, {"-sidecar"}, {"-keep-alive=false"}} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			c, _ := realStore(t, args...)
			t.Run("buckets", func(t *testing.T) { conformBuckets(t, c) })
			t.Run("objects", func(t *testing.T) { conformObjects(t, c) })
			t.Run("conditions", func(t *testing.T) { conformConditions(t, c) })
			t.Run("listing", func(t *testing.T) { conformListing(t, c) })
			t.Run("multipart", func(t *testing.T) { conformMultipart(t, c) })
		})
	}
}

func conformBuckets(t *testing.T, c *Client) {
	b, err := c.Buckets(ctx)
	if err != nil || len(b) != 1 || b[0].Name != "bucket" || b[0].Created.IsZero() {
		t.Errorf("buckets %+v, %v", b, err)
	}
	if err := c.HeadBucket(ctx, "bucket"); err != nil {
		t.Error(err)
	}
	wantKind(t, c.HeadBucket(ctx, "missing"), NoBucket)
	_, err = c.List(ctx, "missing", ListOptions{})
	wantKind(t, err, NoBucket)
	_, err = c.Put(ctx, "missing", "k", strings.NewReader("x"), 1, Conditions{})
	wantKind(t, err, NoBucket)
	_, err = c.Get(ctx, "missing", "k", GetOptions{})
	wantKind(t, err, NoBucket)
	wrong := newTestClient(t, c.config.Endpoint, func(c *Config) { c.SecretKey = "wrong" })
	wantKind(t, wrong.HeadBucket(ctx, "bucket"), Denied)
	// A store that closes with unread bytes resets the connection, and its answer may be
	// lost with it, each time it is asked: then the store is busy, and the next one asks again.
	for range 10 {
		if _, err = wrong.Put(ctx, "bucket", "k", bytes.NewReader(pattern(4<<20)), 4<<20, Conditions{IfNoneMatch: true}); KindOf(err) != Busy {
			break
		}
	}
	wantKind(t, err, Denied)
	unknown := newTestClient(t, c.config.Endpoint, func(c *Config) { c.AccessKey = "unknown" })
	_, err = unknown.Get(ctx, "bucket", "k", GetOptions{})
	wantKind(t, err, Denied)
}

func readAll(t *testing.T, c *Client, key string, opt GetOptions) ([]byte, *Object) {
	t.Helper()
	o, err := c.Get(ctx, "bucket", key, opt)
	if err != nil {
		t.Fatalf("%q: %v", key, err)
	}
	defer o.Body.Close()
	b, err := io.ReadAll(o.Body)
	if err != nil {
		t.Fatalf("%q: %v", key, err)
	}
	return b, o
}

func conformObjects(t *testing.T, c *Client) {
	for i, key := range []string{"plain", "dir/with space", "plus+percent%41", "q?a=b&c#d", "time/2026-06-05T10:20:30Z", "é€😀", "amp&lt;<>\"'", "tilde~*'()!"} {
		body := pattern(1000 * i)
		made, err := c.Put(ctx, "bucket", key, bytes.NewReader(body), int64(len(body)), Conditions{})
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		got, o := readAll(t, c, key, GetOptions{IfMatch: made.ETag})
		if !bytes.Equal(got, body) || o.ETag != made.ETag || o.Size != int64(len(body)) || time.Since(o.LastModified) > time.Hour {
			t.Errorf("%q: %d bytes, %+v", key, len(got), o)
		}
		h, err := c.Head(ctx, "bucket", key)
		if err != nil || h.Size != int64(len(body)) || h.ETag != made.ETag {
			t.Errorf("%q: head %+v, %v", key, h, err)
		}
	}
	body := pattern(5 << 20)
	if _, err := c.Put(ctx, "bucket", "large", stream{bytes.NewReader(body)}, 5<<20, Conditions{}); err != nil {
		t.Fatal(err)
	}
	got, o := readAll(t, c, "large", GetOptions{Range: &Range{1 << 20, 3<<20 - 1}})
	if !bytes.Equal(got, body[1<<20:3<<20]) || o.Size != 5<<20 {
		t.Errorf("range: %d bytes of %d", len(got), o.Size)
	}
	if got, _ := readAll(t, c, "large", GetOptions{Range: &Range{5<<20 - 10, 6 << 20}}); !bytes.Equal(got, body[5<<20-10:]) {
		t.Errorf("range over the end: %d bytes", len(got))
	}
	_, err := c.Get(ctx, "bucket", "large", GetOptions{Range: &Range{5 << 20, 6 << 20}})
	if wantKind(t, err, Invalid); !errors.Is(err, ErrRange) {
		t.Error(err)
	}
	_, err = c.Get(ctx, "bucket", "large", GetOptions{IfMatch: `"other"`})
	wantKind(t, err, Precondition)
	_, err = c.Get(ctx, "bucket", "missing", GetOptions{})
	wantKind(t, err, NotFound)
	_, err = c.Get(ctx, "bucket", "missing", GetOptions{Range: &Range{0, 1023}})
	wantKind(t, err, NotFound)
	_, err = c.Head(ctx, "bucket", "missing")
	wantKind(t, err, NotFound)
	for range 2 {
		if err := c.Delete(ctx, "bucket", "large"); err != nil {
			t.Error(err)
		}
	}
	rs, err := c.DeleteMany(ctx, "bucket", []string{"plain", "never", "amp&lt;<>\"'", "é€😀"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		if r.Err != nil {
			t.Errorf("%q: %v", r.Key, r.Err)
		}
		_, err := c.Head(ctx, "bucket", r.Key)
		wantKind(t, err, NotFound)
	}
}

func conformConditions(t *testing.T, c *Client) {
	for _, n := range []int{1000, 200 << 10, 4 << 20} {
		key := fmt.Sprintf("cond/%d", n)
		body, other := pattern(n), bytes.Repeat([]byte{7}, n)
		etag, err := put2(c, key, body, Conditions{IfNoneMatch: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = put2(c, key, other, Conditions{IfNoneMatch: true})
		wantKind(t, err, Precondition)
		_, err = put2(c, key, other, Conditions{IfMatch: `"00000000000000000000000000000000"`})
		wantKind(t, err, Precondition)
		if got, _ := readAll(t, c, key, GetOptions{}); !bytes.Equal(got, body) {
			t.Errorf("%d bytes: a refused upload changed the object", n)
		}
		if _, err := put2(c, key, other, Conditions{IfMatch: etag}); err != nil {
			t.Error(err)
		}
		if got, _ := readAll(t, c, key, GetOptions{}); !bytes.Equal(got, other) {
			t.Errorf("%d bytes: If-Match did not replace the object", n)
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	winners := 0
	for i := range 30 {
		wg.Go(func() {
			_, err := put2(c, "race", bytes.Repeat([]byte{byte(i)}, 200<<10), Conditions{IfNoneMatch: true})
			mu.Lock()
			defer mu.Unlock()
			switch KindOf(err) {
			case "":
				winners++
			case Precondition, Conflict:
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if winners != 1 {
		t.Errorf("%d of 30 parallel uploads won", winners)
	}
}

func put2(c *Client, key string, body []byte, cond Conditions) (string, error) {
	w, err := c.Put(context.Background(), "bucket", key, bytes.NewReader(body), int64(len(body)), cond)
	return w.ETag, err
}

func conformListing(t *testing.T, c *Client) {
	want := map[string]bool{}
	var keys []string
	for i := range 25 {
		k := fmt.Sprintf("list/%d/k+%02d é", i%3, i)
		if _, err := put2(c, k, pattern(i), Conditions{}); err != nil {
			t.Fatal(err)
		}
		want[k] = true
		keys = append(keys, k)
	}
	seen, pages := map[string]bool{}, 0
	for opt := (ListOptions{Prefix: "list/", MaxKeys: 10}); ; pages++ {
		p, err := c.List(ctx, "bucket", opt)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range p.Objects {
			seen[o.Key] = true
			if i := strings.LastIndex(o.Key, "+"); o.ETag == "" || fmt.Sprintf("%02d", o.Size) != o.Key[i+1:i+3] {
				t.Errorf("%+v", o)
			}
		}
		if !p.Truncated {
			break
		}
		opt.ContinuationToken = p.NextToken
	}
	if len(seen) != 25 || pages != 2 {
		t.Errorf("%d keys on %d pages", len(seen), pages+1)
	}
	for k := range seen {
		if !want[k] {
			t.Errorf("unknown key %q", k)
		}
	}
	p, err := c.List(ctx, "bucket", ListOptions{Prefix: "list/", Delimiter: "/"})
	if err != nil || len(p.Objects) != 0 || len(p.CommonPrefixes) != 3 || p.CommonPrefixes[2] != "list/2/" {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = c.List(ctx, "bucket", ListOptions{Prefix: "list/", StartAfter: "list/1/zzz"})
	if err != nil || len(p.Objects) != 8 {
		t.Errorf("start after: %+v, %v", p, err)
	}
	if p, err := c.List(ctx, "bucket", ListOptions{Prefix: "nothing/"}); err != nil || len(p.Objects) != 0 || p.Truncated {
		t.Errorf("empty: %+v, %v", p, err)
	}
	if _, err := c.DeleteMany(ctx, "bucket", keys); err != nil {
		t.Error(err)
	}
}

func conformMultipart(t *testing.T, c *Client) {
	source := pattern(6 << 20)
	srcTag, err := put2(c, "mp source+é", source, Conditions{})
	if err != nil {
		t.Fatal(err)
	}
	begin := func() (string, []Part) {
		t.Helper()
		id, err := c.CreateUpload(ctx, "bucket", "mp")
		if err != nil {
			t.Fatal(err)
		}
		p2, err := c.UploadPart(ctx, "bucket", "mp", id, 2, bytes.NewReader(pattern(1000)), 1000)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.CopyPart(ctx, "bucket", "mp", id, 1, CopySource{Bucket: "bucket", Key: "mp source+é", IfMatch: `"00000000000000000000000000000000"`}, Range{100, 5<<20 + 99})
		wantKind(t, err, Precondition)
		p1, err := c.CopyPart(ctx, "bucket", "mp", id, 1, CopySource{Bucket: "bucket", Key: "mp source+é", IfMatch: srcTag}, Range{100, 5<<20 + 99})
		if err != nil {
			t.Fatal(err)
		}
		return id, []Part{{2, p2}, {1, p1}}
	}
	id, parts := begin()
	made, err := c.CompleteUpload(ctx, "bucket", "mp", id, parts, Conditions{IfNoneMatch: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := multipartETag([]Part{parts[1], parts[0]}); strings.Trim(made.ETag, `"`) != want {
		t.Errorf("ETag %s, computed %s", made.ETag, want)
	}
	got, _ := readAll(t, c, "mp", GetOptions{})
	if !bytes.Equal(got, append(append([]byte(nil), source[100:5<<20+100]...), pattern(1000)...)) {
		t.Errorf("multipart object has %d other bytes", len(got))
	}
	id, parts = begin()
	_, err = c.CompleteUpload(ctx, "bucket", "mp", id, parts, Conditions{IfNoneMatch: true})
	wantKind(t, err, Precondition)
	_, err = c.CompleteUpload(ctx, "bucket", "mp", id, parts, Conditions{IfMatch: `"00000000000000000000000000000000"`})
	wantKind(t, err, Precondition)
	if _, err = c.CompleteUpload(ctx, "bucket", "mp", id, parts, Conditions{IfMatch: made.ETag}); err != nil {
		t.Error(err)
	}
	id, parts = begin()
	_, err = c.CompleteUpload(ctx, "bucket", "mp", id, []Part{{1, `"00000000000000000000000000000000"`}}, Conditions{})
	wantKind(t, err, Invalid)
	for range 2 {
		if err := c.AbortUpload(ctx, "bucket", "mp", id); err != nil {
			t.Error(err)
		}
	}
	_, err = c.UploadPart(ctx, "bucket", "mp", id, 1, bytes.NewReader(pattern(10)), 10)
	wantKind(t, err, Invalid)
	// versitygw claims to have completed it, because an object has the key.
	_, err = c.CompleteUpload(ctx, "bucket", "mp", id, parts[:1], Conditions{})
	wantKind(t, err, Busy)
	id, _ = begin()
	_, err = c.CopyPart(ctx, "bucket", "mp", id, 3, CopySource{Bucket: "bucket", Key: "missing"}, Range{0, 99})
	wantKind(t, err, NotFound)
}

// With keep-alive, and uploads that are all sent whole, connections are reused.
func TestRealStoreConnections(t *testing.T) {
	for _, keep := range []bool{true, false} {
		c, _ := realStore(t, fmt.Sprintf("-keep-alive=%v", keep))
		conns := countConns(c)
		for i := range 20 {
			if _, err := put2(c, fmt.Sprintf("k%d", i), pattern(1<<20), Conditions{IfNoneMatch: i%2 == 0}); err != nil {
				t.Fatal(err)
			}
		}
		n := conns.Load()
		t.Logf("keep-alive %v: 20 uploads took %d connections", keep, n)
		if want := int64(map[bool]int{true: 1, false: 20}[keep]); n != want {
			t.Errorf("keep-alive %v: %d connections, want %d", keep, n, want)
		}
		n = conns.Load()
		for range 10 {
			_, err := put2(c, "k0", pattern(1<<20), Conditions{IfNoneMatch: true})
			wantKind(t, err, Precondition)
		}
		t.Logf("keep-alive %v: 10 refused uploads took %d connections", keep, conns.Load()-n)
	}
}

// An object of the store is the file of its name, which other tests and the demo rely on.
func TestRealStoreKeepsObjectsAsFiles(t *testing.T) {
	c, dir := realStore(t)
	if _, err := put2(c, "a/b", pattern(1000), Conditions{}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "bucket", "a", "b")); err != nil || !bytes.Equal(got, pattern(1000)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
