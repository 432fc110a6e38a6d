package backend

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxInformational is how many answers of the kind 1xx may come before the answer.
const maxInformational = 5

// connection carries one request at a time. It belongs to a call until the answer's last byte is read, which gives it
// back, or until something fails, which closes it.
type connection struct {
	net.Conn
	socket  syscall.RawConn // nil: not known, so that it is used once
	address string
	in      *bufio.Reader
	left    int64     // bytes that may still be read
	since   time.Time // when it became idle
	idle    *idle
}

func newConnection(conn net.Conn, address string, idle *idle) *connection {
	c := &connection{Conn: conn, address: address, idle: idle, socket: socketOf(conn)}
	c.in = bufio.NewReaderSize((*bounded)(c), copyBuffer)
	return c
}

// socketOf finds the socket below our own wrappers.
func socketOf(conn net.Conn) syscall.RawConn {
	for {
		switch c := conn.(type) {
		case *abruptConn:
			conn = c.raw
		case *progressConn:
			conn = c.Conn
		case syscall.Conn:
			raw, err := c.SyscallConn()
			if err != nil {
				return nil
			}
			return raw
		default:
			return nil
		}
	}
}

// bounded is what a connection's buffer reads from.
type bounded connection

var errLongHeader = errors.New("the header of the answer is too long")

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLongHeader
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.Conn.Read(p)
	b.left -= int64(n)
	return n, err
}

// heard tells whether a byte of the answer has come.
func (c *connection) heard() bool { return c.left != maxHeader }

// quiet tells whether an idle connection is what it must be: open, with nothing to read.
func (c *connection) quiet() bool {
	if c.socket == nil || c.in.Buffered() > 0 {
		return false
	}
	quiet := false
	err := c.socket.Control(func(fd uintptr) {
		var one [1]byte
		_, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		quiet = err == unix.EAGAIN
	})
	return err == nil && quiet && c.drained()
}

// drained tells whether TLS has nothing more of what it read off the socket, which is more than the record it gave: an
// answer that nobody asked for would be taken for the next one (TestAnswerAndMoreOverTLSIsNotReused).
func (c *connection) drained() bool {
	if _, sealed := c.Conn.(*abruptConn); !sealed {
		return true
	}
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil { // ask sets its own
		return false
	}
	_, err := c.in.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// exchange sends a request's head and reads the answer's. On an error the connection is closed; so it is when ctx ends
// before the last byte of the answer's body is read.
func (c *connection) exchange(ctx context.Context, method string, head []byte, limit time.Duration) (*http.Response, error) {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	resp, err := c.ask(method, head, limit)
	if err != nil {
		stop()
		c.Close()
		return nil, err
	}
	body := &answerBody{src: resp.Body, conn: c, stop: stop, reuse: !resp.Close && c.socket != nil}
	if resp.Body == http.NoBody {
		body.end(true)
	} else {
		resp.Body = body
	}
	return resp, nil
}

func (c *connection) ask(method string, head []byte, limit time.Duration) (*http.Response, error) {
	req := &http.Request{Method: method} // all that is read of it
	c.left = maxHeader
	if _, err := c.Write(head); err != nil {
		return nil, err
	}
	if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	for range maxInformational + 1 {
		resp, err := http.ReadResponse(c.in, req)
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errors.New("answer in another protocol")
		case resp.StatusCode >= 200:
			c.left = math.MaxInt64
			return resp, c.SetReadDeadline(time.Time{})
		}
	}
	return nil, fmt.Errorf("more than %d answers before the answer", maxInformational)
}

// answerBody is the body of an answer. Its last byte gives the connection back.
type answerBody struct {
	src   io.Reader
	conn  *connection
	stop  func() bool // of the watch on the call's context
	reuse bool
	over  atomic.Bool // the connection is given away
	cut   atomic.Bool // before the body's end
}

// Read reads from the body.
func (b *answerBody) Read(p []byte) (int, error) {
	if b.cut.Load() {
		return 0, net.ErrClosed
	}
	n, err := b.src.Read(p)
	if err != nil {
		b.end(err == io.EOF)
	}
	return n, err
}

// Close closes the connection if the body is not at its end. It may be called while another goroutine reads.
func (b *answerBody) Close() error {
	b.end(false)
	return nil
}

// end gives the connection away, once.
func (b *answerBody) end(whole bool) {
	if b.over.Swap(true) {
		return
	}
	if b.stop() && whole && b.reuse && b.conn.in.Buffered() == 0 {
		b.conn.idle.put(b.conn)
		return
	}
	b.cut.Store(!whole)
	b.conn.Close()
}
