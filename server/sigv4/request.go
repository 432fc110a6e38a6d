package sigv4

import (
	"encoding/hex"
	"strings"
)

// Header is one header line as received. Name is in lower case; lines keep
// their order and their repetitions.
type Header struct{ Name, Value string }

// Request is what a signature covers. Verify reads it and keeps nothing of it
// beyond the strings in Verified.
type Request struct {
	// Method as on the wire.
	Method string
	// Target is the raw request target in origin form (RFC 9112 section
	// 3.2.1), not decoded, not normalised.
	Target string
	// Headers holds every header line of the request, Host included.
	Headers []Header
}

// Mode says how a payload is bound to its signature.
type Mode uint8

const (
	// Exact: the body must have Payload.SHA256.
	Exact Mode = iota + 1
	// Unsigned: the client chose UNSIGNED-PAYLOAD; nothing binds the body.
	Unsigned
	// SignedChunks: the body is aws-chunked, each chunk signed; Stream reads it.
	SignedChunks
	// SignedTrailer: the same with signed trailing headers after the last chunk.
	SignedTrailer
	// UnsignedTrailer: aws-chunked without signatures, with trailing headers.
	UnsignedTrailer
)

// Streamed says whether the body is framed as aws-chunked: what is on the wire
// is then not the object.
func (m Mode) Streamed() bool { return m >= SignedChunks && m <= UnsignedTrailer }

// Trailed says whether trailing headers follow the chunks.
func (m Mode) Trailed() bool { return m == SignedTrailer || m == UnsignedTrailer }

// String names the mode for logs.
func (m Mode) String() string {
	switch m {
	case Exact:
		return "exact"
	case Unsigned:
		return "unsigned"
	case SignedChunks:
		return "signed chunks"
	case SignedTrailer:
		return "signed chunks and trailer"
	case UnsignedTrailer:
		return "unsigned chunks and trailer"
	}
	return "unknown"
}

// Payload is what the signature says of the body. The zero value is no mode at
// all, so a caller that forgot to verify has nothing to accept.
type Payload struct {
	Mode   Mode
	SHA256 [32]byte // of the body, if Mode is Exact
}

// Verified is the proven part of a request. AccessKey is a part of the
// request's Authorization value and lives as long as that string does.
type Verified struct {
	AccessKey string
	Payload   Payload
	// Presigned: the signature came in the query, whose names AuthParams lists.
	Presigned bool
	// Chain continues the request's signature over the chunks of a streamed
	// body; it is for NewStream.
	Chain Chain
}

// UnsignedPayload is the x-amz-content-sha256 of a body that nothing binds.
const UnsignedPayload = "UNSIGNED-PAYLOAD"

// streamed are the values of x-amz-content-sha256 that announce aws-chunked
// framing. The ECDSA forms of multi-region access points are not among them.
var streamed = map[string]Mode{
	"STREAMING-AWS4-HMAC-SHA256-PAYLOAD":         SignedChunks,
	"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": SignedTrailer,
	"STREAMING-UNSIGNED-PAYLOAD-TRAILER":         UnsignedTrailer,
}

const streamingPrefix = "STREAMING-"

// parsePayload reads the value of x-amz-content-sha256. Hex digits may have
// either case: the value is signed as it stands.
func parsePayload(value string) (Payload, error) {
	switch {
	case value == UnsignedPayload:
		return Payload{Mode: Unsigned}, nil
	case strings.HasPrefix(value, streamingPrefix):
		mode, ok := streamed[value]
		if !ok {
			return Payload{}, ErrUnsupportedPayload
		}
		return Payload{Mode: mode}, nil
	}
	p := Payload{Mode: Exact}
	if !decodeHex(p.SHA256[:], value) {
		return Payload{}, tell(ErrInvalidSHA, "").about("x-amz-content-sha256", value)
	}
	return p, nil
}

// decodeHex fills dst from exactly twice as many hex digits.
func decodeHex(dst []byte, s string) bool {
	if len(s) != hex.EncodedLen(len(dst)) {
		return false
	}
	for i := range dst {
		high, low := hexDigit(s[2*i]), hexDigit(s[2*i+1])
		if high < 0 || low < 0 {
			return false
		}
		dst[i] = byte(high<<4 | low)
	}
	return true
}

// hexDigit is the value of a hex digit, or -1.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
