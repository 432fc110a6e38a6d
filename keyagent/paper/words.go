package paper

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"

	"github.com/tyler-smith/go-bip39/wordlists"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

const (
	wordBits  = 11
	listSize  = 1 << wordBits
	keyWords  = 24           // BIP-39: 256 bits and 8 of their hash
	wordCount = keyWords + 1 // and the check word
	prefix    = 4            // letters that tell every word of the list
)

// Words returns the 25 words of a master (doc.go, "Words"). They are the key in clear.
func Words(master *keyagent.Secret) ([]string, error) {
	_, kvt, err := names(master)
	if err != nil {
		return nil, fmt.Errorf("cannot write a master as words: %w", err)
	}
	var indexes [wordCount]int
	defer clear(indexes[:])
	if err := master.Use(func(m []byte) { encode(&indexes, m) }); err != nil {
		return nil, fmt.Errorf("cannot write a master as words: %w", err)
	}
	indexes[keyWords] = checkWord(kvt)
	words := make([]string, wordCount)
	for i, index := range indexes {
		words[i] = wordlists.English[index]
	}
	return words, nil
}

// Check returns what a sheet shows of a verification tag: its first 8 hex digits.
func Check(kvt [32]byte) string { return hex.EncodeToString(kvt[:checkBytes]) }

// checkWord returns the index of word 25: bits that Check does not show.
func checkWord(kvt [32]byte) int { return (int(kvt[30])<<8 | int(kvt[31])) % listSize }

// encode sets the first 24 indexes from the 32 bytes of a master.
func encode(indexes *[wordCount]int, master []byte) {
	var bits [33]byte
	defer clear(bits[:])
	copy(bits[:], master)
	bits[32] = checksum(master)
	acc, have, at := 0, 0, 0
	for i := range keyWords {
		for ; have < wordBits; have += 8 {
			acc = acc<<8 | int(bits[at])
			at++
		}
		have -= wordBits
		indexes[i] = acc >> have
		acc &= 1<<have - 1
	}
}

// decode is the inverse of encode: the 32 bytes, and whether their checksum is right.
func decode(master *[32]byte, indexes *[wordCount]int) bool {
	var bits [33]byte
	defer clear(bits[:])
	acc, have, at := 0, 0, 0
	for _, index := range indexes[:keyWords] {
		acc = acc<<wordBits | index
		for have += wordBits; have >= 8; at++ {
			have -= 8
			bits[at] = byte(acc >> have)
			acc &= 1<<have - 1
		}
	}
	copy(master[:], bits[:32])
	return bits[32] == checksum(bits[:32])
}

// checksum is the first byte of the hash (BIP-39, "Generating the mnemonic").
func checksum(master []byte) byte {
	sum := sha256.Sum256(master)
	defer clear(sum[:])
	return sum[0]
}

// find returns the index of a word in lower case: whole, or its first letters if they are at least four.
func find(word string) (index int, ok bool) {
	list := wordlists.English // sorted
	i := sort.SearchStrings(list, word)
	if i == len(list) {
		return 0, false
	}
	if list[i] == word {
		return i, true
	}
	if len(word) >= prefix && len(word) < len(list[i]) && list[i][:len(word)] == word {
		return i, true
	}
	return 0, false
}

// nearest returns the word of the list with the fewest letters to change, to insert, to leave out or to swap with the
// next; of several, the first that begins with the same letter, else the first.
func nearest(word string) string {
	if len(word) > maxWord {
		word = word[:maxWord]
	}
	best, least := "", 1<<30
	for _, candidate := range wordlists.English {
		d := 2 * distance(word, candidate)
		if word == "" || word[0] != candidate[0] {
			d++
		}
		if d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance is the optimal string alignment distance.
func distance(a, b string) int {
	var d [maxWord + 1][maxWord + 1]int
	for i := range len(a) + 1 {
		d[i][0] = i
	}
	for j := range len(b) + 1 {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := d[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			d[i][j] = min(change, d[i-1][j]+1, d[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
