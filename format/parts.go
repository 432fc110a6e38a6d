package format

import (
	"fmt"
	"sort"
)

// Multipart is an authenticated multipart object: its metadata and where each of its parts lies. Immutable and safe for concurrent use; it
// prints no key.
type Multipart struct {
	*Tail
	parts []Part
	salts [][16]byte
}

// Part is one part of a multipart object.
type Part struct {
	Number       int   // as the client gave it; numbers may have gaps
	PlainSize    int64 // only the last part may have less than MinPartSize, or none
	PlainOffset  int64 // of its first byte in the object, as the client sees it
	SealedOffset int64 // of its 54 header bytes in the stored object
}

// SealedSize returns the stored bytes of the part, header included.
func (p Part) SealedSize() int64 { return partSize(p.PlainSize) }

// newMultipart holds the entries to the tail.
func newMultipart(t *Tail, entries []tableEntry) (*Multipart, error) {
	m := &Multipart{Tail: t, parts: make([]Part, len(entries)), salts: make([][16]byte, len(entries))}
	var plain, sealed int64
	for i, e := range entries {
		m.parts[i] = Part{int(e.number), e.plain, plain, sealed}
		m.salts[i] = e.salt
		plain += e.plain
		sealed += partSize(e.plain)
	}
	switch {
	case plain != t.meta.PlainSize || sealed != t.table.offset:
		return nil, fmt.Errorf("cannot accept part table: %w: its parts are not the object's", ErrIntegrity)
	case m.salts[0] != t.head.Salt:
		return nil, fmt.Errorf("cannot accept part table: %w: the object begins with another attempt of its first part", ErrIntegrity)
	}
	return m, nil
}

// Part returns part i, counted from 0. An i outside 0 … Parts()−1 is the caller's bug and panics.
func (m *Multipart) Part(i int) Part { return m.parts[i] }

// Find returns the index of the part with the given number.
func (m *Multipart) Find(number int) (i int, ok bool) {
	i = sort.Search(len(m.parts), func(i int) bool { return m.parts[i].Number >= number })
	return i, i < len(m.parts) && m.parts[i].Number == number
}

// OpenPart derives the keys of part i, counted from 0.
func (m *Multipart) OpenPart(i int) (*PartOpener, error) {
	p := m.parts[i]
	b, err := partSegments(m.header.Suite, &m.prk, p.Number, m.salts[i], p.PlainSize)
	if err != nil {
		return nil, fmt.Errorf("cannot open part %d: %w", p.Number, err)
	}
	return &PartOpener{body: b, number: p.Number, head: partHead(m.header.Suite, m.header.OID, m.salts[i])}, nil
}

// PartSpan says which stored bytes of one part must be read to deliver its share of a plain range. Offset counts from the start of the object;
// First and Last are segments of the part.
type PartSpan struct {
	Part int // index, counted from 0
	Span
}

// Cover returns the spans of the plain bytes off … off+n−1, in order. The stored bytes from the first span's Offset to the end of the last one
// are contiguous but for the 54 header bytes in front of every span after the first (PartOpener.CheckHead). A range that reaches the end of
// the object includes an empty last part, so that it is checked as well. An empty range or one that leaves the object is ErrRange.
func (m *Multipart) Cover(off, n int64) ([]PartSpan, error) {
	size := m.PlainSize()
	if off < 0 || n <= 0 || off >= size || n > size-off {
		return nil, fmt.Errorf("cannot cover %d bytes at %d of %d: %w", n, off, size, ErrRange)
	}
	end := off + n
	first := sort.Search(len(m.parts), func(i int) bool { return m.parts[i].PlainOffset > off }) - 1
	after := sort.Search(len(m.parts), func(i int) bool { return m.parts[i].PlainOffset >= end })
	if end == size {
		after = len(m.parts)
	}
	spans := make([]PartSpan, 0, after-first)
	for i := first; i < after; i++ {
		p := m.parts[i]
		from := max(off-p.PlainOffset, 0)
		spans = append(spans, PartSpan{i, p.cover(from, min(end-p.PlainOffset, p.PlainSize)-from)})
	}
	return spans, nil
}

// cover is Cover within a part, for a range that is known to lie in it; an empty part's is 0, 0.
func (p Part) cover(off, n int64) Span {
	s := Span{First: off / SegmentSize, Last: max(off, off+n-1) / SegmentSize, Skip: off % SegmentSize, N: n}
	s.Offset = p.SealedOffset + headSize + s.First*Stride
	s.Length = min((s.Last+1)*Stride, bodySize(p.PlainSize)) - s.First*Stride
	return s
}

// Format prints public facts only, whatever the verb.
func (m Multipart) Format(f fmt.State, verb rune) { m.Tail.Format(f, verb) }
