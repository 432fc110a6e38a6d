package audit

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

var (
	// ErrTorn says that the last line has no newline: a power failure came while it was written.
	ErrTorn = errors.New("the last line is not complete")

	// ErrBroken says that the log cannot be written any more, since nobody knows what the disk has.
	ErrBroken = errors.New("the audit log is broken until it is opened again")

	// ErrWitness says that the log does not have the line of a receipt.
	ErrWitness = errors.New("the log does not have the line of the receipt")
)

// A LineError names the first line that breaks the chain.
type LineError struct {
	Line uint64 // from 1
	Why  string
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Why) }

// Verify reads a whole log and returns the number of its lines and the digest of the last one (zero if there is none).
// The error is a *LineError for the first line that is wrong, ErrTorn if the last one has no newline (n and head are
// then of what is before it), or the reader's.
func Verify(r io.Reader) (n uint64, head [32]byte, err error) {
	end, err := walk(r, position{}, nil)
	return end.seq, end.head, err
}

// Witness is Verify that also looks for the line seq with the digest want, as a receipt has them. It returns ErrWitness
// if the log is good but has another line there, or none.
func Witness(r io.Reader, seq uint64, want [32]byte) (n uint64, head [32]byte, err error) {
	found := false
	end, err := walk(r, position{}, func(at uint64, d [32]byte) { found = found || at == seq && d == want })
	if err == nil && !found {
		err = fmt.Errorf("line %d: %w", seq, ErrWitness)
	}
	return end.seq, end.head, err
}

// position is how far a log goes.
type position struct {
	seq  uint64
	head [32]byte
	size int64 // bytes of whole lines in this file
	torn int   // bytes of the line without newline
}

// walk verifies line by line what follows at; each is told the number and digest of every good one.
func walk(r io.Reader, at position, each func(seq uint64, d [32]byte)) (position, error) {
	at.size, at.torn = 0, 0
	in := bufio.NewReaderSize(r, maxLine)
	for {
		b, err := in.ReadSlice('\n')
		switch {
		case err == io.EOF && len(b) == 0:
			return at, nil
		case err == io.EOF:
			at.torn = len(b)
			return at, fmt.Errorf("line %d: %w", at.seq+1, ErrTorn)
		case err == bufio.ErrBufferFull:
			// A tail of this size without a newline is no line of ours, whole or torn.
			return at, &LineError{at.seq + 1, fmt.Sprintf("it has more than %d bytes", maxLine)}
		case err != nil:
			return at, fmt.Errorf("cannot read line %d: %w", at.seq+1, err)
		}
		size := len(b)
		b = bytes.TrimSuffix(b, []byte("\n"))
		l, err := decode(b)
		if err != nil {
			return at, &LineError{at.seq + 1, err.Error()}
		}
		if l.Seq != at.seq+1 {
			return at, &LineError{at.seq + 1, fmt.Sprintf("its seq is %d", l.Seq)}
		}
		if l.Prev != hex.EncodeToString(at.head[:]) {
			return at, &LineError{at.seq + 1, "it does not continue the line before: one of the two was changed"}
		}
		at.seq, at.head, at.size = l.Seq, digest(b), at.size+int64(size)
		if each != nil {
			each(at.seq, at.head)
		}
	}
}
