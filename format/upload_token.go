package format

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// The token of an upload (SPEC.md section 12.2): all state of the upload, sealed, in the client's hands as its UploadId.
//
//	u8 2 ‖ KID[8] ‖ salt[24] ‖ XChaCha20-Poly1305(OEK[32] ‖ OID[16] ‖ u8 suite ‖ u64 milliseconds ‖ backend upload id)
//	u8 3 ‖ KID[8] ‖ salt[24] ‖ XChaCha20-Poly1305(OEK[32] ‖ OID[16] ‖ u8 suite ‖ u64 milliseconds ‖ checksum[2] ‖ backend upload id)

const (
	tokenPlain    = 2 // of an upload without a checksum
	tokenSummed   = 3 // of one with a checksum, which is not zero
	tokenHeadSize = 1 + 8 + 24
	tokenFixed    = 32 + 16 + 1 + 8
	tokenChecksum = 2
	tokenMin      = tokenHeadSize + tokenFixed + 1 + TagSize
	tokenMax      = tokenHeadSize + tokenFixed + tokenChecksum + MaxBackendID + TagSize
)

// MaxTokenSize is the longest UploadId that NewUpload makes, in characters of A–Z a–z 0–9 - _.
const MaxTokenSize = (tokenMax*8 + 5) / 6

var tokenEncoding = base64.RawURLEncoding.Strict()

// tokenHead is the open part of a token.
type tokenHead struct {
	version byte
	kid     KeyID
	salt    [24]byte
}

func tokenVersionOf(checksum [2]byte) byte {
	if checksum == [2]byte{} {
		return tokenPlain
	}
	return tokenSummed
}

func (h tokenHead) encode() []byte {
	b := append(make([]byte, 0, tokenMax), h.version)
	b = append(b, h.kid[:]...)
	return append(b, h.salt[:]...)
}

// parseToken decodes a token without authenticating it: its head, and raw, the whole of it. It accepts one spelling of each token (FuzzToken).
func parseToken(token string) (h tokenHead, raw []byte, ok bool) {
	if len(token) < (tokenMin*8+5)/6 || len(token) > MaxTokenSize {
		return h, nil, false
	}
	raw, err := tokenEncoding.DecodeString(token)
	// The decoder skips line breaks; a token has none.
	if err != nil || len(raw) < tokenMin || len(raw) > tokenMax || raw[0] != tokenPlain && raw[0] != tokenSummed || tokenEncoding.EncodedLen(len(raw)) != len(token) {
		return h, nil, false
	}
	return tokenHead{raw[0], KeyID(raw[1:9]), [24]byte(raw[9:tokenHeadSize])}, raw, true
}

// sealToken returns the token of u.
func (u *Upload) sealToken(h tokenHead, keys *UploadKeys) (string, error) {
	aead, err := chacha20poly1305.NewX(keys.TokenKey[:])
	if err != nil {
		return "", err
	}
	secret := make([]byte, 0, tokenFixed+tokenChecksum+len(u.backendID))
	secret = append(append(secret, u.oek[:]...), u.oid[:]...)
	secret = append(secret, byte(u.suite))
	secret = binary.BigEndian.AppendUint64(secret, uint64(u.created.UnixMilli()))
	if h.version == tokenSummed {
		secret = append(secret, u.checksum[:]...)
	}
	secret = append(secret, u.backendID...)
	defer clear(secret)
	head := h.encode()
	return tokenEncoding.EncodeToString(aead.Seal(head, keys.TokenNonce[:], secret, head[:tokenHeadSize:tokenHeadSize])), nil
}

// openToken authenticates raw, as parseToken gave it, and fills u.
func (u *Upload) openToken(h tokenHead, raw []byte, keys *UploadKeys) error {
	aead, err := chacha20poly1305.NewX(keys.TokenKey[:])
	if err != nil {
		return err
	}
	secret, err := aead.Open(nil, keys.TokenNonce[:], raw[tokenHeadSize:], raw[:tokenHeadSize])
	if err != nil {
		return fmt.Errorf("%w: the token does not open", ErrUpload)
	}
	defer clear(secret)
	ms := binary.BigEndian.Uint64(secret[49:])
	u.suite = Suite(secret[48])
	if !u.suite.valid() {
		return fmt.Errorf("%w: %s", ErrUnsupported, u.suite)
	}
	if ms > maxWrittenAt {
		return fmt.Errorf("%w: the token's time is none", ErrUpload)
	}
	copy(u.oek[:], secret)
	copy(u.oid[:], secret[32:])
	u.created = time.UnixMilli(int64(ms)).UTC()
	rest := secret[tokenFixed:]
	if h.version == tokenSummed {
		if len(rest) < tokenChecksum {
			return fmt.Errorf("%w: the token has no checksum", ErrUpload)
		}
		u.checksum, rest = [2]byte(rest), rest[tokenChecksum:]
		if u.checksum == [2]byte{} {
			return fmt.Errorf("%w: the token's checksum is none", ErrUpload)
		}
	}
	u.backendID = string(rest)
	if err := checkBackendID(u.backendID); err != nil {
		return fmt.Errorf("%w: %w", ErrUpload, err)
	}
	return nil
}

func checkBackendID(id string) error {
	if len(id) == 0 || len(id) > MaxBackendID {
		return fmt.Errorf("the backend's upload id has %d bytes, want 1 to %d", len(id), MaxBackendID)
	}
	return checkHeaderValue(id)
}
