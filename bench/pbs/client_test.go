package pbs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestStatusSets(t *testing.T) {
	const list = `<ListBucketResult><Name>b</Name><Prefix/><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>`
	const copied = `<CopyObjectResult><ETag>"e"</ETag><LastModified>2026-01-15T12:00:00.000Z</LastModified></CopyObjectResult>`
	const deleted = `<DeleteResult><Deleted><Key>k</Key></Deleted></DeleteResult>`
	ctx := context.Background()
	for _, op := range []struct {
		name string
		good int
		body string
		call func(*Client) error
	}{
		{"HeadBucket", 200, "", func(c *Client) error { return c.HeadBucket(ctx) }},
		{"ListBuckets", 200, `<ListAllMyBucketsResult/>`, func(c *Client) error { _, err := c.ListBuckets(ctx); return err }},
		{"List", 200, list, func(c *Client) error { _, err := c.ListPage(ctx, "", ""); return err }},
		{"Get", 200, "x", func(c *Client) error { _, err := c.Get(ctx, "k"); return err }},
		{"Head", 200, "", func(c *Client) error { _, err := c.HeadObject(ctx, "k"); return err }},
		{"Put", 200, "", func(c *Client) error { _, err := c.Put(ctx, "k", NewBody([]byte("x")), false); return err }},
		{"Delete", 204, "", func(c *Client) error { return c.Delete(ctx, "k") }},
		{"DeleteMany", 200, deleted, func(c *Client) error { _, err := c.DeleteMany(ctx, []string{"k"}); return err }},
		{"Copy", 200, copied, func(c *Client) error { return c.Copy(ctx, "a", "b") }},
	} {
		for _, status := range []int{200, 201, 204, 206, 301, 307, 400, 403, 404, 409, 412, 429, 500, 502, 503} {
			s := serveScript(t, func(e exchangeSeen) string {
				body := op.body
				if status != op.good {
					body = ""
				}
				if strings.HasPrefix(e.head, "HEAD") || status == 204 {
					return fmt.Sprintf("HTTP/1.1 %d X\r\n%s\r\n%s\r\n%s\r\nContent-Length: 0\r\n\r\n", status, goodDate, goodETag, goodType)
				}
				return reply(status, body, goodDate, goodETag, goodType)
			})
			err := op.call(s.client())
			if (err == nil) != (status == op.good) {
				t.Errorf("%s: status %d gave %v", op.name, status, err)
			}
			if errors.Is(err, ErrAbsent) != (status == 404) {
				t.Errorf("%s: status %d: absent is %v", op.name, status, errors.Is(err, ErrAbsent))
			}
			want := 1
			if status == 500 || status == 503 {
				want = 3
			}
			if n := len(s.requests()); n != want {
				t.Errorf("%s: status %d was sent %d times, want %d", op.name, status, n, want)
			}
		}
	}
}

func TestPutConditions(t *testing.T) {
	ctx := context.Background()
	s := serveScript(t, func(exchangeSeen) string { return reply(412, "<Error><Code>PreconditionFailed</Code></Error>") })
	c := s.client()
	if got, err := c.Put(ctx, "k", NewBody([]byte("x")), true); err != nil || got != Duplicate {
		t.Errorf("412 to a conditional PUT: %v, %v; want Duplicate", got, err)
	}
	var contract *ContractError
	if _, err := c.Put(ctx, "k", NewBody([]byte("x")), false); !errors.As(err, &contract) {
		t.Errorf("412 to an unconditional PUT: %v; want a ContractError", err)
	}
}

func TestPutAnswerMustBeEmpty(t *testing.T) {
	ctx := context.Background()
	answer := reply(200, "<ok/>", goodETag)
	s := serveScript(t, func(exchangeSeen) string { return answer })
	var contract *ContractError
	if _, err := s.client().Put(ctx, "k", NewBody(nil), false); !errors.As(err, &contract) {
		t.Errorf("a body after PUT: %v", err)
	}
	answer = reply(200, "")
	if _, err := s.client().Put(ctx, "k", NewBody(nil), false); !errors.As(err, &contract) {
		t.Errorf("no ETag after PUT: %v", err)
	}
}

