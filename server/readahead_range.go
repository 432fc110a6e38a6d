package server

import (
	"context"
	"io"
	"sync"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// ranged is one range of stored bytes on its way into a buffer, readable as far as it is
// there. Its bytes are sealed, so that the buffer goes back uncleared.
type ranged struct {
	s    *Server
	size int
	buf  *[]byte // nil: closed
	res  *pipeline.Reservation
	read int           // by the reader
	more chan struct{} // filled or err may have changed
	done chan struct{} // the fetching goroutine has ended

	mu     sync.Mutex
	filled int // bytes of buf that are there and do not change any more
	err    error
}

// fetchRange begins to fetch size bytes of an object from offset from on. The range owns
// res. ctx must end before Close is called, or the range be read to its end.
func (s *Server) fetchRange(ctx context.Context, o *stored, from int64, size int, res *pipeline.Reservation) *ranged {
	buf, ok := s.ranges.Get().(*[]byte)
	if !ok {
		b := make([]byte, s.rangeSize)
		buf = &b
	}
	r := &ranged{s: s, size: size, buf: buf, res: res, more: make(chan struct{}, 1), done: make(chan struct{})}
	s.metrics.rangesAhead.Inc()
	go func() {
		defer close(r.done)
		r.fill(ctx, o, from)
	}()
	return r
}

// fill fetches the range: all of it, or an error is told.
func (r *ranged) fill(ctx context.Context, o *stored, from int64) {
	obj, err := r.s.getBound(ctx, o, &backend.Range{First: from, Last: from + int64(r.size) - 1})
	if err != nil {
		r.add(0, err)
		return
	}
	body := r.s.resume(ctx, o, obj, from)
	defer body.Close()
	for at := 0; at < r.size && err == nil; {
		var n int
		n, err = body.Read((*r.buf)[at:r.size])
		at += n
		if err == io.EOF && at < r.size {
			err = io.ErrUnexpectedEOF
		}
		r.add(n, err)
	}
}

// add tells the reader of n bytes more, or of an error behind them.
func (r *ranged) add(n int, err error) {
	r.mu.Lock()
	r.filled += n
	r.err = err
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// Read gives what is there, or waits for it. It ends when the fetching does, which its
// context bounds.
func (r *ranged) Read(p []byte) (int, error) {
	for r.buf != nil && r.read < r.size {
		r.mu.Lock()
		filled, err := r.filled, r.err
		r.mu.Unlock()
		if filled > r.read {
			n := copy(p, (*r.buf)[r.read:filled])
			r.read += n
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		<-r.more
	}
	if r.read < r.size {
		return 0, io.ErrClosedPipe
	}
	return 0, io.EOF
}

// Close joins the fetching and gives the buffer back. More than once is fine.
func (r *ranged) Close() error {
	if r.buf == nil {
		return nil
	}
	<-r.done
	r.s.ranges.Put(r.buf)
	r.buf = nil
	r.res.Release()
	return nil
}
