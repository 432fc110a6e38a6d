package pbs

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// indexMagic begins a fixed index.
var indexMagic = [8]byte{47, 127, 65, 237, 145, 253, 15, 205}

const indexHeader = 4096

// encodeIndex renders a fixed index: header, then one digest per chunk in the order of the archive. size is that of
// the archive in bytes.
func encodeIndex(digests []Digest, size int64) []byte {
	b := make([]byte, indexHeader, indexHeader+32*len(digests))
	copy(b, indexMagic[:])
	sum := sha256.New()
	for _, d := range digests {
		sum.Write(d[:])
		b = append(b, d[:]...)
	}
	sum.Sum(b[32:32])
	binary.LittleEndian.PutUint64(b[64:], uint64(size))
	binary.LittleEndian.PutUint64(b[72:], ChunkSize)
	return b
}

// decodeIndex returns the digests of an index and the size of its archive.
func decodeIndex(b []byte) ([]Digest, int64, error) {
	if len(b) < indexHeader || [8]byte(b[:8]) != indexMagic || (len(b)-indexHeader)%32 != 0 {
		return nil, 0, errors.New("not a fixed index")
	}
	if sha256.Sum256(b[indexHeader:]) != [32]byte(b[32:64]) {
		return nil, 0, errors.New("the index's checksum is wrong")
	}
	digests := make([]Digest, 0, (len(b)-indexHeader)/32)
	for off := indexHeader; off < len(b); off += 32 {
		digests = append(digests, Digest(b[off:]))
	}
	return digests, int64(binary.LittleEndian.Uint64(b[64:])), nil
}
