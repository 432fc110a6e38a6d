//go:build integration

package integration

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// badRequest is a request that must be refused before the backend hears of it.
type badRequest struct {
	name   string
	method string
	path   string // below the bucket
	query  string
	body   []byte
	// change edits the headers before they are signed, after what they say of the body was added.
	change func(h map[string]string)
	// tamper edits the signed head.
	tamper func(head string) string
	skew   time.Duration
	send   int // bytes of the body really sent, if less; then the sending side is closed
	status int
	code   string
}

// badRequests is the table.
func badRequests() []badRequest {
	body := random(9, 300<<10)
	other := md5.Sum([]byte("other"))
	return []badRequest{
		{name: "wrong signature", method: "PUT", path: "bad", body: body, status: 403, code: "SignatureDoesNotMatch",
			tamper: otherSignature},
		{name: "unknown access key", method: "GET", path: "good", status: 403, code: "InvalidAccessKeyId",
			tamper: func(h string) string { return strings.Replace(h, "Credential=", "Credential=X", 1) }},
		{name: "unsigned", method: "GET", path: "good", status: 403, code: "AccessDenied",
			tamper: func(h string) string { return h[:strings.Index(h, "authorization:")] + "\r\n" }},
		{name: "header added in flight", method: "PUT", path: "bad", body: body, status: 403,
			tamper: func(h string) string {
				return strings.Replace(h, "authorization:", "x-amz-copy-source: "+bucket+"/good\r\nauthorization:", 1)
			}},
		{name: "clock behind", method: "PUT", path: "bad", body: body, skew: -20 * time.Minute, status: 403, code: "RequestTimeTooSkewed"},
		{name: "clock ahead", method: "GET", path: "good", skew: 20 * time.Minute, status: 403, code: "RequestTimeTooSkewed"},
		{name: "short body", method: "PUT", path: "bad", body: body, send: len(body) - 1, status: 400, code: "IncompleteBody"},
		{name: "wrong SHA-256", method: "PUT", path: "bad", body: body, status: 400, code: "XAmzContentSHA256Mismatch",
			change: func(h map[string]string) { h["x-amz-content-sha256"] = sha([]byte("other")) }},
		{name: "wrong MD5", method: "PUT", path: "bad", body: body, status: 400, code: "BadDigest",
			change: func(h map[string]string) { h["content-md5"] = base64.StdEncoding.EncodeToString(other[:]) }},
		{name: "malformed MD5", method: "PUT", path: "bad", body: body, status: 400, code: "InvalidDigest",
			change: func(h map[string]string) { h["content-md5"] = "short" }},
		{name: "oversized declared length", method: "PUT", path: "bad", body: body[:1], status: 400, code: "EntityTooLarge",
			change: func(h map[string]string) { h["content-length"] = fmt.Sprint(int64(6) << 30) }},
		{name: "absurd declared length", method: "PUT", path: "bad", body: body[:1], status: 400,
			change: func(h map[string]string) { h["content-length"] = "9223372036854775807" }},
		{name: "PUT ?torrent", method: "PUT", path: "good", query: "torrent", body: []byte("<x/>"), status: 501, code: "NotImplemented"},
		{name: "PUT ?restore", method: "PUT", path: "good", query: "restore", body: []byte("<A/>"), status: 501, code: "NotImplemented"},
		{name: "DELETE ?acl", method: "DELETE", path: "good", query: "acl", status: 501, code: "NotImplemented"},
		{name: "DELETE ?uploads", method: "DELETE", path: "good", query: "uploads", status: 501, code: "NotImplemented"},
		{name: "PUT ?unheardof", method: "PUT", path: "good", query: "unheardof=1", body: body, status: 501, code: "NotImplemented"},
		{name: "PUT ?versionId", method: "PUT", path: "good", query: "versionId=1", status: 501, code: "NotImplemented"},
		{name: "POST ?select", method: "POST", path: "good", query: "select", status: 501, code: "NotImplemented"},
		{name: "aws-chunked without its length", method: "PUT", path: "bad", body: body, status: 411, code: "MissingContentLength",
			change: func(h map[string]string) { h["x-amz-content-sha256"] = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" }},
		{name: "aws-chunked with ECDSA", method: "PUT", path: "bad", body: body, status: 501, code: "NotImplemented",
			change: func(h map[string]string) { h["x-amz-content-sha256"] = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD" }},
		{name: "reserved name", method: "PUT", path: format.StateKey, body: body, status: 403, code: "AccessDenied"},
		{name: "reserved name, GET", method: "GET", path: format.StateKey, status: 403, code: "AccessDenied"},
		{name: "foreign bucket", method: "PUT", path: "/elsewhere/bad", body: body, status: 403, code: "AccessDenied"},
		{name: "foreign bucket, GET", method: "GET", path: "/elsewhere/good", status: 403, code: "AccessDenied"},
		{name: "foreign source", method: "PUT", path: "bad", status: 403, code: "AccessDenied",
			change: func(h map[string]string) { h["x-amz-copy-source"] = "elsewhere/good" }},
	}
}

// otherSignature changes one digit of the signature, whatever digit stands there.
func otherSignature(head string) string {
	at := strings.Index(head, "Signature=") + len("Signature=")
	digit := "0"
	if head[at:at+1] == digit {
		digit = "1"
	}
	return head[:at] + digit + head[at+1:]
}

// deliver builds, signs, spoils and sends the request.
func (b badRequest) deliver(t *testing.T, w *world, c *pbs.Client) answer {
	t.Helper()
	now := time.Now().Add(b.skew)
	h := map[string]string{"host": w.proxy.Address, "x-amz-content-sha256": sha(b.body), "x-amz-date": now.UTC().Format("20060102T150405Z")}
	if b.method == "PUT" || b.method == "POST" {
		h["content-length"] = fmt.Sprint(len(b.body))
	}
	if b.change != nil {
		b.change(h)
	}
	var headers []pbs.Header
	for k, v := range h {
		headers = append(headers, pbs.Header{Name: k, Value: v})
	}
	path := "/" + bucket + "/" + b.path
	if strings.HasPrefix(b.path, "/") {
		path = b.path
	}
	head := string(c.Render(pbs.Request{Method: b.method, Path: path, Query: b.query}, headers, h["x-amz-content-sha256"], now))
	if b.tamper != nil {
		head = b.tamper(head)
	}
	conn, err := c.Dial(context.Background())
	must(t, err)
	defer conn.Close()
	body := b.body
	if b.send > 0 {
		body = body[:b.send]
		if _, err := conn.Write(append([]byte(head), body...)); err != nil {
			t.Fatal(err)
		}
		must(t, conn.(interface{ CloseWrite() error }).CloseWrite())
		return exchange(t, conn, []byte(b.method), nil)
	}
	return exchange(t, conn, []byte(head), body)
}

// TestBadInput: each is refused with S3's code, without a request to the backend, in bounded memory.
func TestBadInput(t *testing.T) {
	var tap *rig.Tap
	w := start(t, func(backend string) string {
		var err error
		tap, err = rig.StartTap(backend)
		must(t, err)
		return tap.Address
	}, "")
	t.Cleanup(tap.Close)
	ctx := context.Background()
	c := w.client(t, once)
	good := random(3, 100<<10)
	_, err := c.Put(ctx, "good", pbs.NewBody(good), false)
	must(t, err)
	before, err := w.proxy.Usage()
	must(t, err)

	for _, b := range badRequests() {
		t.Run(b.name, func(t *testing.T) {
			// The bucket's state is read again now and then; a read just before keeps that out of the count.
			if _, err := c.HeadObject(ctx, "good"); err != nil {
				t.Fatal(err)
			}
			tap.Reset()
			a := b.deliver(t, w, c)
			if a.status != b.status || b.code != "" && a.code() != b.code {
				t.Errorf("answered %d %s, want %d %s: %s", a.status, a.code(), b.status, b.code, a.body)
			}
			if seen := tap.Requests(); len(seen) > 0 {
				t.Errorf("the backend heard of it: %v", seen)
			}
		})
	}
	t.Run("key taken away", func(t *testing.T) {
		w.keys.Clear()
		defer func() { must(t, w.keys.Load(w.master)); awaitKey(t, c) }()
		refusedFor(t, c, 503)
		tap.Reset()
		if _, err := c.Put(ctx, "bad", pbs.NewBody(good), false); status(err) != 503 {
			t.Errorf("PUT: %v", err)
		}
		if _, err := c.Get(ctx, "good"); status(err) != 503 {
			t.Errorf("GET: %v", err)
		}
		if seen := tap.Requests(); len(seen) > 0 {
			t.Errorf("the backend heard of it: %v", seen)
		}
	})
	t.Run("another key", func(t *testing.T) {
		other, err := keyagent.GenerateSecret()
		must(t, err)
		defer other.Wipe()
		must(t, w.keys.Load(other))
		defer func() { must(t, w.keys.Load(w.master)); awaitKey(t, c) }()
		refusedFor(t, c, 503)
		tap.Reset()
		if _, err := c.Put(ctx, "bad", pbs.NewBody(good), false); status(err) != 503 {
			t.Errorf("PUT: %v", err)
		}
		if _, err := c.Get(ctx, "good"); status(err) != 503 {
			t.Errorf("GET: %v", err)
		}
		for _, r := range tap.Requests() {
			// The state object tells which key is the bucket's; nothing else is touched.
			if !strings.HasPrefix(r, "GET /"+bucket+"/"+format.StateKey) {
				t.Errorf("the backend heard of it: %v", r)
			}
		}
	})
	t.Run("stored objects", func(t *testing.T) { testBadObjects(t, w, c, good) })

	after, err := w.proxy.Usage()
	must(t, err)
	t.Logf("peak RSS %d MiB before, %d MiB after the table", before.Peak>>20, after.Peak>>20)
	if after.Peak > before.Peak+64<<20 {
		t.Errorf("the table raised the peak from %d to %d MiB", before.Peak>>20, after.Peak>>20)
	}
	if _, err := w.direct(t).Get(ctx, "bad"); status(err) != 404 {
		t.Errorf("a refused PUT left an object: %v", err)
	}
	if o, err := c.Get(ctx, "good"); err != nil || !bytes.Equal(o.Body, good) {
		t.Errorf("the good object suffered: %v", err)
	}
}

// refusedFor waits until a change of keys has reached the proxy.
func refusedFor(t *testing.T, c *pbs.Client, want int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := c.Get(context.Background(), "good")
		if status(err) == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("20 s after the change: %v, want status %d", err, want)
		}
	}
}

func awaitKey(t *testing.T, c *pbs.Client) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := c.Get(context.Background(), "good")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("20 s after the key came back: %v", err)
		}
	}
}

