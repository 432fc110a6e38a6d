package pipeline

import (
	"context"
	"fmt"
)

// pump is one stream. It lives on its caller's goroutine; only the jobs in
// flight are seen by others.
type pump struct {
	e      *Engine
	ctx    context.Context
	src    source
	sealer Sealer // one of the two
	opener Opener
	sink   func(*Batch) error

	filling *Batch // being read into; nil between batches
	// flight is a ring of the batches submitted and not yet given to the sink,
	// oldest at head.
	flight  [maxDepth]job
	head, n int
}

// fill reads total bytes into the slots of a fresh batch, piece bytes to a slot, or
// all at once if that is what piece is. A source that hashes what it gives is asked for
// one slot at a time, and does so in the cache; any other gives what it has, in as few
// reads as may be. What is done meanwhile goes to the sink between two reads.
func (p *pump) fill(plain, total, piece int) error {
	if err := p.cancelled(); err != nil {
		return p.fail(err)
	}
	p.filling = p.e.newBatch(plain)
	buf := p.filling.bytes()
	for at, left := 0, total; left > 0; at += p.e.slot {
		n := min(left, piece)
		for got := 0; got < n; {
			if err := p.deliverDone(); err != nil {
				return err
			}
			k, err := p.src.read(buf[at+got : at+n])
			if err != nil {
				return p.fail(p.src.early(err, got, n))
			}
			got += k
		}
		left -= n
	}
	return nil
}

// submit hands the filled batch to a worker that is idle, or about to be, and
// does it here when there is none: the hand-over pays only on idle cores. The
// queue holds two jobs a worker, so that a worker that finishes while this
// goroutine reads or seals finds work at once: waking one costs a good part of a
// batch's sealing (two cores on one stream: 1.4 times one core without the
// queue, 1.9 with it).
//
// The last batch of a stream is done here: there is nothing left to do beside it.
func (p *pump) submit(first int64, last bool) error {
	// Not even a finished batch is sealed for a caller who went away: the last
	// one would make his object whole.
	if err := p.cancelled(); err != nil {
		return p.fail(err)
	}
	if p.n == p.e.depth {
		if err := p.deliver(); err != nil {
			return err
		}
	}
	j := &p.flight[(p.head+p.n)%len(p.flight)]
	done := j.done
	if done == nil {
		done = make(chan struct{}, 1)
	}
	*j = job{batch: p.filling, first: first, sealer: p.sealer, opener: p.opener, done: done, handed: true}
	p.filling = nil
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
		if j := &p.flight[p.head]; j.handed {
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
	b, err := p.take()
	if err != nil {
		return err
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

// take waits for the oldest batch in flight and removes it. On an error the
// batch is freed.
func (p *pump) take() (*Batch, error) {
	j := p.join()
	b := j.batch
	j.batch = nil
	if j.panics != "" {
		b.Release()
		panic(j.panics)
	}
	if j.err != nil {
		b.Release()
		return nil, j.err
	}
	return b, nil
}

// join waits until the oldest job is done and takes it off the ring. Rather than
// wait idly it does what is queued, whose ever it is; so a stream ends even if
// no worker is left.
func (p *pump) join() *job {
	j := &p.flight[p.head]
	for j.handed {
		select { // a finished job before others' work
		case <-j.done:
			j.handed = false
			continue
		default:
		}
		select {
		case <-j.done:
			j.handed = false
		case other := <-p.e.jobs:
			other.runForOwner(p.e)
			other.done <- struct{}{}
		}
	}
	p.head = (p.head + 1) % len(p.flight)
	p.n--
	return j
}

// fail ends a stream with the first error in the stream's order: a batch in
// flight comes before the one that was being read, so a tampered batch is not
// reported as the short source behind it.
func (p *pump) fail(err error) error {
	for p.n > 0 {
		b, earlier := p.take()
		if earlier != nil {
			return earlier
		}
		b.Release()
	}
	return err
}

// abandon joins what is in flight and frees it and the batch being filled. It
// runs on every return of a stream, also while a panic passes.
func (p *pump) abandon() {
	if p.filling != nil {
		p.filling.Release()
		p.filling = nil
	}
	for p.n > 0 {
		j := p.join()
		j.batch.Release()
		j.batch = nil
	}
}

func (p *pump) cancelled() error {
	if err := p.ctx.Err(); err != nil {
		return fmt.Errorf("cannot go on with a stream: %w", err)
	}
	return nil
}
