package backend

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// countConns counts the connections that a client opens from now on.
func countConns(c *Client) *atomic.Int64 {
	var n atomic.Int64
	for _, t := range c.transports {
		dial := t.DialContext
		t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			n.Add(1)
			return dial(ctx, network, addr)
		}
	}
	return &n
}

func TestWhatPassesIsRetried(t *testing.T) {
	for name, st := range map[string]step{
		"reset before the request":  reset,
		"reset after the request":   lost,
		"500":                       s3fault(500, "InternalError", "x"),
		"502 of a balancer":         reply(502, "<html></html>", "Content-Type", "text/html"),
		"503 SlowDown":              s3fault(503, "SlowDown", "x"),
		"503":                       reply(503, ""),
		"504":                       reply(504, ""),
		"429":                       reply(429, "", "Retry-After", "0"),
		"403 that throttles":        s3fault(403, "RequestLimitExceeded", "x"),
		"403 with rate limit":       s3fault(403, "AccessDenied", "Rate limit exceeded"),
		"403 with Retry-After":      s3fault(403, "AccessDenied", "x", "Retry-After", "0"),
		"400 RequestTimeout":        s3fault(400, "RequestTimeout", "x"),
		"400 IncompleteBody":        s3fault(400, "IncompleteBody", "x"),
		"408":                       reply(408, ""),
		"409 OperationAborted":      s3fault(409, "OperationAborted", "x"),
		"slow":                      silent,
		"header cut":                hijacked("HTTP/1.1 200 OK\r\nContent-Le"),
		"garbage instead of HTTP":   hijacked("\x00\x01\x02\r\n\r\n"),
		"body cut in a fault":       cut(500, 100, "<Error>"),
		"two answers for one":       hijacked("HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nEtag: \"z\"\r\nContent-Length: 0\r\n\r\n"),
		"endless informational 1xx": hijacked("HTTP/1.1 102 x\r\n\r\nHTTP/1.1 102 x\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, st, stored)
			c := newTestClient(t, s.URL, func(c *Config) {
				if name == "slow" {
					c.AnswerTimeout = time.Second
				}
			})
			etag, err := put(c, pattern(100000), Conditions{})
			if err != nil || etag != `"etag1"` {
				t.Fatal(etag, err)
			}
			r := s.requests()
			// On a machine that stands still for a second, the second answer is slow too.
			if len(r) < 2 || len(r) > 2 && name != "slow" || !bytes.Equal(r[len(r)-1].body, pattern(100000)) {
				t.Errorf("%d requests, the last with %d bytes", len(r), len(r[len(r)-1].body))
			}
		})
	}
}

// hijacked sends raw bytes and closes.
func hijacked(raw string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 1<<20)
		for {
			if _, err := r.Body.Read(buf); err != nil {
				break
			}
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		conn.Write([]byte(raw))
		conn.Close()
	}
}

func TestWhatStaysIsNotRetried(t *testing.T) {
	for name, st := range map[string]step{
		"403": s3fault(403, "AccessDenied", "x"), "400": s3fault(400, "InvalidArgument", "x"), "501": s3fault(501, "NotImplemented", "x"),
		"301": s3fault(301, "PermanentRedirect", "x"), "307": reply(307, "", "Location", "/"), "404": s3fault(404, "NoSuchBucket", "x"), "412": s3fault(412, "PreconditionFailed", "x"),
	} {
		s := newScript(t, st)
		_, err := put(newTestClient(t, s.URL), pattern(100), Conditions{})
		if err == nil || len(s.requests()) != 1 {
			t.Errorf("%s: %d requests, %v", name, len(s.requests()), err)
		}
	}
}

// A stalled store blocks the sender once the socket buffers are full.
func TestStoreThatStopsReadingIsGivenUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	c := newTestClient(t, "http://"+l.Addr().String(), impatient, func(c *Config) { c.Attempts = 1 })
	began := time.Now()
	_, err = put(c, pattern(32<<20), Conditions{})
	wantKind(t, err, Busy)
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestAttemptsAndTimeAreBounded(t *testing.T) {
	s := newScript(t, s3fault(503, "SlowDown", "x"))
	_, err := put(newTestClient(t, s.URL), pattern(10), Conditions{})
	if e := wantKind(t, err, Busy); e.Attempts != 4 || len(s.requests()) != 4 || e.Code != "SlowDown" || e.Status != 503 {
		t.Errorf("%d requests, %+v", len(s.requests()), e)
	}
	c := newTestClient(t, s.URL, func(c *Config) { c.Attempts, c.RetryTime = 1000000, 200*time.Millisecond })
	began := time.Now()
	_, err = put(c, pattern(10), Conditions{})
	wantKind(t, err, Busy)
	if d := time.Since(began); d < 50*time.Millisecond || d > 10*time.Second {
		t.Errorf("gave up after %v", d)
	}
}

