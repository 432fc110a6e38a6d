package pipeline

import (
	"context"
	"fmt"
	"io"
)

// Open reads exactly sealed bytes of src, which are whole segments from number
// first on, the last may be short, and gives sink every opened batch in order;
// sink runs on the caller's goroutine and owns what it is given. A batch that
// does not open ends the stream with the opener's error; nothing of it reaches
// sink.
//
// Open reads not past its bytes and demands no end: what follows is the
// caller's. It returns when nothing is in flight any more. It takes no budget:
// see Reserve. Errors: those of the opener, src, sink and ctx, ErrShortSource
// and ErrClosed; the first in the stream's order wins.
func (e *Engine) Open(ctx context.Context, src io.Reader, sealed int64, first int64, o Opener, sink func(*Batch) error) error {
	if err := e.admit(sealed); err != nil {
		return fmt.Errorf("cannot open: %w", err)
	}
	p := pump{e: e, ctx: ctx, src: source{r: src}, opener: o, sink: sink}
	defer p.abandon()
	for left := sealed; left > 0; first += int64(e.segments) {
		n := int(min(left, int64(e.segments*e.slot)))
		plain, err := e.plainOf(n)
		if err != nil {
			return p.fail(err)
		}
		if err := p.fill(plain, n, n); err != nil {
			return err
		}
		left -= int64(n)
		if err := p.submit(first, left == 0); err != nil {
			return err
		}
	}
	return p.drain()
}

// plainOf is the plain bytes of n contiguous sealed bytes.
func (e *Engine) plainOf(n int) (int, error) {
	full, rest := n/e.slot, n%e.slot
	tag := e.slot - e.segment
	if rest == 0 {
		return full * e.segment, nil
	}
	// An empty segment exists only alone, in the empty object.
	if rest < tag || rest == tag && full > 0 {
		return 0, fmt.Errorf("cannot open: %d bytes are no whole segments", n)
	}
	return full*e.segment + rest - tag, nil
}
