package pipeline

import (
	"fmt"
	"io"
)

// source reads exactly, and is stricter than io.ReadFull where it matters:
//
//   - an error that comes together with the last bytes counts (io.ReadFull drops
//     it, and with it the verdict of a reader that checks a digest);
//   - only a bare io.EOF is a clean end: an error that merely wraps io.EOF is an
//     error;
//   - a reader that gives neither bytes nor an error does not hang it.
type source struct {
	r     io.Reader
	ended bool // r said io.EOF; it is not asked again
}

// fill reads len(p) bytes.
func (s *source) fill(p []byte) error {
	n := 0
	for idle := 0; n < len(p); {
		if s.ended {
			return shortSource(n, len(p))
		}
		k, err := s.r.Read(p[n:])
		if k < 0 || k > len(p)-n {
			panic("BUG: a source returned an impossible count from Read")
		}
		n += k
		switch {
		case err == io.EOF:
			s.ended = true
		case err != nil:
			return err
		case k > 0:
			idle = 0
		default:
			if idle++; idle == maxEmptyReads {
				return io.ErrNoProgress
			}
		}
	}
	return nil
}

// end demands a clean io.EOF. room is one byte of scratch: a byte that comes
// after the end has to go somewhere.
func (s *source) end(room []byte) error {
	for range maxEmptyReads {
		if s.ended {
			return nil
		}
		n, err := s.r.Read(room[:1])
		switch {
		case n > 0:
			return ErrLongSource
		case err == io.EOF:
			s.ended = true
		case err != nil:
			return err
		}
	}
	if s.ended {
		return nil
	}
	return io.ErrNoProgress
}

func shortSource(n, want int) error {
	return fmt.Errorf("%w: %d bytes of %d: %w", ErrShortSource, n, want, io.ErrUnexpectedEOF)
}
