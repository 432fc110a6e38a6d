package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// job is one batch on its way through a worker, or through its own caller.
type job struct {
	batch  *Batch
	first  int64
	sealer Sealer // one of the two
	opener Opener
	err    error
	done   chan struct{} // capacity 1: a worker never waits for the pump
	handed bool          // a worker has it; done will be told
}

// run does the work, on whatever goroutine it is.
func (j *job) run(e *Engine) {
	b, began := j.batch, time.Now()
	if j.sealer != nil {
		b.sealed = j.sealer.SealInPlace(b.buf.bytes, b.plain, j.first)
		b.secret = false
		e.stats.sealed.Add(int64(b.plain))
		e.stats.sealTime.Add(int64(time.Since(began)))
		return
	}
	j.err = j.opener.OpenInPlace(b.buf.bytes[:e.occupied(b.plain)], j.first)
	if j.err == nil {
		e.stats.opened.Add(int64(b.plain))
	}
	e.stats.openTime.Add(int64(time.Since(began)))
}

// pump is one stream. It lives on its caller's goroutine; only jobs in flight
// are seen by others.
type pump struct {
	e    *Engine
	sink func(*Batch) error
	// flight is a ring of the batches submitted and not yet given to the sink,
	// oldest at head.
	flight  [maxDepth]job
	head, n int
}

// submit hands a batch to a worker that is idle, or about to be, and does it
// here when there is none: the hand-over pays only on idle cores. The queue holds
// two jobs a worker, so that a worker that finishes while this goroutine reads or
// seals finds work at once: waking one costs a good part of a batch's sealing
// (two cores on one stream: 1.4 times one core without the queue, 1.9 with it).
//
// The last batch of a stream is done here: there is nothing left to do beside it.
func (p *pump) submit(b *Batch, first int64, s Sealer, o Opener, last bool) error {
	if p.n == p.e.depth {
		if err := p.deliver(); err != nil {
			b.Release()
			return err
		}
	}
	j := &p.flight[(p.head+p.n)%len(p.flight)]
	done := j.done
	if done == nil {
		done = make(chan struct{}, 1)
	}
	*j = job{batch: b, first: first, sealer: s, opener: o, done: done, handed: true}
	p.n++
	if p.e.workers > 1 && !last {
		select {
		case p.e.jobs <- j:
			p.e.stats.handed.Add(1)
			return p.deliverDone()
		default:
		}
	}
	j.handed = false
	p.e.stats.inline.Add(1)
	j.run(p.e)
	return p.deliverDone()
}

// deliverDone gives the sink what is finished at the front, without waiting.
func (p *pump) deliverDone() error {
	for p.n > 0 {
		j := &p.flight[p.head]
		if j.handed {
			select {
			case <-j.done:
				j.handed = false
			default:
				return nil
			}
		}
		if err := p.deliver(); err != nil {
			return err
		}
	}
	return nil
}

// deliver waits for the oldest batch and gives it to the sink.
func (p *pump) deliver() error {
	j := &p.flight[p.head]
	for j.handed {
		select {
		case <-j.done:
			j.handed = false
		case other := <-p.e.jobs: // rather than wait, do what is queued, whose ever it is
			other.run(p.e)
			other.done <- struct{}{}
		}
	}
	p.head = (p.head + 1) % len(p.flight)
	p.n--
	b := j.batch
	j.batch = nil
	if j.err != nil {
		b.Release()
		return j.err
	}
	return p.sink(b)
}

// drain gives everything in flight to the sink, in order.
func (p *pump) drain() error {
	for p.n > 0 {
		if err := p.deliver(); err != nil {
			return err
		}
	}
	return nil
}

// abandon joins what is in flight and frees it.
func (p *pump) abandon() {
	p.sink = func(b *Batch) error { b.Release(); return nil }
	for p.n > 0 {
		_ = p.deliver() // the first error is the caller's already
	}
}

// Seal reads exactly plain bytes of src, demands io.EOF behind them, and gives
// sink every sealed batch in order; sink owns what it is given, also when it
// returns an error. An empty stream gives one batch of one empty segment.
//
// EOF means verified: the last batch is sealed, and so reaches sink, only after
// src returned io.EOF. An error of src, a short source (ErrShortSource) or a
// long one (ErrLongSource) ends the stream before it.
//
// Seal returns when nothing is in flight any more. It takes no budget.
func (e *Engine) Seal(ctx context.Context, src io.Reader, plain int64, s Sealer, sink func(*Batch) error) error {
	p := pump{e: e, sink: sink}
	defer p.abandon()
	var first int64
	for left := plain; ; {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("cannot seal: %w", err)
		}
		n := min(left, int64(e.segments*e.segment))
		b := e.newBatch(int(n))
		err := e.fill(b, src)
		left -= n
		if err == nil && left == 0 {
			err = expectEOF(src)
		}
		if err != nil {
			b.Release()
			return err
		}
		if err := p.submit(b, first, s, nil, left == 0); err != nil {
			return err
		}
		if left == 0 {
			return p.drain()
		}
		first += int64(e.segments)
	}
}

// fill reads a batch's plaintext into its slots, one segment at a time, so that
// a source that hashes what it gives does so in the cache.
func (e *Engine) fill(b *Batch, src io.Reader) error {
	for at, left := 0, b.plain; left > 0; at += e.slot {
		n := min(left, e.segment)
		if err := readFull(src, b.buf.bytes[at:at+n]); err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// Open reads exactly sealed bytes of src, which are whole segments from number
// first on, the last may be short, and gives sink every opened batch in order;
// sink owns what it is given. A batch that does not open ends the stream with
// the opener's error; nothing of it reaches sink.
//
// Open reads not past its bytes and demands no end. It returns when nothing is
// in flight any more. It takes no budget.
func (e *Engine) Open(ctx context.Context, src io.Reader, sealed int64, first int64, o Opener, sink func(*Batch) error) error {
	p := pump{e: e, sink: sink}
	defer p.abandon()
	for left := sealed; left > 0; {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("cannot open: %w", err)
		}
		n := int(min(left, int64(e.segments*e.slot)))
		plain, err := e.plainOf(n)
		if err != nil {
			return err
		}
		b := e.newBatch(plain)
		if err := readFull(src, b.buf.bytes[:n]); err != nil {
			b.Release()
			return err
		}
		left -= int64(n)
		if err := p.submit(b, first, nil, o, left == 0); err != nil {
			return err
		}
		first += int64(e.segments)
	}
	return p.drain()
}

// plainOf is the plain bytes of n contiguous sealed bytes.
func (e *Engine) plainOf(n int) (int, error) {
	full, rest := n/e.slot, n%e.slot
	tag := e.slot - e.segment
	if rest > 0 {
		if rest < tag || rest == tag && full > 0 {
			return 0, fmt.Errorf("cannot open: %d bytes are no whole segments", n)
		}
		return full*e.segment + rest - tag, nil
	}
	return full * e.segment, nil
}

// readFull fills p; an early end is never a clean one.
func readFull(src io.Reader, p []byte) error {
	n, err := io.ReadFull(src, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %d of %d bytes: %w", ErrShortSource, n, len(p), err)
	}
	return err
}

// expectEOF demands that src ends here, cleanly.
func expectEOF(src io.Reader) error {
	var one [1]byte
	for range 100 {
		n, err := src.Read(one[:])
		switch {
		case n > 0:
			return ErrLongSource
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}
