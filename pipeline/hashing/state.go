package hashing

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
)

// state is what a kernel goes on from: the four words of MD5 and the eight of SHA-256.
type state [12]uint32

// initial is RFC 1321, 3.3, and FIPS 180-4, 5.3.3.
func initial() state {
	return state{
		0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	}
}

func (s *state) md5() (sum [md5.Size]byte) {
	for i, w := range s[:4] {
		binary.LittleEndian.PutUint32(sum[4*i:], w)
	}
	return sum
}

func (s *state) sha256() (sum [sha256.Size]byte) {
	for i, w := range s[4:] {
		binary.BigEndian.PutUint32(sum[4*i:], w)
	}
	return sum
}

// kind is which words of its state a stream goes on with. Streams of one kind meet.
type kind uint8

const (
	both kind = iota
	onlySHA256
	onlyMD5 // of AVX2 and AVX512: elsewhere, and of one stream or two, SHA-256 beside it is free
	kinds
)

// one hashes the whole blocks of p into s.
func (k kind) one(s *state, p []byte) {
	if k == onlySHA256 {
		sha256One((*[12]uint32)(s), &p[0], len(p)/blockBytes)
	} else {
		hashOne((*[12]uint32)(s), &p[0], len(p)/blockBytes)
	}
}
