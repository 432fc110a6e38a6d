package backend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// dialError is what a dial that ends in err gives.
func dialError(err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: err}
}

var errRefused = dialError(os.NewSyscallError("connect", syscall.ECONNREFUSED))

// refuseDials lets the first n connections of a client fail with err.
func refuseDials(c *Client, n int, err error) (dials *int) {
	dials = new(int)
	for _, t := range c.transports {
		dial := t.DialContext
		t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if *dials++; *dials <= n {
				return nil, err
			}
			return dial(ctx, network, addr)
		}
	}
	return dials
}

// brief gives up an unreachable store at once.
func brief(c *Config) { c.UnreachableTime = 1 }

func TestUnreachableStoreIsGivenUpSoon(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close() // now it refuses
	c := newTestClient(t, "http://"+addr, func(c *Config) {
		c.Attempts, c.RetryTime, c.UnreachableTime = 1<<30, time.Hour, 2*time.Second
	})
	began := time.Now()
	e := wantKind(t, c.HeadBucket(t.Context(), "bucket"), Unreachable)
	if took := time.Since(began); took > 15*time.Second || e.Attempts < 2 {
		t.Errorf("%d attempts in %v, want a few in UnreachableTime", e.Attempts, took)
	}
	if !errors.Is(e, syscall.ECONNREFUSED) || e.Unsure || e.Status != 0 {
		t.Errorf("%+v", e)
	}
	if !c.Unreachable() {
		t.Error("the client does not know")
	}
}

func TestWhatIsUnreachable(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want Kind
	}{
		"refused":        {errRefused, Unreachable},
		"no route":       {dialError(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), Unreachable},
		"no network":     {dialError(os.NewSyscallError("connect", syscall.ENETUNREACH)), Unreachable},
		"no such name":   {dialError(&net.DNSError{Err: "no such host", Name: "s3.invalid", IsNotFound: true}), Unreachable},
		"no answer":      {dialError(os.ErrDeadlineExceeded), Unreachable},
		"no descriptors": {dialError(os.NewSyscallError("socket", syscall.EMFILE)), Busy},
		"no ports":       {dialError(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)), Busy},
		"no TLS there":   {&handshakeError{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}}, Unreachable},
		"wrong name":     {&handshakeError{&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}}}, Unreachable},
		"cut handshake":  {&handshakeError{io.ErrUnexpectedEOF}, Busy},
		"reset":          {&net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, Busy},
	} {
		client := newTestClient(t, "http://127.0.0.1:1", brief, func(c *Config) { c.Attempts = 2 })
		dials := refuseDials(client, 100, c.err)
		wantKind(t, client.HeadBucket(t.Context(), "bucket"), c.want)
		if want := map[Kind]int{Unreachable: 1, Busy: 2}[c.want]; *dials != want {
			t.Errorf("%s: %d dials, want %d", name, *dials, want)
		}
		if client.Unreachable() != (c.want == Unreachable) {
			t.Errorf("%s: Unreachable is %v", name, client.Unreachable())
		}
	}
}

// TestEffortIsNotWasted: who put something into a request waits as long as ever, and so
// does who was answered before.
func TestEffortIsNotWasted(t *testing.T) {
	s := newScript(t, stored)
	effort := &Effort{Context: t.Context()}
	c := newTestClient(t, s.URL, brief)
	refuseDials(c, 2, errRefused)
	wantKind(t, c.HeadBucket(effort, "bucket"), Unreachable)
	effort.Spend()
	// Below another context, as callers make them.
	below, cancel := context.WithTimeout(context.WithoutCancel(effort), time.Minute)
	defer cancel()
	if err := c.HeadBucket(below, "bucket"); err != nil {
		t.Errorf("with something spent: %v", err)
	}
	if c.Unreachable() {
		t.Error("an answer came, and the store counts as unreachable")
	}

	c = newTestClient(t, s.URL, brief)
	answered := &Effort{Context: t.Context()}
	if err := c.HeadBucket(answered, "bucket"); err != nil {
		t.Fatal(err)
	}
	c.Close() // idle connections
	dials := refuseDials(c, 1, errRefused)
	if err := c.HeadBucket(answered, "bucket"); err != nil || *dials != 2 {
		t.Errorf("after an answer: %d dials, %v", *dials, err)
	}
}

// TestThrottlingKeepsItsPatience: a store that asks for less load is not unreachable.
func TestThrottlingKeepsItsPatience(t *testing.T) {
	s := newScript(t, s3fault(503, "SlowDown", "x"), s3fault(503, "SlowDown", "x"), stored)
	if err := newTestClient(t, s.URL, brief).HeadBucket(t.Context(), "bucket"); err != nil {
		t.Error(err)
	}
}

// TestDeadlineDoesNotHideTheReason: what is known when the caller's time ends is told
// before it ends.
func TestDeadlineDoesNotHideTheReason(t *testing.T) {
	c := newTestClient(t, "http://127.0.0.1:1")
	refuseDials(c, 100, errRefused)
	c.backoff = backoff{base: time.Hour, throttle: time.Hour, max: time.Hour}
	c.config.RetryTime, c.config.UnreachableTime = 3*time.Hour, 3*time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	wantKind(t, c.HeadBucket(ctx, "bucket"), Unreachable)
	if ctx.Err() != nil {
		t.Error("it waited for the deadline")
	}
}