// testBadObjects: what is stored is not what was sealed under its name. Always 500, never 404, never bytes.
func testBadObjects(t *testing.T, w *world, c *pbs.Client, good []byte) {
	ctx := context.Background()
	raw := w.direct(t)
	_, err := c.Put(ctx, "other", pbs.NewBody(random(4, len(good))), false)
	must(t, err)
	sealed, err := raw.Get(ctx, "good")
	must(t, err)
	other, err := raw.Get(ctx, "other")
	must(t, err)
	flip := func(at int) []byte { b := bytes.Clone(sealed.Body); b[at] ^= 1; return b }
	segments := func() []byte { // two segments exchanged
		b := bytes.Clone(sealed.Body)
		const block = format.DefaultBlockSize
		first := bytes.Clone(b[block : block+1000])
		copy(b[block:block+1000], b[block+format.Stride:][:1000])
		copy(b[block+format.Stride:], first)
		return b
	}
	for name, stored := range map[string][]byte{
		"tampered magic":    flip(0),
		"tampered header":   flip(20),
		"tampered block":    flip(500),
		"tampered padding":  flip(1023),
		"tampered body":     flip(len(sealed.Body) / 2),
		"tampered tag":      flip(len(sealed.Body) - 1),
		"truncated by one":  sealed.Body[:len(sealed.Body)-1],
		"truncated segment": sealed.Body[:format.DefaultBlockSize+format.Stride],
		"truncated block":   sealed.Body[:100],
		"empty":             {},
		"extended":          append(bytes.Clone(sealed.Body), 0),
		"swapped object":    other.Body,
		"swapped segments":  segments(),
		"grafted body":      append(bytes.Clone(sealed.Body[:format.DefaultBlockSize]), other.Body[format.DefaultBlockSize:]...),
		"foreign object":    good,
		"foreign text":      []byte("hello, I was never sealed"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := raw.Put(ctx, "good", pbs.NewBody(stored), false)
			must(t, err)
			if _, err := c.Get(ctx, "good"); status(err) != 500 {
				t.Errorf("GET: %v, want 500", err)
			}
			// A copy moves the sealed body as it is; what cannot be read must stay unreadable.
			if err := c.Copy(ctx, "good", "bad"); err == nil {
				if _, err := c.Get(ctx, "bad"); status(err) != 500 {
					t.Errorf("GET of the copy: %v, want 500", err)
				}
				must(t, raw.Delete(ctx, "bad"))
			} else if status(err) != 500 {
				t.Errorf("copy: %v, want 500", err)
			}
			if _, err := c.Get(ctx, "bad"); status(err) != 404 {
				t.Errorf("a refused copy left an object: %v", err)
			}
		})
	}
	_, err = raw.Put(ctx, "good", pbs.NewBody(sealed.Body), false)
	must(t, err)
}
