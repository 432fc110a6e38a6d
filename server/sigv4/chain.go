package sigv4

import (
	"crypto/subtle"
	"encoding/hex"
	"fmt"
)

// Chain signs or verifies the chunks of a streamed body, each over the signature
// before it ("Signature Calculations for the Authorization Header: Transferring
// Payload in Multiple Chunks", Amazon S3 API reference):
//
//	chunk   = AWS4-HMAC-SHA256-PAYLOAD \n time \n scope \n previous signature \n SHA-256("") \n SHA-256(data)
//	trailer = AWS4-HMAC-SHA256-TRAILER \n time \n scope \n previous signature \n SHA-256(name:value\n …)
//
// It holds the signing key of one day and prints nothing of it.
type Chain struct {
	key   [32]byte
	last  [32]byte
	scope canonical // request is not used
}

// Format prints no key, whatever the verb.
func (Chain) Format(w fmt.State, _ rune) { fmt.Fprint(w, "sigv4.Chain(redacted)") }

const (
	chunkAlgorithm   = algorithm + "-PAYLOAD"
	trailerAlgorithm = algorithm + "-TRAILER"
	emptyHash        = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// next signs a chunk or a trailer and moves on.
func (c *Chain) next(algorithm string, sum [32]byte) [32]byte {
	var space [384]byte
	text := c.scope.appendScope(space[:0], algorithm)
	text = hex.AppendEncode(text, c.last[:])
	text = append(text, '\n')
	if algorithm == chunkAlgorithm {
		text = append(text, emptyHash+"\n"...)
	}
	text = hex.AppendEncode(text, sum[:])
	c.last = hmacSHA256(c.key[:], text)
	return c.last
}

// verify compares in constant time and moves on.
func (c *Chain) verify(algorithm string, sum, signature [32]byte) bool {
	want := c.next(algorithm, sum)
	return subtle.ConstantTimeCompare(want[:], signature[:]) == 1
}

func hexString(b []byte) string { return hex.EncodeToString(b) }
