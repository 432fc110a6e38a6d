package pipeline

import (
	"io"
)

// SealSerial is Seal in its simplest form: one batch after the other, on one
// goroutine, nothing in flight. It is kept for ever as the oracle of the fast
// path. Batches come from e's pools; e's workers are not used.
func (e *Engine) SealSerial(src io.Reader, plain int64, s Sealer, sink func(*Batch) error) error {
	var first int64
	for left := plain; ; first += int64(e.segments) {
		b := e.newBatch(int(min(left, int64(e.segments*e.segment))))
		left -= int64(b.plain)
		err := e.fill(b, src)
		if err == nil && left == 0 {
			err = expectEOF(src)
		}
		if err != nil {
			b.Release()
			return err
		}
		j := job{batch: b, first: first, sealer: s}
		j.run(e)
		if err := sink(b); err != nil || left == 0 {
			return err
		}
	}
}

// OpenSerial is Open in its simplest form, and its oracle.
func (e *Engine) OpenSerial(src io.Reader, sealed int64, first int64, o Opener, sink func(*Batch) error) error {
	for left := sealed; left > 0; first += int64(e.segments) {
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
		j := job{batch: b, first: first, opener: o}
		if j.run(e); j.err != nil {
			b.Release()
			return j.err
		}
		if err := sink(b); err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}
