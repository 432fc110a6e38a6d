package pipeline

import (
	"context"
	"fmt"
	"sync"
)

// Reservation is a share of the byte budget. Release gives it back; more than
// once is fine.
type Reservation struct {
	e    *Engine
	n    int64
	once sync.Once
}

// Release gives the share back.
func (r *Reservation) Release() {
	r.once.Do(func() {
		r.e.stats.used.Add(-r.n)
		r.e.budget.Release(r.n)
	})
}

// Reserve takes n bytes of the budget, first come, first served, waiting up to
// QueueTimeout. Take it before the first byte of a body is read. Errors:
// ErrTooLarge, ErrBusy, or ctx's own.
func (e *Engine) Reserve(ctx context.Context, n int64) (*Reservation, error) {
	if n > e.total {
		return nil, fmt.Errorf("cannot reserve %d of %d bytes: %w", n, e.total, ErrTooLarge)
	}
	if r, ok := e.TryReserve(n); ok {
		return r, nil
	}
	if e.stats.waiting.Add(1) > e.maxWait {
		e.stats.waiting.Add(-1)
		e.stats.refused.Add(1)
		return nil, fmt.Errorf("cannot reserve %d bytes: %w: too many wait", n, ErrBusy)
	}
	defer e.stats.waiting.Add(-1)
	limited, cancel := context.WithTimeout(ctx, e.wait)
	defer cancel()
	if err := e.budget.Acquire(limited, n); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("cannot reserve %d bytes: %w", n, ctx.Err())
		}
		e.stats.refused.Add(1)
		return nil, fmt.Errorf("cannot reserve %d bytes within %v: %w", n, e.wait, ErrBusy)
	}
	e.stats.used.Add(n)
	return &Reservation{e: e, n: n}, nil
}

// TryReserve takes n bytes if they are free and nobody waits for them.
func (e *Engine) TryReserve(n int64) (*Reservation, bool) {
	if n < 0 {
		panic("BUG: a negative reservation")
	}
	if n > e.total || !e.budget.TryAcquire(n) {
		return nil, false
	}
	e.stats.used.Add(n)
	return &Reservation{e: e, n: n}, true
}

// Footprint is the pooled bytes that a whole stream of plain bytes occupies
// when every batch of it is kept, as in a Chain.
func (e *Engine) Footprint(plain int64) int64 {
	batch := int64(e.segments * e.segment)
	if plain <= int64(e.segment) {
		return int64(e.slot)
	}
	full, rest := plain/batch, plain%batch
	n := full * int64(e.segments*e.slot)
	if rest > 0 {
		n += e.bufferFor(rest)
	}
	return n
}

// Window is the most pooled bytes that one stream holds whose batches are
// passed on at once: those with the workers, the one with the sink, and those in
// a Pipe of pipeDepth.
func (e *Engine) Window() int64 {
	// depth in flight, one in the sink, pipeDepth queued, one being read.
	return int64(e.depth+1+pipeDepth+1) * int64(e.segments*e.slot)
}

// bufferFor is the size of the buffer that n plain bytes of one batch take.
func (e *Engine) bufferFor(n int64) int64 {
	if n <= int64(e.segment) {
		return int64(e.slot)
	}
	return int64(e.segments * e.slot)
}
