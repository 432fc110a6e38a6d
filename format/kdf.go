package format

import (
	"crypto/sha256"
	"fmt"
)

// HKDF-SHA256 (RFC 5869) for the inputs of this format, all of bounded size. crypto/hkdf does the same with some fifty allocations for each
// object and leaves key pads in them; here the pads live on the stack and are cleared. TestKDFIsHKDF compares the two.

const (
	hmacBlock = sha256.BlockSize
	hashSize  = sha256.Size
	// maxInfo is the longest input of expand: label, head, context.
	maxInfo = len(labelBlock) + headSize + 16 + 2 + MaxKeySize
)

// extract is HKDF-Extract for a salt of at most 64 and an ikm of at most 32 bytes.
func extract(salt, ikm []byte) [hashSize]byte {
	if len(ikm) > hashSize {
		panic("BUG: format: input key is too long")
	}
	var msg [hmacBlock + hashSize]byte
	defer clear(msg[:])
	n := copy(msg[hmacBlock:], ikm)
	return hmacSum(salt, msg[:hmacBlock+n])
}

// expand fills dst with HKDF-Expand(prk, info).
func expand(dst []byte, prk *[hashSize]byte, info []byte) {
	if len(info) > maxInfo {
		panic(fmt.Sprintf("BUG: format: %d bytes of info", len(info)))
	}
	var msg [hmacBlock + hashSize + maxInfo + 1]byte
	var t [hashSize]byte
	defer clear(msg[:])
	defer clear(t[:])
	for counter := byte(1); len(dst) > 0; counter++ {
		n := hmacBlock
		if counter > 1 {
			n += copy(msg[n:], t[:])
		}
		n += copy(msg[n:], info)
		msg[n] = counter
		t = hmacSum(prk[:], msg[:n+1])
		dst = dst[copy(dst, t[:]):]
	}
}

// hmacSum returns HMAC-SHA256(key, msg[64:]) for a key of at most 64 bytes. The first 64 bytes of msg are room for the inner pad.
func hmacSum(key, msg []byte) [hashSize]byte {
	if len(key) > hmacBlock {
		panic("BUG: format: HMAC key is too long")
	}
	var outer [hmacBlock + hashSize]byte
	defer clear(outer[:])
	copy(outer[:], key)
	for i := range hmacBlock {
		msg[i] = outer[i] ^ 0x36
		outer[i] ^= 0x5c
	}
	inner := sha256.Sum256(msg)
	copy(outer[hmacBlock:], inner[:])
	clear(inner[:])
	return sha256.Sum256(outer[:])
}
