package server

import (
	"encoding/binary"
)

// crcField is the ring of polynomials modulo a CRC's, bits reversed as the CRCs that
// storage uses have them: the constant term is the highest bit.
type crcField struct {
	width uint
	poly  uint64 // without its leading term
}

// mul multiplies two polynomials.
func (f *crcField) mul(a, b uint64) uint64 {
	var p uint64
	for bit := uint64(1) << (f.width - 1); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			p ^= b
		}
		odd := b & 1
		b >>= 1
		if odd != 0 {
			b ^= f.poly
		}
	}
	return p
}

// shift is x to the power of so many bytes' bits.
func (f *crcField) shift(bytes int64) uint64 {
	one := uint64(1) << (f.width - 1)
	square := one >> 8 // x^8
	p := one
	for n := uint64(bytes); n != 0; n >>= 1 {
		if n&1 != 0 {
			p = f.mul(square, p)
		}
		square = f.mul(square, square)
	}
	return p
}

// join is the CRC of two runs of bytes, given their CRCs in big endian and the length
// of the second. CRCs that begin and end with all ones, as all of S3's do, join so:
// what the ones contribute cancels out (zlib's crc32_combine has the proof).
func (f *crcField) join(a, b []byte, length int64) []byte {
	crc := f.mul(f.shift(length), f.load(a)) ^ f.load(b)
	out := binary.BigEndian.AppendUint64(nil, crc)
	return out[8-f.width/8:]
}

func (f *crcField) load(sum []byte) uint64 {
	if uint(len(sum))*8 != f.width {
		panic("BUG: a CRC of another width")
	}
	var full [8]byte
	copy(full[8-len(sum):], sum)
	return binary.BigEndian.Uint64(full[:])
}
