package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// NewPipe joins a pump to a reader on another goroutine: sealed batches go in,
// in order, and their bytes come out. At most depth batches are queued beside the
// one being read; a full pipe stops the pump, which is the back-pressure.
//
// One goroutine writes, one reads; the reader's Close may run beside anything.
// The reader must be closed in the end: it frees what was not read.
func NewPipe(depth int) (*PipeWriter, *PipeReader) {
	p := &pipe{queue: make(chan *Batch, depth), closed: make(chan struct{}), ended: make(chan struct{})}
	return &PipeWriter{p}, &PipeReader{p: p}
}

// pipe is the shared half. queue is never closed: the writer's end is told by
// ended, the reader's by closed, so neither side can hit a closed channel.
type pipe struct {
	queue  chan *Batch
	ended  chan struct{} // closed by the writer, after err is set
	err    error
	once   sync.Once
	closed chan struct{} // closed by the reader
}

// PipeWriter is the pump's end.
type PipeWriter struct{ p *pipe }

// Send gives a sealed batch to the reader; the pipe owns it, also on an error:
// ErrClosed when the reader is closed or CloseWithError was called, or ctx's own.
// A batch that is not sealed is a bug and panics, with the batch still the
// caller's.
func (w *PipeWriter) Send(ctx context.Context, b *Batch) error {
	b.Sealed()
	for _, over := range []<-chan struct{}{w.p.closed, w.p.ended, ctx.Done()} {
		select {
		case <-over:
			b.Release()
			return w.refusal(ctx)
		default:
		}
	}
	select {
	case w.p.queue <- b:
		// The reader may have closed between; then nobody else empties the queue.
		select {
		case <-w.p.closed:
			w.p.empty()
		default:
		}
		return nil
	case <-w.p.closed:
	case <-w.p.ended:
	case <-ctx.Done():
	}
	b.Release()
	return w.refusal(ctx)
}

// refusal says why nothing is sent any more.
func (w *PipeWriter) refusal(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cannot send a batch: %w", err)
	}
	return fmt.Errorf("cannot send a batch: the pipe is %w", ErrClosed)
}

// CloseWithError ends the stream: nil is a clean io.EOF for the reader after
// the last batch; call it so only when every batch was sent. Anything else is
// what the reader gets instead, at once. An err that is or wraps io.EOF reaches
// the reader as io.ErrUnexpectedEOF: a failure is never a clean end. The first
// call counts.
func (w *PipeWriter) CloseWithError(err error) {
	w.p.once.Do(func() {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: %v", io.ErrUnexpectedEOF, err)
		}
		w.p.err = err
		close(w.p.ended)
	})
}

func (p *pipe) empty() {
	for {
		select {
		case b := <-p.queue:
			b.Release()
		default:
			return
		}
	}
}

// PipeReader is the transport's end.
type PipeReader struct {
	p     *pipe
	close sync.Once

	mu   sync.Mutex // held while bytes are copied out, so that Close waits
	cur  *Batch
	rest []byte
	done bool // closed: cur must stay nil
	eof  bool // the clean end was given; it stays
}

// Read copies the next sealed bytes, waiting for the next batch where it must.
// Errors: the writer's, io.EOF after its clean end, ErrClosed after Close. They
// stay.
func (r *PipeReader) Read(b []byte) (int, error) {
	for {
		n, ok, err := r.copy(b)
		if ok || err != nil {
			return n, err
		}
		next, err := r.next()
		if err != nil {
			return 0, err
		}
		r.keep(next)
	}
}

// copy takes from the batch being read; ok is false if it needs another.
func (r *PipeReader) copy(b []byte) (n int, ok bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.overLocked(); err != nil {
		return 0, false, err
	}
	if r.cur == nil {
		return 0, len(b) == 0, nil
	}
	n = copy(b, r.rest)
	r.rest = r.rest[n:]
	if len(r.rest) == 0 {
		r.cur.Release()
		r.cur = nil
	}
	return n, true, nil
}

// overLocked is the error that ends reading, whatever is queued.
func (r *PipeReader) overLocked() error {
	if r.done {
		return ErrClosed
	}
	if r.eof {
		return io.EOF
	}
	select {
	case <-r.p.ended:
		return r.p.err
	default:
		return nil
	}
}

// keep makes next the batch being read, unless Close came first.
func (r *PipeReader) keep(next *Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		next.Release()
		return
	}
	r.cur, r.rest = next, next.Sealed()
}

// next waits for a batch, the end, or Close.
func (r *PipeReader) next() (*Batch, error) {
	select {
	case b := <-r.p.queue:
		return b, nil
	case <-r.p.closed:
		return nil, ErrClosed
	case <-r.p.ended:
	}
	if r.p.err != nil {
		return nil, r.p.err
	}
	select { // what was sent before the end
	case b := <-r.p.queue:
		return b, nil
	default:
	}
	select {
	case <-r.p.closed: // the queue may be empty because Close emptied it: no clean end
		return nil, ErrClosed
	default:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.eof = true
	return nil, io.EOF
}

// Close ends the reader, frees what is queued, and makes Send fail. It waits for
// a Read that is copying, not for one that waits. More than once is fine.
func (r *PipeReader) Close() error {
	r.close.Do(func() {
		close(r.p.closed)
		r.mu.Lock()
		r.done = true
		if r.cur != nil {
			r.cur.Release()
			r.cur, r.rest = nil, nil
		}
		r.mu.Unlock()
		r.p.empty()
	})
	return nil
}
