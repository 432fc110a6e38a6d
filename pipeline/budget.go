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
// QueueTimeout: a large request at the head of the queue is not overtaken by
// small ones. Take it before the first byte of a body is read; Seal and Open take
// none themselves. n below zero is a bug and panics. Errors: ErrTooLarge, ErrBusy,
// ErrClosed, or ctx's own.
func (e *Engine) Reserve(ctx context.Context, n int64) (*Reservation, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("cannot reserve %d bytes: %w", n, err)
	}
	if e.closed.Load() {
		return nil, fmt.Errorf("cannot reserve %d bytes: the engine is %w", n, ErrClosed)
	}
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
// when every batch of it is kept, as in a Chain: exact, and more than the sealed
// bytes by what the last buffer leaves unused.
func (e *Engine) Footprint(plain int64) int64 {
	if plain < 0 {
		panic("BUG: the footprint of less than nothing")
	}
	batch, large := int64(e.BatchBytes()), int64(e.segments*e.slot)
	full, rest := plain/batch, plain%batch
	switch {
	case plain == 0:
		return int64(e.slot) // one empty segment
	case rest == 0:
		return full * large
	case rest <= int64(e.segment):
		return full*large + int64(e.slot)
	}
	return full*large + large
}

// Window is the most pooled bytes that one stream holds whose batches are
// passed on at once: those with the workers, the one with the sink, and those
// in a Pipe of PipeDepth. A sink that keeps up to PipeDepth+1 batches of its own
// stays within it too.
func (e *Engine) Window() int64 {
	flight := e.depth + 1 // in flight, and the one with the sink or being filled
	if e.workers == 1 {
		flight = 1 // sealed where it is filled, and given away before the next
	}
	return int64(flight+PipeDepth+1) * int64(e.segments*e.slot)
}
