package paper

import (
	"fmt"
	"slices"
	"unicode"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// ParseWords reads the 25 words of a master as a person types them: any case, white space, line breaks and commas;
// numbers in front, and then in any order; four letters or more of a word. text stays the caller's, who clears it. The
// master is the caller's to wipe.
//
// Errors wrap ErrWords: *WordError for the first word that is not in the list, *CheckError when all are and do not belong
// together. No error text has a word.
func ParseWords(text []byte) (*keyagent.Secret, error) {
	tokens, err := split(text)
	if err != nil {
		return nil, err
	}
	defer clear(tokens)
	var indexes [wordCount]int
	defer clear(indexes[:])
	for i, token := range tokens {
		index, ok := find(token)
		if !ok {
			return nil, &WordError{Position: i + 1, Suggestion: nearest(token)}
		}
		if i < wordCount {
			indexes[i] = index
		}
	}
	// The count comes last: a word that was torn apart is better told by its place.
	if len(tokens) != wordCount {
		return nil, fmt.Errorf("%w: there are %d words, want %d", ErrWords, len(tokens), wordCount)
	}
	var master [32]byte
	defer clear(master[:])
	if !decode(&master, &indexes) || !matches(&master, indexes[keyWords]) {
		return nil, &CheckError{Positions: suspects(indexes)}
	}
	secret, err := keyagent.NewSecret(master[:])
	if err != nil {
		return nil, fmt.Errorf("cannot keep a master: %w", err)
	}
	return secret, nil
}

// matches reports whether the check word is that of the master. A master of zeros has none.
func matches(master *[32]byte, check int) bool {
	derived, err := format.DeriveKeys(master[:])
	if err != nil {
		return false
	}
	defer derived.Wipe()
	return checkWord(derived.KVT()) == check
}

// suspects returns the positions where one other word makes all checks fit.
func suspects(indexes [wordCount]int) (positions []int) {
	defer clear(indexes[:])
	var master [32]byte
	defer clear(master[:])
	for i := range indexes {
		was := indexes[i]
		for candidate := range listSize {
			indexes[i] = candidate
			if candidate != was && decode(&master, &indexes) && matches(&master, indexes[keyWords]) {
				positions = append(positions, i+1)
				break
			}
			if i == keyWords && !decode(&master, &indexes) {
				break // the other 24 do not fit each other: no check word helps
			}
		}
		indexes[i] = was
	}
	return positions
}

// split returns the words of text in lower case and in their order. Numbers are left out; if every word has one in front
// of it, they are the order.
func split(text []byte) (words []string, err error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrWords, len(text), MaxText)
	}
	var numbers []int // of words[i]; 0 = none
	number := 0
	for _, field := range fields(text) {
		digits := 0
		for digits < len(field) && field[digits] >= '0' && field[digits] <= '9' {
			digits++
		}
		if digits > 0 {
			number = atoi(field[:digits])
		}
		if digits == len(field) {
			continue
		}
		if len(words) == maxTokens {
			return nil, fmt.Errorf("%w: there are more than %d, want %d", ErrWords, maxTokens, wordCount)
		}
		words = append(words, field[digits:])
		numbers = append(numbers, number)
		number = 0
	}
	if slices.Contains(numbers, 0) {
		return words, nil
	}
	return order(words, numbers)
}

// maxTokens ends the reading of what cannot be a sheet; the words above 25 are counted for the error.
const maxTokens = 1000

// order sorts words by the numbers that they all have.
func order(words []string, numbers []int) ([]string, error) {
	sorted := make([]string, len(words))
	for i, n := range numbers {
		if n < 1 || n > wordCount {
			return nil, fmt.Errorf("%w: number %d in front of a word, want 1 to %d", ErrWords, n, wordCount)
		}
		if n > len(words) {
			continue // some other is missing or twice
		}
		if sorted[n-1] != "" {
			return nil, fmt.Errorf("%w: number %d is there twice", ErrWords, n)
		}
		sorted[n-1] = words[i]
	}
	if i := slices.Index(sorted, ""); i >= 0 {
		return nil, fmt.Errorf("%w: number %d is missing", ErrWords, i+1)
	}
	return sorted, nil
}

// fields cuts text at everything that stands between words or after numbers, and folds the case.
func fields(text []byte) (out []string) {
	var field []byte
	end := func() {
		if len(field) > 0 {
			out = append(out, string(field))
			clear(field)
			field = field[:0]
		}
	}
	for _, r := range string(text) {
		switch {
		case r == '\ufeff' || r == '\u200b': // marks that copying leaves behind
		case unicode.IsSpace(r) || r < 0x80 && unicode.IsPunct(r) || r == '|':
			end()
		case len(field) < maxWord:
			field = append(field, string(unicode.ToLower(r))...)
		}
	}
	end()
	return out
}

// atoi reads a few digits; more of them are out of every range anyway.
func atoi(digits string) int {
	n := 0
	for _, d := range digits {
		if n = n*10 + int(d-'0'); n > 1<<20 {
			return n
		}
	}
	return n
}
