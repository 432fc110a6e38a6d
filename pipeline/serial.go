package pipeline

import "io"

// SealSerial is Seal in its simplest form: one batch after the other, on one
// goroutine, nothing in flight. It is kept for ever as the oracle of the fast
// path. Batches come from e's pools; its workers are not used.
func (e *Engine) SealSerial(src io.Reader, plain int64, s Sealer, sink func(*Batch) error) error {
	in, first := source{r: src}, int64(0)
	for {
		b := e.newBatch(int(min(plain, int64(e.BatchBytes()))))
		for at := 0; at < b.plain; at += e.segment {
			slot := b.bytes()[at/e.segment*e.slot:]
			if err := in.fill(slot[:min(e.segment, b.plain-at)]); err != nil {
				b.Release()
				return err
			}
		}
		plain -= int64(b.plain)
		if plain == 0 {
			if err := in.end(make([]byte, 1)); err != nil {
				b.Release()
				return err
			}
		}
		s.SealInPlace(b.bytes(), b.plain, first)
		b.state = sealed
		if err := sink(b); err != nil || plain == 0 {
			return err
		}
		first += int64(e.segments)
	}
}

// OpenSerial is Open in its simplest form, and its oracle.
func (e *Engine) OpenSerial(src io.Reader, sealed int64, first int64, o Opener, sink func(*Batch) error) error {
	in := source{r: src}
	for sealed > 0 {
		n := int(min(sealed, int64(e.segments*e.slot)))
		plain, err := e.plainOf(n)
		if err != nil {
			return err
		}
		b := e.newBatch(plain)
		err = in.fill(b.bytes()[:n])
		if err == nil {
			err = o.OpenInPlace(b.bytes()[:n], first)
		}
		if err != nil {
			b.Release()
			return err
		}
		b.state = opened
		if err := sink(b); err != nil {
			return err
		}
		sealed -= int64(n)
		first += int64(e.segments)
	}
	return nil
}
