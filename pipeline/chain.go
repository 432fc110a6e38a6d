package pipeline

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
)

// Chain keeps the batches of a whole stream in order: after Seal a body that
// can be sent again, after Open an object that can be answered. The zero value
// is empty and ready.
//
// Append, WritePlainTo and Release are for one goroutine at a time, with no Append
// after the first NewReader. Readers may be used on other goroutines, each on its
// own. The batches go back to their pools when Release was called and the last
// reader is closed: an HTTP transport may still read after its caller gave up.
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
	c.length += int64(b.sealed)
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

// Release gives the batches up. More than once is fine.
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

// NewReader reads prefix, the sealed bytes, then suffix, from the start. It may
// be rewound, so the same body can be sent again. prefix and suffix stay the
// caller's and must not change until Close. Every reader must be closed.
func (c *Chain) NewReader(prefix, suffix []byte) *ChainReader {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		panic("BUG: a reader of a released chain")
	}
	c.readers++
	r := &ChainReader{c: c, size: int64(len(prefix)) + c.length + int64(len(suffix))}
	r.pieces = make([][]byte, 0, len(c.batches)+2)
	r.pieces = append(r.pieces, prefix)
	for _, b := range c.batches {
		r.pieces = append(r.pieces, b.Sealed())
	}
	r.pieces = append(r.pieces, suffix)
	return r
}

// ChainReader is an io.ReadSeekCloser and io.WriterTo over a Chain. Read, Seek
// and WriteTo are for one goroutine at a time; Close may run beside them.
type ChainReader struct {
	c    *Chain
	size int64

	mu     sync.Mutex // held while bytes are copied out, so that Close waits
	pieces [][]byte
	at     int64
	piece  int // the piece of at, and where in it
	in     int
	closed bool
}

// Read copies the next bytes.
func (r *ChainReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	n := 0
	for n < len(p) && r.piece < len(r.pieces) {
		k := copy(p[n:], r.pieces[r.piece][r.in:])
		n += k
		r.in += k
		if r.in == len(r.pieces[r.piece]) {
			r.piece, r.in = r.piece+1, 0
		}
	}
	r.at += int64(n)
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// WriteTo writes the rest, one write a batch.
func (r *ChainReader) WriteTo(w io.Writer) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, ErrClosed
	}
	var total int64
	for r.piece < len(r.pieces) {
		if rest := r.pieces[r.piece][r.in:]; len(rest) > 0 {
			n, err := w.Write(rest)
			total, r.at, r.in = total+int64(n), r.at+int64(n), r.in+n
			if err != nil {
				return total, err
			}
		}
		r.piece, r.in = r.piece+1, 0
	}
	return total, nil
}

// Seek moves the cursor as io.Seeker says; past the end is allowed.
func (r *ChainReader) Seek(offset int64, whence int) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, ErrClosed
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	default:
		return 0, fmt.Errorf("cannot seek: whence is %d", whence)
	}
	if offset < 0 {
		return 0, errors.New("cannot seek before the start")
	}
	r.at, r.piece, r.in = offset, 0, 0
	for left := offset; r.piece < len(r.pieces); r.piece++ {
		if n := int64(len(r.pieces[r.piece])); left >= n {
			left -= n
			continue
		}
		r.in = int(left)
		break
	}
	return offset, nil
}

// Close ends the reader; more than once is fine.
func (r *ChainReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed, r.pieces = true, nil
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.c.readers--
	r.c.freeLocked()
	return nil
}
