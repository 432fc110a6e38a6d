package pipeline

import (
	"context"
	"fmt"
	"io"
)

// Seal reads exactly plain bytes of src, demands io.EOF behind them, and gives
// sink every sealed batch in order; sink runs on the caller's goroutine and owns
// what it is given, also when it returns an error. An empty stream gives one
// batch of one empty segment.
//
// EOF means verified: the last batch is sealed, and so reaches sink, only after
// src returned io.EOF and while ctx is alive. An error of src, a short source
// (ErrShortSource) or a long one (ErrLongSource) ends the stream before it.
//
// Seal returns when nothing is in flight any more. It takes no budget: see
// Reserve. Errors: the above, those of src, sink and ctx, and ErrClosed.
func (e *Engine) Seal(ctx context.Context, src io.Reader, plain int64, s Sealer, sink func(*Batch) error) error {
	if err := e.admit(plain); err != nil {
		return fmt.Errorf("cannot seal: %w", err)
	}
	p := pump{e: e, ctx: ctx, src: source{r: src}, sealer: s, sink: sink}
	defer p.abandon()
	for first, left := int64(0), plain; ; first += int64(e.segments) {
		n := int(min(left, int64(e.BatchBytes())))
		if err := p.fill(n, n, e.segment); err != nil {
			return err
		}
		left -= int64(n)
		if left == 0 {
			if err := p.src.end(p.filling.spare()); err != nil {
				return p.fail(err)
			}
		}
		if err := p.submit(first, left == 0); err != nil {
			return err
		}
		if left == 0 {
			return p.drain()
		}
	}
}

// admit refuses a stream that cannot begin.
func (e *Engine) admit(n int64) error {
	if n < 0 {
		return fmt.Errorf("a stream of %d bytes", n)
	}
	if e.closed.Load() {
		return fmt.Errorf("the engine is %w", ErrClosed)
	}
	return nil
}
