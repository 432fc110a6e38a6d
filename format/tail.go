package format

import (
	"crypto/rand"
	"errors"
	"fmt"
)

// Tail is the authenticated tail block of a multipart object: enough for HEAD and for a copy. Immutable and safe for concurrent use; it prints
// no key.
type Tail struct {
	head   Header // of the first part, a claim until OpenTable has compared its salt
	header Header
	meta   Meta
	table  tablePlace
	prk    [32]byte // of OEK and OID
	sealed int64    // the whole object
}

// EndSpan returns the stored bytes, to the end of an object of sealedSize bytes, that hold its tail, its filler and its part table for certain:
// a reader that fetches them needs no third request. ok is false if no multipart object has that size. length is at most 5.2 MB; the tail
// alone is the last blockSize bytes, after which Tail.Table is exact.
func EndSpan(blockSize int, sealedSize int64) (offset, length int64, ok bool) {
	plain, ok := PlainSize(blockSize, sealedSize)
	if !ok || plain < MinPartSize {
		return 0, 0, false
	}
	length = int64(blockSize) + Filler(plain)
	return sealedSize - length, length, true
}

// OpenTail authenticates the tail of an object that begins with head (54 bytes, class 1), whose last bytes are tail (exactly the bucket's block
// size), which has sealedSize bytes as the backend tells it, and which was read from where. It changes and keeps none of its arguments. Errors:
// those of OpenBlock; ErrUnsupported for a head that is not a part's and for a size under MinPartSize.
func OpenTail(ring Ring, where Context, head, tail []byte, sealedSize int64) (*Tail, error) {
	t, oek, err := openTail(ring, where, head, tail, sealedSize)
	if err != nil {
		return nil, fmt.Errorf("cannot open tail: %w", err)
	}
	clear(oek[:])
	return t, nil
}

func openTail(ring Ring, where Context, head, tail []byte, sealedSize int64) (*Tail, *[32]byte, error) {
	first, err := ParseHeader(head)
	if err != nil {
		return nil, nil, err
	}
	if first.Class != ClassPart {
		return nil, nil, fmt.Errorf("%w: an object that begins with class %d has no tail", ErrUnsupported, first.Class)
	}
	if !ValidBlockSize(len(tail)) {
		return nil, nil, fmt.Errorf("%w: tail of %d bytes", ErrForeign, len(tail))
	}
	plain, ok := PlainSize(len(tail), sealedSize)
	switch {
	case !ok:
		return nil, nil, fmt.Errorf("%w: no object has %d bytes", ErrForeign, sealedSize)
	case plain < MinPartSize:
		return nil, nil, fmt.Errorf("%w: multipart object of %d bytes", ErrUnsupported, plain)
	}
	h, err := ParseHeader(tail)
	switch {
	case errors.Is(err, ErrNotSealed):
		return nil, nil, fmt.Errorf("%w: the object does not end with a tail", ErrIntegrity)
	case err != nil:
		return nil, nil, err
	case h.Class != ClassTail:
		return nil, nil, fmt.Errorf("%w: the object ends with class %d", ErrIntegrity, h.Class)
	}
	opened, err := authenticate(ring, where, h, tail, sealedSize)
	if err != nil {
		return nil, nil, err
	}
	t := &Tail{head: first, header: h, meta: opened.meta, table: opened.table, sealed: sealedSize}
	switch {
	case first.OID != h.OID || first.Suite != h.Suite:
		clear(opened.oek[:])
		return nil, nil, fmt.Errorf("%w: the first part is another upload's", ErrIntegrity)
	case t.fillerSize() < 0 || t.table.offset < partSize(plain):
		clear(opened.oek[:])
		return nil, nil, fmt.Errorf("%w: the part table lies outside its place", ErrIntegrity)
	}
	t.prk = extract(h.OID[:], opened.oek[:])
	return t, &opened.oek, nil
}

// fillerSize is what E(P) leaves between table and tail.
func (t *Tail) fillerSize() int64 {
	return t.sealed - int64(t.header.BlockSize) - t.table.offset - t.table.size()
}

