package backend

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// The body of an upload is some MiB that lie in memory. net/http copies it to a connection through a buffer, 32 KiB at a
// time: a pass over cold memory and, at 4 MiB, 128 system calls. A connection that has ReadFrom is given the body itself,
// behind an io.LimitedReader, and so can have the source write to it. What does not look like that is copied as ever.

const (
	// lendAbove is what is copied in one piece anyway.
	lendAbove = copyBuffer
	// holdBack is how much of a body is kept until its source has reported its end.
	holdBack = 1 << 10
	// lendPatience is how long the end of an attempt waits for a write to a store that has answered already.
	lendPatience = time.Second
)

var errBodyClosed = errors.New("the attempt is over")

// readFrom is ReadFrom of a connection to the store.
func readFrom(conn net.Conn, r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if body, ok := limited.R.(*sendingBody); ok {
			if n, err, ok := body.lend(conn, limited.N); ok {
				limited.N -= n
				return n, err
			}
		}
	}
	return io.Copy(struct{ io.Writer }{conn}, r)
}

// lend has the source write all that is left, n bytes, to conn. It is not ok if that cannot be done; nothing was
// taken then.
func (s *sendingBody) lend(conn net.Conn, n int64) (sent int64, err error, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body == nil || !s.body.lends() || n <= lendAbove || s.body.left.Load() != n {
		return 0, nil, false
	}
	s.lentTo.Store(&conn)
	defer s.lentTo.Store(nil)
	w := &borrower{conn: conn, body: s}
	err = w.take()
	return w.sent, err, true
}

// lends says whether the source can write by itself. One that cannot seek may block, and is read.
func (o *outgoing) lends() bool {
	_, ok := o.src.(io.WriterTo)
	return ok && o.seekable && o.fail == nil
}

// borrower writes what it is lent to a connection, but for the end, which it keeps a copy of.
type borrower struct {
	conn net.Conn
	body *sendingBody
	sent int64
	end  []byte // the last bytes of the body, once they were lent
	fail error  // of the connection
}

// take sends the body. As with outgoing.Read, the bytes that complete it are sent only after src has ended.
func (b *borrower) take() error {
	o := b.body.body
	_, err := o.src.(io.WriterTo).WriteTo(b)
	left := o.left.Load()
	switch {
	case b.fail != nil:
		return b.fail
	case err == nil && int64(len(b.end)) < left:
		err = fmt.Errorf("%w: %d of %d bytes missing", errShortSource, left-int64(len(b.end)), o.size)
	}
	if err != nil {
		o.fail = err
		return err
	}
	o.left.Store(0) // before the write: the store may answer before it returns
	n, err := b.conn.Write(b.end)
	b.sent += int64(n)
	return err
}

// Write sends what it is lent. It gives it back when it returns.
func (b *borrower) Write(p []byte) (int, error) {
	o := b.body.body
	left := o.left.Load()
	if int64(len(b.end)+len(p)) > left {
		return 0, errLongSource
	}
	given := len(p)
	if int64(given) == left {
		at := max(0, given-holdBack)
		b.end = append(b.end, p[at:]...)
		p = p[:at]
	}
	if b.body.closing.Load() {
		b.fail = errBodyClosed
		return 0, b.fail
	}
	if len(p) == 0 {
		return given, nil
	}
	o.left.Add(-int64(len(p)))
	n, err := b.conn.Write(p)
	b.sent += int64(n)
	if err != nil {
		b.fail = err
		return 0, err
	}
	return given, nil
}

// await locks the body. A write that goes on has no one to read it any more if it does not end soon: the connection is
// cut then.
func (s *sendingBody) await() {
	s.closing.Store(true)
	if s.mu.TryLock() {
		return
	}
	timer := time.AfterFunc(lendPatience, func() {
		if conn := s.lentTo.Load(); conn != nil {
			(*conn).Close()
		}
	})
	defer timer.Stop()
	s.mu.Lock()
}
