package backend

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// readTransport sends GET and HEAD. It writes a request and reads its answer on the caller's goroutine; net/http hands
// each request to two goroutines of the connection and back, which costs a small one more CPU than its bytes do
// (BenchmarkExchange). Connections are opened as the other transports open theirs, and answers are read by
// http.ReadResponse. What net/http's own goroutine would notice, that the store has closed an idle connection or has said
// something on it that nobody asked for, is looked for when the connection is taken: then another is used.
type readTransport struct {
	base   *http.Transport // whose dialers open the connections
	answer time.Duration
	idle   *idle
}

func newReadTransport(c Config, base *http.Transport) *readTransport {
	return &readTransport{base: base, answer: c.AnswerTimeout, idle: newIdle(c.MaxConns, c.IdleTimeout)}
}

// carries tells whether a request with that method, to that URL and without a body, is one for this transport. Names
// that would have to be encoded are net/http's.
func carries(method string, u *url.URL) bool {
	return read(method) && visible(u.Host) && strings.IndexByte(u.Host, '%') < 0
}

// RoundTrip implements http.RoundTripper, for requests that it carries.
func (t *readTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	target := req.URL.RequestURI()
	head, err := appendRequestLine(make([]byte, 0, 1<<10), req.Method, target)
	if err != nil {
		return nil, err
	}
	if head, err = appendHeader(head, "Host", req.Host); err != nil {
		return nil, err
	}
	for name, values := range req.Header {
		for _, v := range values {
			if head, err = appendHeader(head, name, v); err != nil {
				return nil, err
			}
		}
	}
	return t.send(req.Context(), req.Method, req.URL, append(head, "\r\n"...))
}

// send sends a request's head. Requests that change nothing may be sent again: that is done when a connection that was
// used before ends without a byte of the answer, since the store may have closed it at the same moment.
func (t *readTransport) send(ctx context.Context, method string, u *url.URL, head []byte) (*http.Response, error) {
	where := address(u)
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c := t.idle.take(where)
		reused := c != nil
		if !reused {
			var err error
			if c, err = t.open(ctx, u.Scheme, where); err != nil {
				return nil, err
			}
		}
		resp, err := c.exchange(ctx, method, head, t.answer)
		switch {
		case err == nil:
			return resp, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, errNoAnswer
		case !reused || c.heard():
			return nil, err
		}
	}
}

var errNoAnswer = errors.New("no answer within the time limit")

func (t *readTransport) open(ctx context.Context, scheme, where string) (*connection, error) {
	dial := t.base.DialContext
	if scheme == "https" {
		dial = t.base.DialTLSContext
	}
	conn, err := dial(ctx, "tcp", where)
	if err != nil {
		return nil, err
	}
	return newConnection(conn, where, t.idle), nil
}

// address is the host and port of a URL.
func address(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	port := "80"
	if u.Scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// appendRequestLine and appendHeader append what a request begins with. Nothing that could end a line is sent.
func appendRequestLine(head []byte, method, target string) ([]byte, error) {
	if !token(method) || !visible(target) {
		return nil, errors.New("request target with a character that has no place there")
	}
	head = append(head, method...)
	head = append(head, ' ')
	head = append(head, target...)
	return append(head, " HTTP/1.1\r\n"...), nil
}

func appendHeader(head []byte, name, value string) ([]byte, error) {
	if !token(name) {
		return nil, errors.New("header with a name that is none")
	}
	if !text(value) {
		return nil, errors.New("header " + name + " with a character that has no place there")
	}
	head = append(head, name...)
	head = append(head, ": "...)
	head = append(head, value...)
	return append(head, "\r\n"...), nil
}

// visible tells whether s is visible ASCII, and not empty.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != ""
}

// token tells whether s is a token (RFC 9110 section 5.6.2).
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// text tells whether s can be a header's value: no control character but the tab (RFC 9110 section 5.5).
func text(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
