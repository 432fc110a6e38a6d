package pbs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"time"
)

// response is an answer whose headers are read; finish it exactly once.
type response struct {
	op     string
	status int
	header http.Header
	length int64 // of the body; -1 = not declared
	body   io.Reader
	conn   *conn
	pool   *pool
	keep   bool
	stop   func() bool // ends the watch on the caller's context
}

// exchange sends one request on c and reads the answer's headers, skipping 1xx.
func (c *Client) exchange(ctx context.Context, cn *conn, r Request, head []byte) (*response, error) {
	stop := context.AfterFunc(ctx, func() { cn.Close() })
	resp, err := c.roundTrip(cn, r, head)
	if err != nil {
		stop()
		cn.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	resp.stop = stop
	return resp, nil
}

func (c *Client) roundTrip(cn *conn, r Request, head []byte) (*response, error) {
	cn.SetDeadline(time.Now().Add(c.cfg.HeaderTimeout))
	// The whole body goes out before the answer is read: a server that closes early costs PBS the answer.
	if _, err := cn.Write(head); err != nil {
		return nil, &transportError{err}
	}
	if r.Body != nil && len(r.Body.bytes) > 0 {
		if _, err := cn.Write(r.Body.bytes); err != nil {
			return nil, &transportError{err}
		}
	}
	for {
		hr, err := http.ReadResponse(cn.r, &http.Request{Method: r.Method})
		if err != nil {
			return nil, &transportError{err}
		}
		if hr.StatusCode >= 100 && hr.StatusCode < 200 {
			continue
		}
		cn.SetDeadline(time.Time{})
		resp := &response{op: r.Op, status: hr.StatusCode, header: hr.Header, length: hr.ContentLength, body: hr.Body,
			conn: cn, pool: c.pool, keep: !hr.Close && hr.ProtoAtLeast(1, 1)}
		return resp, resp.check()
	}
}

// check tests what holds for every answer.
func (r *response) check() error {
	n := 0
	for _, v := range r.header {
		n += len(v)
	}
	if n > maxHeaders {
		return broken(r.op, "%d headers, at most %d are read", n, maxHeaders)
	}
	if e := r.first("Content-Encoding"); e != "" {
		return broken(r.op, "content-encoding %q, but none was asked for", e)
	}
	if d := r.first("Date"); d != "" {
		if _, err := ParseDate(d); err != nil {
			return broken(r.op, "date: %v", err)
		}
	}
	return nil
}

// first is the first value of a header, as PBS reads repeats.
func (r *response) first(name string) string {
	if v := r.header[textproto.CanonicalMIMEHeaderKey(name)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// finish reads what is left of the body, and keeps the connection if it can be used again. Bytes behind the answer are
// a broken contract: the next answer would be read from them.
func (r *response) finish() error {
	n, err := io.Copy(io.Discard, io.LimitReader(r.body, maxDocument))
	if err != nil || n == maxDocument {
		r.abandon()
		return &transportError{fmt.Errorf("cannot read the answer's end: %w", orUnexpected(err))}
	}
	if r.conn.r.Buffered() > 0 {
		r.abandon()
		return broken(r.op, "%d bytes follow the answer", r.conn.r.Buffered())
	}
	if r.stop() && r.keep {
		r.pool.give(r.conn)
	} else {
		r.conn.Close()
	}
	return nil
}

func orUnexpected(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// abandon closes the connection.
func (r *response) abandon() {
	r.stop()
	r.conn.Close()
}

// document reads a whole small body and finishes the answer.
func (r *response) document() ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r.body, maxDocument))
	if err != nil {
		r.abandon()
		return nil, &transportError{err}
	}
	return b, r.finish()
}

// into reads the body into buf, which must have room for all of it, and finishes the answer.
func (r *response) into(buf []byte) error {
	if _, err := io.ReadFull(r.body, buf); err != nil {
		r.abandon()
		return &transportError{fmt.Errorf("the body ended early: %w", err)}
	}
	return r.finish()
}

// fail turns an answer outside the operation's statuses into an error, and finishes it.
func (r *response) fail() error {
	b, err := r.document()
	if err != nil {
		return err
	}
	e := &StatusError{Op: r.op, Status: r.status}
	if root, perr := parseXML(b); perr == nil {
		e.Code, e.Message = root.text("Code"), root.text("Message")
	}
	return e
}

// need returns a required header.
func (r *response) need(name string) (string, error) {
	v, ok := r.header[textproto.CanonicalMIMEHeaderKey(name)]
	if !ok || len(v) == 0 {
		return "", broken(r.op, "missing header %q", name)
	}
	return v[0], nil
}

// contentLength is the declared length as PBS reads it: decimal digits and nothing else.
func (r *response) contentLength() (int64, error) {
	v, err := r.need("Content-Length")
	if err != nil {
		return 0, err
	}
	n, perr := strconv.ParseUint(v, 10, 63)
	if perr != nil || !bytes.Equal([]byte(v), strconv.AppendUint(nil, n, 10)) {
		return 0, broken(r.op, "content-length %q", v)
	}
	return int64(n), nil
}
