package main

import "io"

// checkedOut is stdout: it remembers the first write that failed, so that one look at the end finds what nobody looked at: a report on a
// full disk is no success.
type checkedOut struct {
	io.Writer
	err error
}

func (s *checkedOut) Write(b []byte) (int, error) {
	n, err := s.Writer.Write(b)
	if s.err == nil {
		s.err = err
	}
	return n, err
}
