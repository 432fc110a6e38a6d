package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
)

// canonical is what a signature is made of, beside the secret.
type canonical struct {
	request [32]byte // SHA-256 of the canonical request
	stamp   string   // YYYYMMDDTHHMMSSZ
	date    string   // YYYYMMDD
	region  string
}

// digest hashes a canonical request. head is its part up to and with the
// canonical headers.
func digest(head []byte, signedHeaders, payload string) [32]byte {
	head = append(head, '\n')
	head = append(head, signedHeaders...)
	head = append(head, '\n')
	head = append(head, payload...)
	return sha256.Sum256(head)
}

// sign computes the signature of c under a secret, and the key it is made with,
// which also signs the chunks of a streamed body. No key is kept from one call to
// the next: deriving it costs about as much as a map would, and a cache would
// tell by its timing which access keys are in use.
func (c *canonical) sign(secret string) (signature, key [32]byte) {
	var keySpace [4 + 64]byte
	long := append(append(keySpace[:0], "AWS4"...), secret...)
	key = hmacSHA256(long, c.date)
	key = hmacSHA256(key[:], c.region)
	key = hmacSHA256(key[:], service)
	key = hmacSHA256(key[:], terminator)

	var space [256]byte
	text := c.appendScope(space[:0], algorithm)
	text = hex.AppendEncode(text, c.request[:])
	return hmacSHA256(key[:], text), key
}

// appendScope appends the first three lines of a string to sign.
func (c *canonical) appendScope(dst []byte, algorithm string) []byte {
	dst = append(dst, algorithm...)
	dst = append(dst, '\n')
	dst = append(dst, c.stamp...)
	dst = append(dst, '\n')
	dst = append(dst, c.date...)
	dst = append(dst, '/')
	dst = append(dst, c.region...)
	return append(dst, "/"+service+"/"+terminator+"\n"...)
}

// hmacSHA256 is HMAC-SHA256 (RFC 2104) over a short message. It differs from
// crypto/hmac in that it allocates nothing, which is most of the cost of five
// small MACs; TestHMAC holds the two together.
func hmacSHA256[M string | []byte](key []byte, message M) [32]byte {
	var inner, outer [sha256.BlockSize + 256]byte
	if len(key) > sha256.BlockSize {
		short := sha256.Sum256(key)
		key = short[:]
	}
	copy(inner[:], key)
	copy(outer[:], key)
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	sum := sha256.Sum256(append(inner[:sha256.BlockSize], message...))
	return sha256.Sum256(append(outer[:sha256.BlockSize], sum[:]...))
}
