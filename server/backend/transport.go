package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// userAgent replaces the SDK's, which tells the store the versions of everything.
const userAgent = "s3-crypt-proxy"

// newTransport returns the connections to the store, counted in open: HTTP/1.1 only, since one HTTP/2 connection would
// make all streams share one flow and one loss, no proxy from the environment, no compression.
func newTransport(c Config, answer time.Duration, open *atomic.Int64) (*http.Transport, error) {
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: c.DialTimeout, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			// A connection that we close, or that the kernel closes for us when this process dies, is
			// reset: a store must never see a clean end in the middle of an upload.
			if tcp, ok := conn.(*net.TCPConn); ok {
				if err := tcp.SetLinger(0); err != nil {
					conn.Close()
					return nil, err
				}
			}
			open.Add(1)
			return &progressConn{Conn: conn, limit: c.ProgressTimeout, closed: sync.OnceFunc(func() { open.Add(-1) })}, nil
		},
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    c.TLSTimeout,
		ResponseHeaderTimeout:  answer,
		ExpectContinueTimeout:  c.ContinueTimeout,
		IdleConnTimeout:        c.IdleTimeout,
		MaxIdleConns:           c.MaxConns,
		MaxIdleConnsPerHost:    c.MaxConns,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
		WriteBufferSize:        copyBuffer,
		ReadBufferSize:         copyBuffer,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	t.DialTLSContext = abruptTLS(t.DialContext, tlsConfig, c.TLSTimeout)
	return t, nil
}

// abruptTLS dials TLS connections whose Close sends no close_notify: to a store, that alert in the
// middle of an upload is a clean end too (versitygw 1.8.0 then commits what it has).
func abruptTLS(dial func(context.Context, string, string) (net.Conn, error), config *tls.Config, limit time.Duration) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		raw, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		own := config.Clone()
		if own == nil {
			own = &tls.Config{}
		}
		if own.ServerName == "" {
			if own.ServerName, _, err = net.SplitHostPort(addr); err != nil {
				raw.Close()
				return nil, err
			}
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		conn := tls.Client(raw, own)
		if err := conn.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, &handshakeError{err}
		}
		return &abruptConn{Conn: conn, raw: raw}, nil
	}
}

// handshakeError is that of a connection over which no request could be sent yet.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// abruptConn closes the connection below TLS alone, which resets it.
type abruptConn struct {
	*tls.Conn
	raw net.Conn
}

func (c *abruptConn) Close() error { return c.raw.Close() }

// ReadFrom sends the body of an upload.
func (c *abruptConn) ReadFrom(r io.Reader) (int64, error) { return readFrom(c, r) }

// progressConn bounds every single Write, and one that is long by its progress: writeProgress bytes within the limit.
// net/http has no limit for a server that stops reading; reads are bounded by AnswerTimeout and by the readers of the
// bodies, since an idle connection reads too.
type progressConn struct {
	net.Conn
	limit  time.Duration
	closed func() // counts the connection out, once
}

func (c *progressConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

func (c *progressConn) Write(p []byte) (int, error) {
	sent := 0
	for {
		if err := c.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
			return sent, err
		}
		n, err := c.Conn.Write(p[sent:])
		sent += n
		if n < writeProgress || !errors.Is(err, os.ErrDeadlineExceeded) {
			return sent, err
		}
	}
}

// ReadFrom sends the body of an upload.
func (c *progressConn) ReadFrom(r io.Reader) (int64, error) { return readFrom(c, r) }

// sender is the HTTP client that the SDK gets. It calls the transport directly: no redirect is ever
// followed, no cookie kept.
type sender struct{ transport http.RoundTripper }

// Do sends one request. The attempt it belongs to travels in the request's context.
func (s sender) Do(req *http.Request) (*http.Response, error) {
	at, ok := req.Context().Value(attemptKey{}).(*attempt)
	if !ok {
		panic("BUG: a request without an attempt")
	}
	at.sent = true
	req.Header["User-Agent"] = []string{userAgent}
	// The SDK leaves the protocol version at 0.0, and net/http then sends Expect but does not wait.
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	if at.call.expect {
		req.Header["Expect"] = []string{"100-continue"}
	}
	if at.body != nil {
		// A cancelled RoundTrip returns only after the last Read of the body did.
		defer context.AfterFunc(req.Context(), at.body.stop)()
		defer at.body.stop()
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	at.answered(resp)
	return resp, nil
}

// answered leaves in the attempt what every answer tells.
func (at *attempt) answered(resp *http.Response) {
	at.status = resp.StatusCode
	if observe := at.client.config.ObserveClock; observe != nil {
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			observe(clockAhead(date, time.Now()))
		}
	}
	at.retryAfter = retryAfter(resp.Header, time.Now())
}

// neverSent tells whether err happened before any byte reached the store.
func neverSent(err error) bool {
	var op *net.OpError
	var handshake *handshakeError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &handshake)
}

// unreachable tells whether err is about the way to the store: its name, its address, its
// port, or a certificate, or none, that nobody can trust. A dial that fails for want of descriptors or ports of our own is not.
func unreachable(err error) bool {
	var handshake *handshakeError
	if errors.As(err, &handshake) && !retryTransport(err) {
		return true
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "dial" {
		return false
	}
	var name *net.DNSError
	if op.Timeout() || errors.As(err, &name) {
		return true
	}
	for _, no := range noWay {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// noWay is what connect(2) says of an address that does not answer.
var noWay = [...]error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.EHOSTDOWN, syscall.ENETUNREACH, syscall.ENETDOWN}

// clockAhead compares a Date header with our clock. The header has whole seconds, cut off, so that
// a clock that agrees may seem up to one second late: that is none.
func clockAhead(date, now time.Time) time.Duration {
	ahead := date.Sub(now)
	if ahead < 0 {
		ahead = min(ahead+time.Second, 0)
	}
	return ahead
}
