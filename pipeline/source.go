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
	for n := 0; n < len(p); {
		k, err := s.read(p[n:])
		if err != nil {
			return s.early(err, n, len(p))
		}
		n += k
	}
	return nil
}

// read gives what one Read of the source does: one byte at least, or an error, of which a bare io.EOF is the end.
func (s *source) read(p []byte) (int, error) {
	for range maxEmptyReads {
		if s.ended {
			return 0, io.EOF
		}
		n, err := s.r.Read(p)
		if n < 0 || n > len(p) {
			panic("BUG: a source returned an impossible count from Read")
		}
		switch {
		case err == io.EOF:
			s.ended = true
		case err != nil:
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
	if s.ended {
		return 0, io.EOF
	}
	return 0, io.ErrNoProgress
}

// early is the error of a source that gave n bytes of want and then err.
func (s *source) early(err error, n, want int) error {
	if err == io.EOF {
		return fmt.Errorf("%w: %d bytes of %d: %w", ErrShortSource, n, want, io.ErrUnexpectedEOF)
	}
	return err
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
