package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

func serveTest(t *testing.T, limit int64) (*pbs.Client, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go newStore(limit).serve(ln)
	c, err := pbs.New(pbs.Config{Address: ln.Addr().String(), Bucket: "bkt", AccessKey: "a", SecretKey: "s", PlainHTTP: true, Waits: []time.Duration{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, "http://" + ln.Addr().String()
}

func TestObjectsComeBack(t *testing.T) {
	ctx := context.Background()
	c, _ := serveTest(t, 1<<30)
	if err := c.HeadBucket(ctx); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 1 << 20} {
		key, body := fmt.Sprintf("a/%d:x", n), bytes.Repeat([]byte{7}, n)
		if _, err := c.Put(ctx, key, pbs.NewBody(body), true); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Put(ctx, key, pbs.NewBody([]byte("other")), true); err != nil || got != pbs.Duplicate {
			t.Errorf("second PUT of %s: %v, %v", key, got, err)
		}
		o, err := c.Get(ctx, key)
		if err != nil || !bytes.Equal(o.Body, body) {
			t.Errorf("GET of %s: %v", key, err)
		}
		if h, err := c.HeadObject(ctx, key); err != nil || h.Size != int64(n) {
			t.Errorf("HEAD of %s: %v, %v", key, h, err)
		}
	}
	if err := c.Delete(ctx, "a/1:x"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(ctx, "a/1:x"); !errors.Is(err, pbs.ErrAbsent) {
		t.Errorf("after DELETE: %v", err)
	}
}

func TestListingPages(t *testing.T) {
	ctx := context.Background()
	c, _ := serveTest(t, 1<<30)
	for i := range 2345 {
		if _, err := c.Put(ctx, fmt.Sprintf("p/%04d", i), pbs.NewBody(nil), false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Put(ctx, "q", pbs.NewBody(nil), false); err != nil {
		t.Fatal(err)
	}
	all, err := c.ListAll(ctx, "p/")
	if err != nil || len(all) != 2345 || all[2344].Key != "p/2344" {
		t.Errorf("%d entries, %v", len(all), err)
	}
}

func TestRangesAndExpect(t *testing.T) {
	c, url := serveTest(t, 1<<30)
	if _, err := c.Put(context.Background(), "k", pbs.NewBody([]byte("0123456789")), false); err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest("GET", url+"/bkt/k", nil)
	req.Header.Set("Range", "bytes=3-99")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 206 || string(b) != "3456789" || resp.Header.Get("Content-Range") != "bytes 3-9/10" {
		t.Errorf("%d %q %q", resp.StatusCode, b, resp.Header.Get("Content-Range"))
	}
	put, _ := http.NewRequest("PUT", url+"/bkt/k2", bytes.NewReader(make([]byte, 3<<20)))
	put.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Hour}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	if resp, err = client.Do(put); err != nil || resp.StatusCode != 200 {
		t.Errorf("PUT with expect: %v %v", resp, err)
	}
}

func TestLimitIsKept(t *testing.T) {
	ctx := context.Background()
	c, _ := serveTest(t, 100)
	if _, err := c.Put(ctx, "k", pbs.NewBody(make([]byte, 100)), false); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(ctx, "k", pbs.NewBody(make([]byte, 90)), false); err != nil {
		t.Errorf("replacing needs no room: %v", err)
	}
	var st *pbs.StatusError
	if _, err := c.Put(ctx, "l", pbs.NewBody(make([]byte, 11)), false); !errors.As(err, &st) || st.Status != 507 {
		t.Errorf("past the limit: %v", err)
	}
}

func TestUnknownIsRefused(t *testing.T) {
	_, url := serveTest(t, 100)
	for _, target := range []string{"/bkt/k?uploads", "/", "/bkt?acl"} {
		resp, err := http.Get(url + target)
		if err != nil || resp.StatusCode != 501 {
			t.Errorf("%s: %v %v", target, resp, err)
		}
		resp.Body.Close()
	}
}
