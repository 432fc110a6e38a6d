//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

// TestThreads: one large object by several connections to a real store. It is the same to a proxy with one thread, and to
// package format alone; a proxy that is killed in the middle of an upload leaves no object, and the upload can be sent
// again; a client that leaves leaves nothing at all.
func TestThreads(t *testing.T) {
	t.Parallel()
	w := start(t, nil, "")
	restart := func(threads int) {
		t.Helper()
		w.proxy.Kill()
		w.config.Threads = threads
		w.startProxy()
	}
	restart(4)
	ctx := context.Background()
	body := random(seed(t), 72<<20+4321)
	_, err := w.sdk().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("large"), Body: bytes.NewReader(body)})
	must(t, err)
	for _, threads := range []int{4, 1} {
		restart(threads)
		w.expect(t, "large", "", body)
		w.expect(t, "large", "bytes=5000000-50000000", body[5_000_000:50_000_001])
		w.expect(t, "large", "bytes=70000000-", body[70_000_000:])
	}
	offline, err := w.offline()
	must(t, err)
	if got, err := offline.open(w.stored("large"), "large"); err != nil || !bytes.Equal(got, body) {
		t.Errorf("without a proxy: %d bytes, %v", len(got), err)
	}
	if left := uploads(w); left != nil {
		t.Errorf("unfinished uploads: %q", left)
	}

	restart(4)
	conn := w.beginLarge(t, "killed", body)
	w.proxy.Kill()
	conn.Close()
	w.startProxy()
	c := w.client(t)
	if _, err := c.Get(ctx, "killed"); !errors.Is(err, pbs.ErrAbsent) {
		t.Errorf("after a kill in the middle: %v", err)
	}
	if _, err := os.Stat(w.stored("killed")); err == nil {
		t.Error("after a kill in the middle there is a file")
	}
	again := random(seed(t)+1, 30<<20)
	_, err = w.sdk().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("killed"), Body: bytes.NewReader(again)})
	must(t, err)
	w.expect(t, "killed", "", again)

	littered := len(w.parts(t)) // by the proxy that was killed
	conn = w.beginLarge(t, "left", body)
	conn.Close()
	for end := time.Now().Add(30 * time.Second); len(w.parts(t)) != littered; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("a client that left leaves %q", w.parts(t))
		}
	}
	if _, err := c.Get(ctx, "left"); !errors.Is(err, pbs.ErrAbsent) {
		t.Errorf("after a client left: %v", err)
	}
}

// beginLarge sends the first 60 MiB of an upload and waits until the store has some of its parts.
func (w *world) beginLarge(t *testing.T, key string, body []byte) net.Conn {
	t.Helper()
	before := len(w.parts(t))
	c := w.client(t)
	conn, err := c.Dial(context.Background())
	must(t, err)
	r := pbs.Request{Method: "PUT", Path: fmt.Sprintf("/%s/%s", bucket, key), Body: pbs.NewBody(body), Headers: []pbs.Header{{Name: "content-type", Value: "application/octet-stream"}}}
	_, err = conn.Write(append(c.Head(r, time.Now()), body[:60<<20]...))
	must(t, err)
	for end := time.Now().Add(30 * time.Second); len(w.parts(t)) < before+2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the store has %q", w.parts(t))
		}
	}
	return conn
}

// parts are the files of unfinished uploads at the backend.
func (w *world) parts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(w.stored(".sgwtmp/multipart/*/*/*"))
	must(t, err)
	return files
}
