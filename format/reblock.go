package format

import (
	"crypto/rand"
	"fmt"
)

// Reblock makes the block with which the body of an existing object can lie at another place, under the ring's active key, or with other
// metadata: the move behind copy, rename and key rotation. It opens block (of an object of sealedSize stored bytes at from), lets change edit
// the metadata (nil = keep it), and seals it for to with a fresh salt. The body's bytes, filler included, stay as they are. blockSize is the
// destination bucket's; 0 = that of block. The input is not changed. change must not alter PlainSize.
//
// Errors: those of OpenBlock, then those of NewSealer.
func Reblock(ring Ring, from, to Context, block []byte, sealedSize int64, change func(*Meta), blockSize int) ([]byte, error) {
	var salt [16]byte
	rand.Read(salt[:])
	return reblock(ring, from, to, block, sealedSize, change, blockSize, salt)
}

func reblock(ring Ring, from, to Context, block []byte, sealedSize int64, change func(*Meta), blockSize int, salt [16]byte) ([]byte, error) {
	opened, err := openBlock(ring, from, block, sealedSize)
	if err != nil {
		return nil, fmt.Errorf("cannot open block to copy: %w", err)
	}
	defer clear(opened.oek[:])
	out, err := sealAgain(ring, to, opened, change, blockSize, salt)
	if err != nil {
		return nil, fmt.Errorf("cannot copy block: %w", err)
	}
	return out, nil
}

// sealAgain seals an opened block or tail for another place.
func sealAgain(ring Ring, to Context, opened *openedBlock, change func(*Meta), blockSize int, salt [16]byte) ([]byte, error) {
	h := opened.header
	h.Salt = salt
	if blockSize != 0 {
		h.BlockSize = blockSize
	}
	if !ValidBlockSize(h.BlockSize) {
		return nil, fmt.Errorf("%w: block size %d", ErrUnsupported, h.BlockSize)
	}
	if change != nil {
		plain := opened.meta.PlainSize
		change(&opened.meta)
		if opened.meta.PlainSize != plain {
			return nil, fmt.Errorf("%w: the plain size was changed", ErrMetadataInvalid)
		}
	}
	return sealBlock(ring, to, h, &opened.oek, &opened.meta, opened.table)
}
