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

// sign computes the signature of c under a secret. No key is kept from one call
// to the next: deriving it costs about as much as a map would, and a cache
// would tell by its timing which access keys are in use.
func (c *canonical) sign(secret string) [32]byte {
	var keySpace [4 + 64]byte
	key := append(append(keySpace[:0], "AWS4"...), secret...)
	sum := hmacSHA256(key, c.date)
	sum = hmacSHA256(sum[:], c.region)
	sum = hmacSHA256(sum[:], service)
	sum = hmacSHA256(sum[:], terminator)

	var space [256]byte
	text := append(space[:0], algorithm...)
	text = append(text, '\n')
	text = append(text, c.stamp...)
	text = append(text, '\n')
	text = append(text, c.date...)
	text = append(text, '/')
	text = append(text, c.region...)
	text = append(text, "/"+service+"/"+terminator+"\n"...)
	text = hex.AppendEncode(text, c.request[:])
	return hmacSHA256(sum[:], text)
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