func TestRetryAfterIsHonouredWithinBounds(t *testing.T) {
	s := newScript(t, s3fault(503, "SlowDown", "x", "Retry-After", "3600"), stored)
	c := newTestClient(t, s.URL, func(c *Config) {
		c.Observe = func(op string, status int, kind Kind, d time.Duration, n int) {
			t.Logf("attempt %d: status %d %s after %v", n, status, kind, d)
		}
	})
	began := time.Now()
	if _, err := put(c, pattern(10), Conditions{}); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d < c.backoff.askedMax || d > 10*time.Second {
		t.Errorf("waited %v, want %v", d, c.backoff.askedMax)
	}
	now := time.Date(2026, 6, 5, 10, 20, 30, 0, time.UTC)
	for v, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-1": 0, "x": 0, "99999999999999": 0, "Fri, 05 Jun 2026 10:21:30 GMT": time.Minute, "Fri, 05 Jun 2020 10:21:30 GMT": 0} {
		if got := retryAfter(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
}

func TestBackoffGrowsWithFullJitter(t *testing.T) {
	b := newBackoff()
	for n := 1; n < 60; n++ {
		limit := min(backoffMax, backoffBase<<min(n-1, 20))
		var lo, hi = backoffMax, time.Duration(0)
		for range 300 {
			d := b.delay(n, false, 0)
			lo, hi = min(lo, d), max(hi, d)
		}
		if hi > limit || lo > limit/4 || hi < limit*3/4 {
			t.Errorf("attempt %d: %v to %v, limit %v", n, lo, hi, limit)
		}
	}
	if d := b.delay(1, true, time.Hour); d != retryAfterMax {
		t.Errorf("asked for an hour, waits %v", d)
	}
}

// A store that is down for all must not get a multiple of the load.
func TestStormIsBoundedByTheBudget(t *testing.T) {
	s := newScript(t, reply(500, ""))
	c := newTestClient(t, s.URL, func(c *Config) { c.RetryBudget = 20 })
	const calls = 100
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() { put(c, pattern(10), Conditions{}) })
	}
	wg.Wait()
	if n := len(s.requests()); n != calls+20 {
		t.Errorf("%d requests for %d calls", n, calls)
	}
	// Half of the answers are failures: every success pays for one retry.
	s = newScript(t, stored)
	var n atomic.Int64
	s.steps[0] = func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%2 == 0 {
			stored(w, r)
		} else {
			reply(500, "")(w, r)
		}
	}
	c = newTestClient(t, s.URL, func(c *Config) { c.RetryBudget = 2 })
	for i := range calls {
		if _, err := put(c, pattern(10), Conditions{}); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	if n := len(s.requests()); n != 2*calls {
		t.Errorf("%d requests for %d calls", n, calls)
	}
}

func TestCallerLeaves(t *testing.T) {
	s := newScript(t, silent)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	err := newTestClient(t, s.URL).HeadBucket(ctx, "bucket")
	wantKind(t, err, ClientAbort)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// while waiting for the next attempt
	s = newScript(t, reply(503, ""))
	c := newTestClient(t, s.URL)
	c.backoff = backoff{base: time.Hour, throttle: time.Hour, max: time.Hour}
	c.config.RetryTime = 3 * time.Hour
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	wantKind(t, c.HeadBucket(ctx, "bucket"), ClientAbort)
	// before anything was sent
	n := len(s.requests())
	wantKind(t, c.HeadBucket(ctx, "bucket"), ClientAbort)
	if len(s.requests()) != n {
		t.Error("a request was sent for a caller that is gone")
	}
	// a deadline is no client that left
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	wantKind(t, c.HeadBucket(ctx, "bucket"), Busy)
}

func TestPreconditionAfterALostAnswerIsMarked(t *testing.T) {
	// 500 after the object was stored; the second attempt meets its own work.
	s := newScript(t, s3fault(500, "InternalError", "x"), s3fault(412, "PreconditionFailed", "x"))
	_, err := put(newTestClient(t, s.URL), pattern(10), Conditions{IfNoneMatch: true})
	if e := wantKind(t, err, Precondition); !e.Unsure || e.Attempts != 2 {
		t.Errorf("%+v", e)
	}
}

func TestObserveSeesEveryAttempt(t *testing.T) {
	type event struct {
		op      string
		status  int
		kind    Kind
		attempt int
	}
	var got []event
	observe := func(op string, status int, kind Kind, d time.Duration, attempt int) {
		if d <= 0 {
			t.Errorf("took %v", d)
		}
		got = append(got, event{op, status, kind, attempt})
	}
	s := newScript(t, s3fault(503, "SlowDown", "x"), lost, stored)
	if _, err := put(newTestClient(t, s.URL, func(c *Config) { c.Observe = observe }), pattern(10), Conditions{}); err != nil {
		t.Fatal(err)
	}
	want := []event{{"PutObject", 503, Busy, 1}, {"PutObject", 0, Busy, 2}, {"PutObject", 200, "", 3}}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}

func TestConnectionsAreReused(t *testing.T) {
	s := newScript(t, stored)
	c := newTestClient(t, s.URL)
	conns := countConns(c)
	for range 3 {
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, err := put(c, pattern(200000), Conditions{IfNoneMatch: true}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if n := conns.Load(); n > 16 {
		t.Errorf("16 uploads at a time took %d connections", n)
	}
}
