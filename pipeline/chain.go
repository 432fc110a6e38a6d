package pipeline

import (
	"io"
	"iter"
	"sync"
)

// Chain keeps the batches of a whole stream in order: after Seal a body that
// can be sent again, after Open an object that can be answered. The zero value
// is empty and ready.
//
// Append, PlainSegments, WritePlainTo and Release are for one goroutine at a time,
// with no Append after the first NewReader. Readers may be used on other
// goroutines, each on its own. The batches go back to their pools when Release was
// called and the last reader is closed: an HTTP transport may still read after
// its caller gave up.
type Chain struct {
	batches []*Batch
	length  int64 // sealed bytes

	mu      sync.Mutex
	readers int
	dropped bool
}

// Append takes ownership of a batch.
func (c *Chain) Append(b *Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		panic("BUG: append to a released chain")
	}
	c.batches = append(c.batches, b)
	if b.state == sealed {
		c.length += int64(len(b.Sealed()))
	}
}

// Len is the number of sealed bytes.
func (c *Chain) Len() int64 { return c.length }

// PlainSegments gives the plaintext of every segment in order; after Open only.
func (c *Chain) PlainSegments() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, b := range c.batches {
			for p := range b.PlainSegments() {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// WritePlainTo writes the plaintext, one write a segment; after Open only.
func (c *Chain) WritePlainTo(w io.Writer) (int64, error) {
	var total int64
	for p := range c.PlainSegments() {
		n, err := w.Write(p)
		total += int64(n)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// Release gives the batches up. More than once is fine; PlainSegments gives
// nothing after it, and NewReader panics.
func (c *Chain) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped = true
	c.freeLocked()
}

// freeLocked returns the batches if nobody can read them any more.
func (c *Chain) freeLocked() {
	if !c.dropped || c.readers > 0 {
		return
	}
	for _, b := range c.batches {
		b.Release()
	}
	c.batches = nil
}
