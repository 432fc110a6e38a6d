package server

import (
	"context"
	"errors"
	"io"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// readAhead gives a run of stored bytes in order while Config.Threads connections fetch
// them: the range in front, which is read, and those behind it, each into a buffer.
//
// Buffers are taken from the byte budget while no more than half of it is used, and never
// waited for. Where there is none the next range is read straight from the backend, as
// one thread would, so that the reader always goes on. All ranges are asked for by the
// version and the ETag that the object's block had: bytes of another object never follow.
//
// One goroutine reads and closes. Each range has one goroutine more, which Close joins.
type readAhead struct {
	s      *Server
	o      *stored
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	front   io.ReadCloser // being read
	at      int64         // of the next byte in the stored object
	frontTo int64         // where front ends
	ahead   []*ranged     // what follows it, in order
	asked   int64         // up to where ranges were asked for
	end     int64
	err     error // stays
}

// readOn makes front, which gives the stored bytes of an object from at up to before frontTo, go
// on to end. It owns front. Nothing is fetched ahead before fetch is called, or front is used up.
func (s *Server) readOn(ctx context.Context, o *stored, front io.ReadCloser, at, frontTo, end int64) io.ReadCloser {
	if frontTo >= end {
		return front
	}
	a := &readAhead{s: s, o: o, front: front, at: at, frontTo: frontTo, asked: frontTo, end: end}
	a.ctx, a.cancel = context.WithCancel(ctx)
	return a
}

// Read gives the next stored bytes.
func (a *readAhead) Read(p []byte) (int, error) {
	for a.err == nil {
		n, err := a.front.Read(p)
		a.at += int64(n)
		if n > 0 || err == nil {
			return n, nil // an error comes again with the next Read
		}
		switch {
		case !errors.Is(err, io.EOF):
			a.err = err
		case a.at != a.frontTo:
			a.err = io.ErrUnexpectedEOF // a range that ends early is not the object's end
		case a.frontTo == a.end:
			a.err = io.EOF
		default:
			a.err = a.goOn()
		}
	}
	return 0, a.err
}

// goOn puts the next range in front.
func (a *readAhead) goOn() error {
	a.front.Close()
	if len(a.ahead) > 0 {
		next := a.ahead[0]
		a.ahead = a.ahead[1:]
		a.front, a.frontTo = next, a.frontTo+int64(next.size)
	} else {
		from := a.frontTo
		to := min(a.end, from+aloneRanges*a.s.rangeSize)
		obj, err := a.s.getBound(a.ctx, a.o, &backend.Range{First: from, Last: to - 1})
		if err != nil {
			return err
		}
		a.front, a.frontTo, a.asked = a.s.resume(a.ctx, a.o, obj, from), to, to
	}
	a.fetch()
	return nil
}

// fetch begins ranges behind the front, as many as there are threads and memory for.
func (a *readAhead) fetch() {
	for len(a.ahead) < a.s.threads-1 && a.asked < a.end {
		res, ok := a.s.reserveAhead()
		if !ok {
			a.s.metrics.threadsWithheld.Inc()
			return
		}
		size := min(a.s.rangeSize, a.end-a.asked)
		a.ahead = append(a.ahead, a.s.fetchRange(a.ctx, a.o, a.asked, int(size), res))
		a.asked += size
	}
}

// Close gives up what was fetched and not read.
func (a *readAhead) Close() error {
	a.cancel()
	a.front.Close()
	for _, r := range a.ahead {
		r.Close()
	}
	a.ahead = nil
	if a.err == nil {
		a.err = io.ErrClosedPipe
	}
	return nil
}

// reserveAhead takes the budget of one range, unless somebody waits for it or half of it
// is used: what may be done without must not shut out what may not.
func (s *Server) reserveAhead() (*pipeline.Reservation, bool) {
	if st := s.engine.Stats(); st.BudgetUsed+s.rangeSize > st.Budget/2 {
		return nil, false
	}
	return s.engine.TryReserve(s.rangeSize)
}
