package paper

import "encoding/base32"

// crockford is Crockford's Base32: no I, L, O, U, so that no two characters look alike.
const crockfordAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

func crockford() *base32.Encoding {
	return base32.NewEncoding(crockfordAlphabet).WithPadding(base32.NoPadding)
}
