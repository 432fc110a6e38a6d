package paper

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
)

// alphabet is Crockford's Base32: no I, L, O, U, so that no two characters look alike. Its order is that of ASCII.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	labelLine  = "memkey/2 paper line\x00"
	checkChars = 2
	lineChars  = lineBytes * 8 / 5
)

func crockford() *base32.Encoding { return base32.NewEncoding(alphabet).WithPadding(base32.NoPadding) }

// lineCheck returns the two check characters of line number of lines (from 1) of a document.
func lineCheck(kind byte, number, lines int, data []byte) [checkChars]byte {
	h := sha256.New()
	h.Write([]byte(labelLine))
	h.Write([]byte{kind})
	h.Write(binary.BigEndian.AppendUint16(nil, uint16(number)))
	h.Write(binary.BigEndian.AppendUint16(nil, uint16(lines)))
	h.Write(data)
	sum := h.Sum(nil)
	v := int(sum[0])<<2 | int(sum[1]>>6)
	return [checkChars]byte{alphabet[v>>5], alphabet[v&31]}
}

// encodeLine returns data, at most lineBytes, and its check.
func encodeLine(kind byte, number, lines int, data []byte) string {
	check := lineCheck(kind, number, lines, data)
	return crockford().EncodeToString(data) + string(check[:])
}

// What is wrong with a line.
var (
	errLineMissing = errors.New("it is missing")
	errLineTwice   = errors.New("it is there twice")
	errLineLength  = errors.New("characters are missing, or too many")
	errLineSymbol  = errors.New("a character is not a digit or letter of the code (there is no U)")
	errLineCheck   = errors.New("its check does not match")
)

// decodeLine is the inverse of encodeLine for characters that fold has seen. Only the last line may be short.
func decodeLine(kind byte, number, lines int, chars []byte) ([]byte, error) {
	n := len(chars) - checkChars
	if n < 1 || n > lineChars || number < lines && n != lineChars {
		return nil, errLineLength
	}
	data := make([]byte, n*5/8)
	if len(data) == 0 || crockford().EncodedLen(len(data)) != n {
		return nil, errLineLength
	}
	if _, err := crockford().Decode(data, chars[:n]); err != nil {
		return nil, errLineSymbol
	}
	// Encoding again also finds bits beyond the last byte that are not zero.
	if encodeLine(kind, number, lines, data) != string(chars) {
		clear(data)
		return nil, errLineCheck
	}
	return data, nil
}

// fold returns the character that a person means, and false for one that the code has not.
func fold(c byte) (byte, bool) {
	if c >= 'a' && c <= 'z' {
		c -= 'a' - 'A'
	}
	switch c {
	case 'I', 'L':
		c = '1'
	case 'O':
		c = '0'
	}
	ok := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' && c != 'U'
	return c, ok
}
