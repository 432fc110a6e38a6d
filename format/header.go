package format

import (
	"encoding/binary"
	"fmt"
)

// The classes of SPEC.md section 4.
const (
	ClassStream uint8 = 0 // an object that begins with its block
	ClassPart   uint8 = 1 // header of a part; an object that begins with one is a multipart object
	ClassTail   uint8 = 2 // block at the end of a multipart object
)

const (
	magic         = "SCPX"
	formatVersion = 2
	segmentLog2   = 16
	flagPadded    = 0x01 // of a stream: its body ends with padding (SPEC.md section 19)
)

// Header is what the first 54 bytes of a sealed object say. It is a claim until OpenBlock has checked the commitment.
type Header struct {
	Version   uint16
	Class     uint8
	Suite     Suite
	Flags     byte
	KeyID     KeyID
	OID       [16]byte // random id of the object's body
	Salt      [16]byte // random, fresh with every writing of a block
	BlockSize int      // bytes of the block that starts with this header; 54 for class 1
}

// ParseHeader reads the header from the first 54 bytes of b; the rest is not looked at. It is strict: what it accepts re-encodes to the same
// bytes (FuzzHeader). It authenticates nothing and needs no key. Errors: ErrNotSealed without the magic, ErrForeign for a short b or an
// impossible block size, ErrVersion, ErrUnsupported. Multipart parts and tails parse here and are refused by OpenBlock.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return Header{}, fmt.Errorf("cannot parse header: %w", ErrNotSealed)
	}
	if len(b) < headSize {
		return Header{}, fmt.Errorf("cannot parse header: %w: %d bytes are less than a header", ErrForeign, len(b))
	}
	h := Header{
		Version: binary.BigEndian.Uint16(b[4:]),
		Class:   b[6],
		Suite:   Suite(b[7]),
		Flags:   b[9],
		KeyID:   KeyID(b[10:18]),
		OID:     [16]byte(b[18:34]),
		Salt:    [16]byte(b[34:50]),
	}
	metaLen := binary.BigEndian.Uint32(b[50:])
	switch {
	case h.Version != formatVersion:
		return Header{}, fmt.Errorf("cannot parse header: %w: version %d", ErrVersion, h.Version)
	case h.Class > ClassTail:
		return Header{}, fmt.Errorf("cannot parse header: %w: class %d", ErrUnsupported, h.Class)
	case !h.Suite.valid():
		return Header{}, fmt.Errorf("cannot parse header: %w: %s", ErrUnsupported, h.Suite)
	case b[8] != segmentLog2:
		return Header{}, fmt.Errorf("cannot parse header: %w: segments of 2^%d bytes", ErrUnsupported, b[8])
	case h.Flags&^flagPadded != 0 || h.Flags != 0 && h.Class != ClassStream:
		return Header{}, fmt.Errorf("cannot parse header: %w: flags %#02x", ErrUnsupported, h.Flags)
	case h.Class == ClassPart && (metaLen != 0 || h.KeyID != KeyID{}):
		return Header{}, fmt.Errorf("cannot parse header: %w: multipart part with a key id or a block", ErrUnsupported)
	case h.Class == ClassPart:
		h.BlockSize = headSize
		return h, nil
	case !ValidBlockSize(headSize + int(metaLen)):
		return Header{}, fmt.Errorf("cannot parse header: %w: %d bytes of metadata", ErrForeign, metaLen)
	}
	h.BlockSize = headSize + int(metaLen)
	return h, nil
}

// encode returns B, the first 54 bytes of the block.
// Padded reports whether the body ends with padding: SPEC.md section 19.
func (h Header) Padded() bool { return h.Flags&flagPadded != 0 }

func (h Header) encode() (b [headSize]byte) {
	copy(b[:], magic)
	binary.BigEndian.PutUint16(b[4:], h.Version)
	b[6] = h.Class
	b[7] = byte(h.Suite)
	b[8] = segmentLog2
	b[9] = h.Flags
	copy(b[10:], h.KeyID[:])
	copy(b[18:], h.OID[:])
	copy(b[34:], h.Salt[:])
	binary.BigEndian.PutUint32(b[50:], uint32(h.BlockSize-headSize))
	return b
}
