package format

import "math/bits"

// PaddedSize is Padmé (SPEC.md section 19): the size to which the body of a padded object of plain bytes is filled up with sealed zeroes. It is
// never less than plain, at most 12 % more, and leaves about log log P bits of a size to be seen.
func PaddedSize(plain int64) int64 {
	if plain < 2 {
		return plain
	}
	exponent := bits.Len64(uint64(plain)) - 1
	free := exponent - bits.Len(uint(exponent)) // low bits that become zero
	mask := int64(1)<<free - 1
	return (plain + mask) &^ mask
}

// bodyPlain is the number of plain bytes in the segments of an object that begins with h: those of the client, and the padding behind them.
func (h Header) bodyPlain(plain int64) int64 {
	if h.Padded() {
		return PaddedSize(plain)
	}
	return plain
}

// clearPadding zeroes what of the n plain bytes in slots, from segment first on, lies behind the client's last byte.
func clearPadding(slots []byte, n int, first, plain int64) {
	for at, off := 0, first*SegmentSize; n > 0; at, off = at+Stride, off+SegmentSize {
		take := min(n, SegmentSize)
		if end := off + int64(take); end > plain {
			clear(slots[at+int(max(plain-off, 0)) : at+take])
		}
		n -= take
	}
}

// paddingIsZero is the reader's side of clearPadding: sealed holds whole slots, opened in place.
func paddingIsZero(sealed []byte, first, plain int64) bool {
	bad := byte(0)
	for at, off := 0, first*SegmentSize; at < len(sealed); at, off = at+Stride, off+SegmentSize {
		end := min(at+Stride, len(sealed)) - TagSize
		if from := max(plain-off, 0); from < int64(end-at) {
			for _, c := range sealed[at+int(from) : end] {
				bad |= c
			}
		}
	}
	return bad == 0
}
