package format

import "fmt"

// Opener opens the segments of one object whose block is authenticated. Safe for concurrent use on disjoint ranges
// (TestConcurrentDisjointRanges). It prints no key.
type Opener struct {
	body   body
	header Header
	meta   Meta
}

// OpenBlock authenticates an object's block (exactly the bucket's block size, unchanged by the call) for the place it was read from, with
// sealedSize the size of the whole stored object as the backend tells it. It keeps neither ring nor block. Once it succeeds, Meta is what was
// sealed and the size is right; each segment is still to be opened. Errors: ErrNotSealed, ErrForeign, ErrVersion, ErrUnsupported (multipart
// parts and tails among others), ErrKeyUnknown, ErrCommit, ErrIntegrity.
func OpenBlock(ring Ring, where Context, block []byte, sealedSize int64) (*Opener, error) {
	opened, err := openBlock(ring, where, block, sealedSize)
	if err != nil {
		return nil, fmt.Errorf("cannot open block: %w", err)
	}
	defer clear(opened.oek[:])
	b, err := newBody(opened.header, &opened.oek, opened.meta.PlainSize)
	if err != nil {
		return nil, fmt.Errorf("cannot open block: %w", err)
	}
	return &Opener{body: b, header: opened.header, meta: opened.meta}, nil
}

// Meta returns the metadata. Its slices are shared: treat them as read-only.
func (o *Opener) Meta() Meta { return o.meta }

// PlainSize returns the size of the object as the client sees it.
func (o *Opener) PlainSize() int64 { return o.meta.PlainSize }

// PaddedSize returns the number of plain bytes in the segments: PlainSize, and the padding of a padded object. It is what Cover and Filler go by.
func (o *Opener) PaddedSize() int64 { return o.body.plain }

// BlockSize returns the length of the block in bytes.
func (o *Opener) BlockSize() int { return o.header.BlockSize }

// KeyID returns the id of the master key that the block is sealed under.
func (o *Opener) KeyID() KeyID { return o.header.KeyID }

// Suite returns the suite of the body.
func (o *Opener) Suite() Suite { return o.header.Suite }

// OpenInPlace opens whole sealed segments that begin with segment first; only the object's last one may be short. Afterwards the plain bytes of
// segment first+i are at sealed[i*Stride:][:SegmentSize], or as many as the last segment has. An error is always ErrIntegrity; then nothing of
// sealed may be used (after a failed segment it is zeroed).
func (o *Opener) OpenInPlace(sealed []byte, first int64) error {
	return o.body.openInPlace(sealed, first)
}

// CheckFiller checks stored bytes that follow the last segment: b begins off bytes into the filler. They must be zero and lie within the
// filler, else ErrIntegrity.
func (o *Opener) CheckFiller(b []byte, off int64) error {
	return checkFiller(b, off, Filler(o.body.plain))
}

// Format prints public facts only, whatever the verb.
func (o Opener) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "format.Opener(%d bytes, %s, key %s)", o.meta.PlainSize, o.header.Suite, o.header.KeyID)
}