// Meta returns the metadata. Its slices are shared: treat them as read-only.
func (t *Tail) Meta() Meta { return t.meta }

// PlainSize returns the size of the object as the client sees it.
func (t *Tail) PlainSize() int64 { return t.meta.PlainSize }

// BlockSize returns the length of the tail in bytes.
func (t *Tail) BlockSize() int { return t.header.BlockSize }

// KeyID returns the id of the master key that the tail is sealed under.
func (t *Tail) KeyID() KeyID { return t.header.KeyID }

// Suite returns the suite of the parts.
func (t *Tail) Suite() Suite { return t.header.Suite }

// OID returns Upload.OID of the upload that the object came of.
func (t *Tail) OID() [16]byte { return t.header.OID }

// Parts returns the number of parts, at least 1.
func (t *Tail) Parts() int { return t.table.parts }

// Table returns where the sealed part table lies in the stored object: at most 320,080 bytes.
func (t *Tail) Table() (offset, length int64) { return t.table.offset, t.table.size() }

// Filler returns where the filler lies in the stored object.
func (t *Tail) Filler() (offset, length int64) {
	return t.table.offset + t.table.size(), t.fillerSize()
}

// CheckFiller checks stored bytes between table and tail: b begins off bytes into the filler. They must be zero and lie within the filler, else
// ErrIntegrity.
func (t *Tail) CheckFiller(b []byte, off int64) error { return checkFiller(b, off, t.fillerSize()) }

// OpenTable opens the part table, exactly the bytes that Table names, which it does not change. Errors: ErrIntegrity, ErrUnsupported.
func (t *Tail) OpenTable(table []byte) (*Multipart, error) {
	if int64(len(table)) != t.table.size() {
		return nil, fmt.Errorf("cannot open part table: %w: %d bytes, want %d", ErrIntegrity, len(table), t.table.size())
	}
	b, err := t.table.segments(t.header.Suite, &t.prk)
	if err != nil {
		return nil, fmt.Errorf("cannot open part table: %w", err)
	}
	sealed := append([]byte(nil), table...)
	if err := b.open(sealed, 0); err != nil {
		return nil, fmt.Errorf("cannot open part table: %w", err)
	}
	plain := sealed[:0]
	for at := 0; at < len(sealed); at += Stride {
		plain = append(plain, sealed[at:min(at+Stride, len(sealed))-TagSize]...)
	}
	entries, err := decodeTable(plain)
	if err != nil {
		return nil, fmt.Errorf("cannot open part table: %w", err)
	}
	return newMultipart(t, entries)
}

// Format prints public facts only, whatever the verb.
func (t Tail) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "format.Tail(%d bytes, %d parts, %s, key %s)", t.meta.PlainSize, t.table.parts, t.header.Suite, t.header.KeyID)
}

// ReblockTail is Reblock for a multipart object: it makes the tail with which the same parts, table and filler can lie at another place, under
// the ring's active key, or with other metadata. Every stored byte before the tail stays, so a copy moves them at the backend and sends
// blockSize bytes. Arguments are those of OpenTail and Reblock. Errors: those of OpenTail, then those of NewSealer.
func ReblockTail(ring Ring, from, to Context, head, tail []byte, sealedSize int64, change func(*Meta), blockSize int) ([]byte, error) {
	var salt [16]byte
	rand.Read(salt[:])
	return reblockTail(ring, from, to, head, tail, sealedSize, change, blockSize, salt)
}

func reblockTail(ring Ring, from, to Context, head, tail []byte, sealedSize int64, change func(*Meta), blockSize int, salt [16]byte) ([]byte, error) {
	t, oek, err := openTail(ring, from, head, tail, sealedSize)
	if err != nil {
		return nil, fmt.Errorf("cannot open tail to copy: %w", err)
	}
	defer clear(oek[:])
	opened := &openedBlock{t.header, *oek, t.meta, t.table}
	defer clear(opened.oek[:])
	out, err := sealAgain(ring, to, opened, change, blockSize, salt)
	if err != nil {
		return nil, fmt.Errorf("cannot copy tail: %w", err)
	}
	return out, nil
}
