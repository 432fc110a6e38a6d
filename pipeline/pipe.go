package pipeline

import (
	"context"
	"io"
	"sync"
)

// NewPipe joins a pump to a reader on another goroutine: sealed batches go in,
// in order, and their bytes come out. At most depth batches are queued beside the
// one being read; a full pipe stops the pump, which is the back-pressure.
//
// One goroutine writes, one reads; the reader's Close may run beside anything.
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

// Send gives a batch to the reader; the pipe owns it, also on an error:
// ErrClosed when the reader is closed, or ctx's own.
func (w *PipeWriter) Send(ctx context.Context, b *Batch) error {
	select {
	case <-w.p.closed:
		b.Release()
		return ErrClosed
	default:
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
		b.Release()
		return ErrClosed
	case <-ctx.Done():
		b.Release()
		return ctx.Err()
	}
}

// CloseWithError ends the stream: nil is a clean io.EOF for the reader after
// the last batch, anything else is what it gets in its place, at once. The
// first call counts.
func (w *PipeWriter) CloseWithError(err error) {
	w.p.once.Do(func() {
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
	done bool
}

// Read copies the next sealed bytes, waiting for the next batch where it must.
func (r *PipeReader) Read(b []byte) (int, error) {
	for {
		if n, ok := r.copy(b); ok {
			return n, nil
		}
		next, err := r.next()
		if err != nil {
			return 0, err
		}
		r.mu.Lock()
		if r.done {
			next.Release()
		} else {
			r.cur, r.rest = next, next.Sealed()
		}
		r.mu.Unlock()
	}
}

// copy takes from the batch being read; ok is false if it needs another.
func (r *PipeReader) copy(b []byte) (n int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cur == nil {
		return 0, len(b) == 0
	}
	n = copy(b, r.rest)
	r.rest = r.rest[n:]
	if len(r.rest) == 0 {
		r.cur.Release()
		r.cur = nil
	}
	return n, true
}

// next waits for a batch, the end, or Close.
func (r *PipeReader) next() (*Batch, error) {
	select {
	case <-r.p.closed:
		return nil, ErrClosed
	default:
	}
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
		return nil, io.EOF
	}
}

// Close ends the reader, frees what is queued, and makes Send fail. More than
// once is fine.
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
