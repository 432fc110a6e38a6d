package hashing

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Sums are digests to compute.
type Sums uint8

const (
	MD5 Sums = 1 << iota
	SHA256
)

// Digest is the MD5 or the SHA-256 of what is written to it, or both.
type Digest struct {
	engine *Engine
	want   Sums

	// All but Standard: the states, and the bytes that do not yet fill a block.
	kind   kind
	at     *place
	state  state
	block  [blockBytes]byte
	n      int // bytes in block
	length uint64
	visit  visit

	// Standard: nil where a sum is not wanted.
	md5, sha hash.Hash
}

// New is a Digest of nothing. One sum alone costs less than both, except that MD5 without
// SHA-256 is cheaper only of three streams or more.
func (e *Engine) New(want Sums) *Digest {
	d := &Digest{engine: e, want: want}
	if e.kernel == Standard {
		if want&MD5 != 0 {
			d.md5 = md5.New()
		}
		if want&SHA256 != 0 {
			d.sha = sha256.New()
		}
		return d
	}
	switch {
	case want == SHA256:
		d.kind = onlySHA256
	case want == MD5 && e.kernel != Fused:
		d.kind = onlyMD5
	}
	d.at = &e.places[int(e.next.Add(1))%len(e.places)][d.kind]
	d.state = initial()
	return d
}

// Write adds p; it never fails. The more p holds the better: a segment of 64 KiB is
// good, and less than 8 KiB meets no other stream.
func (d *Digest) Write(p []byte) (int, error) {
	n := len(p)
	if d.engine.kernel == Standard {
		d.standard(p)
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

// standard is Write by the standard library.
func (d *Digest) standard(p []byte) {
	d.engine.stats.count(1, uint64(len(p)))
	switch {
	case d.md5 == nil && d.sha == nil:
	case d.md5 == nil:
		d.sha.Write(p)
	case d.sha == nil:
		d.md5.Write(p)
	default:
		// Blocks in turn: the core runs the end of the one beside the begin of the other.
		for ; len(p) > blockBytes; p = p[blockBytes:] {
			d.md5.Write(p[:blockBytes])
			d.sha.Write(p[:blockBytes])
		}
		d.md5.Write(p)
		d.sha.Write(p)
	}
}

// alone hashes whole blocks without looking for company.
func (d *Digest) alone(p []byte) {
	d.engine.stats.count(1, uint64(len(p)))
	d.kind.one(&d.state, p)
}

// Sum ends the stream: Write must not be called after it, Sum not twice. What is not
// wanted is zero.
func (d *Digest) Sum() (m [md5.Size]byte, s [sha256.Size]byte) {
	if d.engine.kernel == Standard {
		if d.md5 != nil {
			d.md5.Sum(m[:0])
		}
		if d.sha != nil {
			d.sha.Sum(s[:0])
		}
		return m, s
	}
	// Both pad with one bit, zeros, and the length in bits: in MD5 the low byte first.
	clear(d.block[d.n:])
	d.block[d.n] = 0x80
	if d.n >= blockBytes-8 {
		d.kind.one(&d.state, d.block[:])
		clear(d.block[:])
	}
	if d.want&SHA256 != 0 {
		last := d.state
		binary.BigEndian.PutUint64(d.block[blockBytes-8:], d.length*8)
		d.kind.one(&last, d.block[:])
		s = last.sha256()
	}
	if d.want&MD5 != 0 {
		binary.LittleEndian.PutUint64(d.block[blockBytes-8:], d.length*8)
		d.kind.one(&d.state, d.block[:])
		m = d.state.md5()
	}
	clear(d.block[:])
	return m, s
}
