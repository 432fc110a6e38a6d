package format

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// body knows the keys and the shape of an object's segments. Read-only once made.
type body struct {
	aead  cipher.AEAD
	base  [chacha20poly1305.NonceSizeX]byte // BN; the first nonceSize bytes count
	size  int                               // of a nonce
	plain int64                             // in the segments
	data  int64                             // of them, the client's; what follows is padding
	last  int64                             // number of the last segment
}

// newBody derives the keys of SPEC.md section 8, for a stream of plain client bytes that begins with h.
func newBody(h Header, oek *[32]byte, plain int64) (body, error) {
	prk := extract(h.OID[:], oek[:])
	defer clear(prk[:])
	b, err := newSegments(h.Suite, &prk, append([]byte(labelBody), byte(h.Suite), segmentLog2), h.bodyPlain(plain))
	b.data = plain
	return b, err
}

// newSegments derives the keys of one run of segments, plain bytes long, from the PRK of the object's OEK and OID.
func newSegments(suite Suite, prk *[32]byte, info []byte, plain int64) (body, error) {
	b := body{size: suite.nonceSize(), plain: plain, data: plain, last: segments(plain) - 1}
	var okm [32 + chacha20poly1305.NonceSizeX]byte
	defer clear(okm[:])
	expand(okm[:32+b.size], prk, info)
	copy(b.base[:], okm[32:32+b.size])
	aead, err := suite.newAEAD(okm[:32])
	if err != nil {
		return body{}, fmt.Errorf("cannot make keys of the body: %w", err)
	}
	b.aead = aead
	return b, nil
}

// nonce writes the nonce of segment i to dst, b.size bytes.
func (b *body) nonce(dst []byte, i int64) {
	copy(dst, b.base[:b.size])
	if i == b.last {
		dst[b.size-9] ^= 1
	}
	counter := dst[b.size-8:]
	binary.BigEndian.PutUint64(counter, binary.BigEndian.Uint64(counter)^uint64(i))
}

// The two loops below take one small nonce buffer each from the heap (an argument of an interface method escapes), never one per segment
// (TestAllocationsPerBatch).

// seal seals n plain bytes of whole segments, the object's last one included where n ends there, and returns the sealed length.
func (b *body) seal(slots []byte, n int, first int64) int {
	nonce := make([]byte, b.size)
	at := 0
	for i := first; ; i++ {
		take := min(n, SegmentSize)
		b.nonce(nonce, i)
		b.aead.Seal(slots[at:at], nonce, slots[at:at+take], nil)
		at += take + TagSize
		if n -= take; n == 0 {
			return at
		}
	}
}

func (b *body) open(sealed []byte, first int64) error {
	nonce := make([]byte, b.size)
	for at, i := 0, first; at < len(sealed); at, i = at+Stride, i+1 {
		end := min(at+Stride, len(sealed))
		b.nonce(nonce, i)
		if _, err := b.aead.Open(sealed[at:at:end], nonce, sealed[at:end], nil); err != nil {
			return fmt.Errorf("cannot open segment %d: %w", i, ErrIntegrity)
		}
	}
	return nil
}

// sealInPlace is SealInPlace of Sealer and PartSealer.
func (b *body) sealInPlace(slots []byte, plain int, first int64) int {
	if first < 0 || first > b.last || plain < 0 || plain == 0 && b.plain != 0 {
		panic(fmt.Sprintf("BUG: format: sealing %d bytes as segment %d of %d", plain, first, b.last+1))
	}
	rest := b.plain - first*SegmentSize
	if int64(plain) > rest || int64(plain) < rest && plain%SegmentSize != 0 {
		panic(fmt.Sprintf("BUG: format: sealing %d bytes at segment %d, which has %d after it", plain, first, rest))
	}
	if need := bodySize(int64(plain)); int64(len(slots)) < need {
		panic(fmt.Sprintf("BUG: format: sealing %d bytes in slots of %d, want %d", plain, len(slots), need))
	}
	if b.data != b.plain {
		clearPadding(slots, plain, first, b.data)
	}
	return b.seal(slots, plain, first)
}

// openInPlace is OpenInPlace of Opener and PartOpener.
func (b *body) openInPlace(sealed []byte, first int64) error {
	if first < 0 || first > b.last || len(sealed) == 0 { // first is a peer's: keep it out of the product below
		return fmt.Errorf("cannot open %d bytes at segment %d of %d: %w", len(sealed), first, b.last+1, ErrIntegrity)
	}
	rest := bodySize(b.plain) - first*Stride
	if int64(len(sealed)) > rest || int64(len(sealed)) < rest && len(sealed)%Stride != 0 {
		return fmt.Errorf("cannot open %d bytes at segment %d, which has %d after it: %w", len(sealed), first, rest, ErrIntegrity)
	}
	if err := b.open(sealed, first); err != nil {
		clear(sealed)
		return err
	}
	if b.data != b.plain && !paddingIsZero(sealed, first, b.data) {
		clear(sealed)
		return fmt.Errorf("cannot accept padding: %w: nonzero byte", ErrIntegrity)
	}
	return nil
}

// checkFiller accepts b if it is zero and lies off bytes into a filler of filler bytes.
func checkFiller(b []byte, off, filler int64) error {
	if off < 0 || off > filler || int64(len(b)) > filler-off {
		return fmt.Errorf("cannot accept %d bytes at %d of a filler of %d: %w", len(b), off, filler, ErrIntegrity)
	}
	for _, c := range b {
		if c != 0 {
			return fmt.Errorf("cannot accept filler: %w: nonzero byte", ErrIntegrity)
		}
	}
	return nil
}
