package format

import "fmt"

// The size law (SPEC.md section 9). A legal sealed size belongs to exactly one plain size, so listings need nothing but sizes.

// sealedUnit is what fillerUnit plain bytes (80 whole segments) become, their filler included.
const sealedUnit = fillerUnit + fillerUnit/SegmentSize*TagSize + fillerBytes

// maxLawSize keeps the law's sums inside int64 for sizes that a peer claims; objects end at MaxPlainSize.
const maxLawSize = 1 << 62

// segments is nseg(P): an empty object has one empty segment.
func segments(plain int64) int64 {
	return max(1, (plain+SegmentSize-1)/SegmentSize)
}

// bodySize is the stored size of all segments of an object, without block and filler.
func bodySize(plain int64) int64 { return plain + TagSize*segments(plain) }

// Filler returns the number of zero bytes that follow the last segment of an object of plain bytes.
func Filler(plain int64) int64 { return fillerBytes * min(plain/fillerUnit, maxFillers) }

// SealedSize returns the stored size, in bytes, of an object of plain bytes in a bucket with the given block size. It is exact for every plain
// from 0 to 2^62, though objects end at MaxPlainSize; a negative or larger plain, or an invalid block size, is the caller's bug.
func SealedSize(blockSize int, plain int64) int64 {
	if !ValidBlockSize(blockSize) || plain < 0 || plain > maxLawSize {
		panic(fmt.Sprintf("BUG: format.SealedSize(%d, %d)", blockSize, plain))
	}
	return int64(blockSize) + bodySize(plain) + Filler(plain)
}

// PlainSize is the inverse of SealedSize. ok is false for a size that no object has: foreign, never to be guessed at.
func PlainSize(blockSize int, sealed int64) (plain int64, ok bool) {
	if !ValidBlockSize(blockSize) {
		panic(fmt.Sprintf("BUG: format.PlainSize with block size %d", blockSize))
	}
	t := sealed - int64(blockSize)
	if t == TagSize {
		return 0, true // the empty object: its one segment is a bare tag
	}
	if t <= 0 {
		return 0, false
	}
	// A unit of 5 MiB is 80 whole segments, so the sealed object is units of equal size and a rest below one unit (any rest after the last unit).
	units := min(t/sealedUnit, maxFillers)
	t -= units * sealedUnit
	rest := t / Stride * SegmentSize
	if part := t % Stride; part > TagSize {
		rest += part - TagSize
	} else if part != 0 {
		return 0, false // a cut tag, or a segment of 0 bytes
	}
	if rest >= fillerUnit && units < maxFillers {
		return 0, false // between the last segment of a unit and its filler
	}
	plain = units*fillerUnit + rest
	return plain, plain <= MaxPlainSize
}
