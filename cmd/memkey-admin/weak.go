package main

import (
	"errors"
	"math/bits"
	"unicode/utf8"
)

// minDistinct is how many different bytes a key must have. 32 random bytes have 30 on average, and fewer than 18 once in
// 10^13 keys.
const minDistinct = 18

// maxText is how many characters of text make a key a passphrase: 32 random bytes have 12 on average, and 28 or more of
// them, or only valid UTF-8, once in 10^8 keys.
const maxText = 28

// checkEntropy refuses keys that somebody can have thought of, or a program have made without a random generator. It
// cannot prove that a key is random; it finds the usual accidents. key has 32 bytes.
func checkEntropy(key []byte) error {
	var seen [256]bool
	distinct, text, ones := 0, 0, 0
	step := true
	for i, b := range key {
		if !seen[b] {
			seen[b] = true
			distinct++
		}
		if b >= 0x20 && b < 0x7f || b == '\t' || b == '\n' || b == '\r' {
			text++
		}
		ones += bits.OnesCount8(b)
		step = step && (i < 2 || b-key[i-1] == key[1]-key[0])
	}
	switch {
	case step:
		return errors.New("its bytes count up or repeat")
	case text >= maxText, utf8.Valid(key):
		return errors.New("it is text: a passphrase is no key")
	case distinct < minDistinct:
		return errors.New("it repeats bytes")
	case ones < 64 || ones > 192: // random: 128 ± 8
		return errors.New("nearly all its bits are the same")
	}
	return nil
}
