package pipeline

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// NewReader reads prefix, the sealed bytes, then suffix, from the start. It may
// be rewound, so the same body can be sent again; every reader has a cursor of
// its own. prefix and suffix stay the caller's and must not change until Close.
// Every reader must be closed: it keeps the chain's memory.
func (c *Chain) NewReader(prefix, suffix []byte) *ChainReader {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		panic("BUG: a reader of a released chain")
	}
	r := &ChainReader{c: c, size: int64(len(prefix)) + c.length + int64(len(suffix))}
	r.pieces = make([][]byte, 0, len(c.batches)+2)
	r.pieces = append(r.pieces, prefix)
	for _, b := range c.batches {
		r.pieces = append(r.pieces, b.Sealed())
	}
	r.pieces = append(r.pieces, suffix)
	c.readers++ // after everything that may panic
	return r
}

// ChainReader is an io.ReadSeekCloser and io.WriterTo over a Chain. Read, Seek
// and WriteTo are for one goroutine at a time; Close may run beside them.
type ChainReader struct {
	c    *Chain
	size int64

	mu     sync.Mutex
	pieces [][]byte
	at     int64
	piece  int  // the piece of at,
	in     int  // and where in it
	lent   bool // WriteTo lent a piece to its writer: the memory must stay
	closed bool
}

// Read copies the next bytes; io.EOF after the last.
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
	for n < len(p) {
		rest := r.restLocked()
		if rest == nil {
			break
		}
		k := copy(p[n:], rest)
		r.advanceLocked(k)
		n += k
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// WriteTo writes the rest, one write a batch. It does not hold up Close: the
// memory is freed when both are done.
func (r *ChainReader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		n, err := r.writePiece(w)
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// writePiece writes what is left of one batch; io.EOF says there was none.
func (r *ChainReader) writePiece(w io.Writer) (n int, err error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return 0, ErrClosed
	}
	rest := r.restLocked()
	r.lent = rest != nil
	r.mu.Unlock()
	if rest == nil {
		return 0, io.EOF
	}
	defer func() { // also when the writer panics
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lent = false
		if r.closed {
			r.dropLocked()
			return
		}
		r.advanceLocked(n)
	}()
	n, err = w.Write(rest)
	if n < 0 || n > len(rest) {
		n = 0
		return 0, errors.New("cannot write: the writer returned an impossible count")
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // a writer's failure is not this reader's end
	}
	if err == nil && n < len(rest) {
		err = io.ErrShortWrite
	}
	return n, err
}

// restLocked is what is left of the current piece, nil at the end.
func (r *ChainReader) restLocked() []byte {
	for ; r.piece < len(r.pieces); r.piece, r.in = r.piece+1, 0 {
		if rest := r.pieces[r.piece][r.in:]; len(rest) > 0 {
			return rest
		}
	}
	return nil
}

func (r *ChainReader) advanceLocked(n int) {
	r.at += int64(n)
	r.in += n
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
	r.closed = true
	if !r.lent {
		r.dropLocked()
	}
	return nil
}

// dropLocked gives the reader's reference to the chain back.
func (r *ChainReader) dropLocked() {
	r.pieces = nil
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.c.readers--
	r.c.freeLocked()
}
