package hashing

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Digest is the MD5 and the SHA-256 of what is written to it.
type Digest struct {
	engine *Engine
	at     *place

	// Fused: the states, and the bytes that do not yet fill a block.
	md5    [4]uint32
	sha    [8]uint32
	block  [blockBytes]byte
	n      int // bytes in block
	length uint64
	visit  visit

	// Standard.
	std [2]hash.Hash
}

// New is a Digest of nothing.
func (e *Engine) New() *Digest {
	if !e.fused {
		return &Digest{engine: e, std: [2]hash.Hash{md5.New(), sha256.New()}}
	}
	return &Digest{
		engine: e,
		at:     &e.places[int(e.next.Add(1))%len(e.places)],
		md5:    [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476},
		sha:    [8]uint32{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
	}
}

// Write adds p; it never fails. The more p holds the better: a segment of 64 KiB is
// good, and less than 8 KiB meets no other stream.
func (d *Digest) Write(p []byte) (int, error) {
	n := len(p)
	if !d.engine.fused {
		d.engine.stats.alone.Add(uint64(n))
		// Blocks in turn: the core runs the end of the one beside the begin of the other.
		for ; len(p) > blockBytes; p = p[blockBytes:] {
			d.std[0].Write(p[:blockBytes])
			d.std[1].Write(p[:blockBytes])
		}
		d.std[0].Write(p)
		d.std[1].Write(p)
		return n, nil
	}
	d.length += uint64(n)
	if d.n > 0 {
		k := copy(d.block[d.n:], p)
		d.n += k
		p = p[k:]
		if d.n < blockBytes {
			return n, nil
		}
		d.n = 0
		d.alone(d.block[:])
	}
	if whole := len(p) &^ (blockBytes - 1); whole > 0 {
		d.blocks(p[:whole])
		p = p[whole:]
	}
	d.n = copy(d.block[:], p)
	return n, nil
}

// alone hashes whole blocks without looking for company.
func (d *Digest) alone(p []byte) {
	d.engine.stats.alone.Add(uint64(len(p)))
	hashOne(&d.md5, &d.sha, &p[0], len(p)/blockBytes)
}

// Sum ends the stream: Write must not be called after it, Sum not twice.
func (d *Digest) Sum() (m [md5.Size]byte, s [sha256.Size]byte) {
	if !d.engine.fused {
		d.std[0].Sum(m[:0])
		d.std[1].Sum(s[:0])
		return m, s
	}
	// Both pad with one bit, zeros, and the length in bits: in MD5 the low byte first.
	clear(d.block[d.n:])
	d.block[d.n] = 0x80
	if d.n >= blockBytes-8 {
		hashOne(&d.md5, &d.sha, &d.block[0], 1)
		clear(d.block[:])
	}
	sha, bits := d.sha, d.length*8
	binary.BigEndian.PutUint64(d.block[blockBytes-8:], bits)
	var other [4]uint32
	hashOne(&other, &sha, &d.block[0], 1)
	var unused [8]uint32
	binary.LittleEndian.PutUint64(d.block[blockBytes-8:], bits)
	hashOne(&d.md5, &unused, &d.block[0], 1)
	clear(d.block[:])
	for i, w := range d.md5 {
		binary.LittleEndian.PutUint32(m[4*i:], w)
	}
	for i, w := range sha {
		binary.BigEndian.PutUint32(s[4*i:], w)
	}
	return m, s
}
