package main

import (
	"errors"
	"math/bits"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// minDistinct is how many different bytes a key must have. 32 random bytes have 30 on average, and fewer than 18 once in
// 10^13 keys.
const minDistinct = 18

// checkEntropy refuses keys that somebody can have thought of, or a program have made without a random generator. It
// cannot prove that a key is random; it finds the usual accidents. key has 32 bytes.
func checkEntropy(key []byte) error {
	var seen [256]bool
	distinct, printable, ones := 0, 0, 0
	step := true
	for i, b := range key {
		if !seen[b] {
			seen[b] = true
			distinct++
		}
		if b >= 0x20 && b < 0x7f {
			printable++
		}
		ones += bits.OnesCount8(b)
		step = step && (i < 2 || b-key[i-1] == key[1]-key[0])
	}
	switch {
	case step:
		return errors.New("its bytes count up or repeat")
	case printable == keyagent.KeySize:
		return errors.New("it is text: a passphrase is no key")
	case distinct < minDistinct:
		return errors.New("it repeats bytes")
	case ones < 64 || ones > 192: // random: 128 ± 8
		return errors.New("nearly all its bits are the same")
	}
	return nil
}
