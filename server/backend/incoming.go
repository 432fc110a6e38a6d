package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// incoming is the body of a Get: exactly the announced bytes, then io.EOF, or an *Error that wraps
// ErrShort. A body that ends early never ends cleanly, and one that stalls is aborted.
type incoming struct {
	ctx    context.Context // the caller's
	actx   context.Context // the attempt's
	cancel context.CancelCauseFunc
	src    io.ReadCloser
	left   int64
	limit  time.Duration
	timer  *time.Timer
	status int
	fail   error
	once   sync.Once
}

func newIncoming(ctx, actx context.Context, at *attempt, src io.ReadCloser, n int64) *incoming {
	b := &incoming{ctx: ctx, actx: actx, cancel: at.cancel, src: src, left: n, limit: at.client.config.ProgressTimeout, status: at.status}
	b.timer = time.AfterFunc(time.Hour, func() { b.cancel(errStalled) })
	b.timer.Stop()
	return b
}

// Read reads at most the announced bytes. Only the time spent here counts as a stall.
func (b *incoming) Read(p []byte) (int, error) {
	if b.fail != nil {
		return 0, b.fail
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	b.timer.Reset(b.limit)
	n, err := b.src.Read(p)
	b.timer.Stop()
	b.left -= int64(n)
	if b.left == 0 {
		// All bytes are here; whatever the connection does now is of no interest.
		return n, nil
	}
	if err != nil {
		b.fail = b.judge(err)
		return n, b.fail
	}
	return n, nil
}

func (b *incoming) judge(err error) error {
	if b.ctx.Err() != nil {
		return aborted(b.ctx, "GetObject")
	}
	if errors.Is(context.Cause(b.actx), errStalled) {
		err = errStalled
	}
	f := &Error{Kind: Busy, Op: "GetObject", Status: b.status, Attempts: 1}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		f.err = fmt.Errorf("%w: %d bytes missing", ErrShort, b.left)
	} else {
		f.err = fmt.Errorf("%w: %d bytes missing: %w", ErrShort, b.left, err)
	}
	return f
}

// Close gives the connection back if all bytes were read, and closes it otherwise. It may be called while
// another goroutine reads, which then gets an error.
func (b *incoming) Close() error {
	b.once.Do(func() {
		b.timer.Stop()
		b.src.Close()
		b.cancel(nil)
	})
	return nil
}
