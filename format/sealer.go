package format

import "fmt"

// SealOptions are what the bucket and the machine decide.
type SealOptions struct {
	Suite     Suite // of the body; 0 = XChaCha20Poly1305
	BlockSize int   // the bucket's; 0 = DefaultBlockSize
	Padded    bool  // the body is filled up to PaddedSize with sealed zeroes
}

// Sealer seals the segments of one object. Its keys are its own: two Sealers never share a nonce, whatever they seal. Safe for concurrent use
// on disjoint slots (TestConcurrentDisjointRanges). It prints no key.
type Sealer struct {
	body       body
	block      []byte
	sealedSize int64
}

// NewSealer makes the keys and the block of an object that lies at where and has meta.PlainSize bytes, under the ring's active key. It keeps
// neither ring nor meta. Errors: ErrNoKey, ErrMetadataTooLarge, ErrMetadataInvalid, ErrUnsupported for an unknown suite.
func NewSealer(ring Ring, where Context, meta Meta, opt SealOptions) (*Sealer, error) {
	e := freshEntropy()
	defer clear(e.oek[:])
	return newSealer(ring, where, meta, opt, &e)
}

func newSealer(ring Ring, where Context, meta Meta, opt SealOptions, e *entropy) (*Sealer, error) {
	if opt.Suite == 0 {
		opt.Suite = XChaCha20Poly1305
	}
	if opt.BlockSize == 0 {
		opt.BlockSize = DefaultBlockSize
	}
	if !opt.Suite.valid() {
		return nil, fmt.Errorf("cannot seal: SealOptions.Suite: %w: %s", ErrUnsupported, opt.Suite)
	}
	if !ValidBlockSize(opt.BlockSize) {
		return nil, fmt.Errorf("cannot seal: SealOptions.BlockSize: %w: %d", ErrUnsupported, opt.BlockSize)
	}
	h := Header{Version: formatVersion, Class: ClassStream, Suite: opt.Suite, OID: e.oid, Salt: e.salt, BlockSize: opt.BlockSize}
	if opt.Padded {
		h.Flags = flagPadded
	}
	block, err := sealBlock(ring, where, h, &e.oek, &meta, tablePlace{})
	if err != nil {
		return nil, fmt.Errorf("cannot seal: %w", err)
	}
	b, err := newBody(h, &e.oek, meta.PlainSize)
	if err != nil {
		return nil, fmt.Errorf("cannot seal: %w", err)
	}
	return &Sealer{body: b, block: block, sealedSize: SealedSize(opt.BlockSize, b.plain)}, nil
}

// Block returns the first bytes of the stored object. The caller must not change them.
func (s *Sealer) Block() []byte { return s.block[:len(s.block):len(s.block)] }

// PlainSize returns meta.PlainSize.
func (s *Sealer) PlainSize() int64 { return s.body.data }

// PaddedSize returns the number of plain bytes to be sealed: PlainSize, and the padding of a padded object.
func (s *Sealer) PaddedSize() int64 { return s.body.plain }

// SealedSize returns the size of the whole stored object: block, segments, and Filler(PaddedSize()) zero bytes.
func (s *Sealer) SealedSize() int64 { return s.sealedSize }

// SealInPlace seals plain bytes that begin with segment first. The plain bytes of segment first+i lie at slots[i*Stride:], each full segment
// SegmentSize long and followed by TagSize free bytes. It returns the length of the sealed bytes, contiguous from slots[0]. plain must be whole
// segments or end exactly at PaddedSize; the empty object is sealed by one call with plain 0 and first 0. Anything else, or slots that are too
// short, is the caller's bug and panics.
//
// What of slots is padding, the caller has to give room for and nothing else: it is sealed as zeroes.
//
// Every segment must be sealed once: sealing other bytes as the same segment of the same Sealer would repeat a nonce and reveal both. To write
// an object again with other content, make another Sealer.
func (s *Sealer) SealInPlace(slots []byte, plain int, first int64) int {
	return s.body.sealInPlace(slots, plain, first)
}

// Format prints sizes only, whatever the verb.
func (s Sealer) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "format.Sealer(%d → %d bytes)", s.body.data, s.sealedSize)
}