func TestGetNeedsItsHeaders(t *testing.T) {
	ctx := context.Background()
	for name, answer := range map[string]string{
		"no etag":         reply(200, "x", goodDate, goodType),
		"no type":         reply(200, "x", goodDate, goodETag),
		"no date":         reply(200, "x", goodETag, goodType),
		"iso date":        reply(200, "x", goodETag, goodType, "Last-Modified: 2026-01-15T12:00:00Z"),
		"bad Date":        reply(200, "x", goodETag, goodType, goodDate, "Date: now"),
		"encoding":        reply(200, "x", goodETag, goodType, goodDate, "Content-Encoding: gzip"),
		"chunked":         "HTTP/1.1 200 OK\r\n" + lines([]string{goodETag, goodType, goodDate}) + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"too many":        reply(200, "x", goodETag, goodType, goodDate, strings.TrimSuffix(strings.Repeat("X-A: b\r\n", 100), "\r\n")),
		"bytes behind it": reply(200, "x", goodETag, goodType, goodDate) + "HTTP/1.1 200 OK\r\n",
	} {
		s := serveScript(t, func(exchangeSeen) string { return answer })
		var contract *ContractError
		if _, err := s.client().Get(ctx, "k"); !errors.As(err, &contract) {
			t.Errorf("%s: %v; want a ContractError", name, err)
		}
	}
	// A body that ends early is a transport error, and reading it is not tried again.
	s := serveScript(t, func(e exchangeSeen) string { return "" })
	s.answer = func(e exchangeSeen) string {
		return "HTTP/1.1 200 OK\r\nConnection: close\r\n" + lines([]string{goodETag, goodType, goodDate}) + "Content-Length: 1\r\n\r\n"
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	go func() { time.Sleep(50 * time.Millisecond); cancel() }()
	if _, err := s.client().Get(ctx, "k"); err == nil {
		t.Error("a short body was accepted")
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("a short body was asked for %d times", n)
	}
}

func TestSendRetries(t *testing.T) {
	ctx := context.Background()
	n := 0
	s := serveScript(t, func(e exchangeSeen) string {
		switch n++; n {
		case 1:
			return "" // closed without an answer
		case 2:
			return reply(503, "<Error><Code>SlowDown</Code></Error>")
		}
		return reply(200, "x", goodDate, goodETag, goodType)
	})
	o, err := s.client().Get(ctx, "k")
	if err != nil || string(o.Body) != "x" {
		t.Fatalf("third send: %v, %v", o, err)
	}
	seen := s.requests()
	if len(seen) != 3 || seen[0].head != seen[1].head || seen[1].head != seen[2].head {
		t.Errorf("%d sends, want 3 with identical bytes", len(seen))
	}
}

func TestUploadRounds(t *testing.T) {
	ctx := context.Background()
	for _, status := range []int{409, 403, 500} {
		s := serveScript(t, func(exchangeSeen) string { return reply(status, "") })
		if _, err := s.client().Upload(ctx, "k", NewBody([]byte("x")), true); err == nil {
			t.Errorf("status %d: no error", status)
		}
		want := 3
		if status == 500 {
			want = 9
		}
		if n := len(s.requests()); n != want {
			t.Errorf("status %d: %d PUTs, want %d", status, n, want)
		}
	}
	n := 0
	s := serveScript(t, func(exchangeSeen) string {
		if n++; n < 3 {
			return reply(409, "")
		}
		return reply(200, "", goodETag)
	})
	if got, err := s.client().Upload(ctx, "k", NewBody([]byte("x")), true); err != nil || got != Written {
		t.Errorf("third round: %v, %v", got, err)
	}
}

func TestFingerprint(t *testing.T) {
	ctx := context.Background()
	s := serveScript(t, func(exchangeSeen) string { return reply(200, "") })
	for _, f := range []func(string) string{strings.ToUpper, strings.ToLower} {
		if err := s.client(func(c *Config) { c.Fingerprint = f(c.Fingerprint) }).HeadBucket(ctx); err != nil {
			t.Errorf("the right fingerprint is refused: %v", err)
		}
	}
	for name, fp := range map[string]string{"wrong": FormatFingerprint([]byte("other")), "none": ""} {
		err := s.client(func(c *Config) { c.Fingerprint = fp; c.Waits = []time.Duration{} }).HeadBucket(ctx)
		if !errors.Is(err, ErrFingerprint) {
			t.Errorf("%s fingerprint: %v", name, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.sni {
		if s.sni[i] != "" || len(s.alpn[i]) != 0 {
			t.Errorf("an IP endpoint was sent SNI %q, ALPN %q", s.sni[i], s.alpn[i])
		}
	}
}

func TestPool(t *testing.T) {
	ctx := context.Background()
	s := serveScript(t, func(exchangeSeen) string { return reply(200, "") })
	c := s.client()
	for range 3 {
		if err := c.HeadBucket(ctx); err != nil {
			t.Fatal(err)
		}
	}
	conns := func() int { e := s.requests(); return e[len(e)-1].conn }
	if n := conns(); n != 1 {
		t.Errorf("three calls in a row took %d connections", n)
	}
	c.pool.conns[0].idle = time.Now().Add(-idleTime)
	if err := c.HeadBucket(ctx); err != nil || conns() != 2 {
		t.Errorf("a connection idle for 90 s was reused: %v, %d connections", err, conns())
	}
	// A connection that the server closed in between is noticed, and costs no send.
	s.answer = func(exchangeSeen) string { return reply(200, "", "X: y") }
	c.pool.conns[0].tcp.CloseRead()
	if err := s.client(func(cfg *Config) { cfg.Waits = []time.Duration{} }).HeadBucket(ctx); err != nil {
		t.Error(err)
	}
	if err := c.HeadBucket(ctx); err != nil {
		t.Error(err)
	}
	if n := conns(); n != 4 {
		t.Errorf("a dead connection was used again: %d connections, want 4", n)
	}
}

func TestCancelEndsACall(t *testing.T) {
	hang := make(chan struct{})
	s := serveScript(t, func(exchangeSeen) string { <-hang; return "" })
	defer close(hang)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.client().HeadBucket(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
