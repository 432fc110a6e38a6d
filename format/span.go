package format

import "fmt"

// Span says which stored bytes must be read to deliver a plain range. Only whole segments can be opened.
type Span struct {
	First, Last    int64 // segments, inclusive
	Offset, Length int64 // stored bytes of those segments, from the start of the object
	Skip           int64 // plain bytes to drop in front of the first segment
	N              int64 // plain bytes to deliver
}

// Cover returns the Span of the plain bytes off … off+n−1 of an object of plain bytes. The range must not be empty, except for the empty
// object's Cover(L, 0, 0, 0), whose bare tag must be checked as well; an empty range or one that leaves the object is ErrRange. An invalid
// block size or plain size is the caller's bug.
func Cover(blockSize int, plain, off, n int64) (Span, error) {
	if !ValidBlockSize(blockSize) || plain < 0 || plain > MaxPlainSize {
		panic(fmt.Sprintf("BUG: format.Cover of %d bytes with block size %d", plain, blockSize))
	}
	empty := plain == 0 && off == 0 && n == 0
	if !empty && (off < 0 || n <= 0 || off >= plain || n > plain-off) {
		return Span{}, fmt.Errorf("cannot cover %d bytes at %d of %d: %w", n, off, plain, ErrRange)
	}
	s := Span{First: off / SegmentSize, Skip: off % SegmentSize, N: n}
	s.Last = max(off, off+n-1) / SegmentSize
	s.Offset = int64(blockSize) + s.First*Stride
	end := min((s.Last+1)*Stride, bodySize(plain))
	s.Length = end - s.First*Stride
	return s, nil
}
