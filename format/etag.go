package format

import (
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// The client's ETag of a part (SPEC.md section 12.5): hex(salt ‖ u64 plain size ‖ u8 flags ‖ mac) "." backend ETag. The client's list of ETags
// is all the memory that an upload has: nobody stores which attempt of which part counts.

const (
	etagMACSize   = 16
	etagFixedSize = 16 + 8 + 1 + etagMACSize
	etagStaged    = 0x01
)

// PartETag is what a verified ETag says.
type PartETag struct {
	Number    int
	PlainSize int64
	Staged    bool   // stored under Upload.LastKey
	Backend   string // the backend's ETag of the stored part, without quotes

	salt [16]byte
}

// SealedSize returns the stored bytes of the part, header included.
func (e PartETag) SealedSize() int64 { return partSize(e.PlainSize) }

// VerifyETag reads the ETag, without quotes, that a client gives for part number. It is ErrPart, in a PartError, unless PartSealer.ETag made it
// for this number of this upload; the MAC is compared in constant time. ErrPartNumber for a number that no part has.
func (u *Upload) VerifyETag(number int, etag string) (PartETag, error) {
	if number < 1 || number > MaxParts {
		return PartETag{}, &PartError{Number: number, Err: ErrPartNumber}
	}
	e, mac, ok := parseETag(etag)
	if !ok {
		return PartETag{}, &PartError{Number: number, Err: ErrPart}
	}
	e.Number = number
	want := u.etagMAC(e)
	// The MAC is checked before what it protects. A flag that does not follow from number and size could only be another writer's.
	if subtle.ConstantTimeCompare(mac[:], want[:]) != 1 || checkPart(number, e.PlainSize) != nil || e.Staged != staged(number, e.PlainSize) {
		return PartETag{}, &PartError{Number: number, Err: ErrPart}
	}
	return e, nil
}

// etag makes the ETag of e.
func (u *Upload) etag(e PartETag) string {
	mac := u.etagMAC(e)
	b := append(e.appendFixed(make([]byte, 0, etagFixedSize)), mac[:]...)
	return hex.EncodeToString(b) + "." + e.Backend
}

func (e PartETag) appendFixed(b []byte) []byte {
	b = append(b, e.salt[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.PlainSize))
	if e.Staged {
		return append(b, etagStaged)
	}
	return append(b, 0)
}

// etagMAC authenticates everything that e says, for this upload alone.
func (u *Upload) etagMAC(e PartETag) [etagMACSize]byte {
	msg := make([]byte, hmacBlock, hmacBlock+16+4+16+8+1+MaxBackendETag)
	msg = append(msg, u.oid[:]...)
	msg = binary.BigEndian.AppendUint32(msg, uint32(e.Number))
	msg = append(e.appendFixed(msg), e.Backend...)
	sum := hmacSum(u.etagKey[:], msg)
	clear(msg[:hmacBlock])
	return [etagMACSize]byte(sum[:])
}

// parseETag cuts an ETag into its fields, authenticating nothing. It accepts exactly what etag makes (FuzzETag): lower-case digits, no unknown
// flag. Number stays 0.
func parseETag(s string) (e PartETag, mac [etagMACSize]byte, ok bool) {
	const digits = 2 * etagFixedSize
	if len(s) < digits+2 || len(s) > digits+1+MaxBackendETag || s[digits] != '.' {
		return PartETag{}, mac, false
	}
	var b [etagFixedSize]byte
	for i := range digits {
		if c := s[i]; c >= 'A' && c <= 'F' {
			return PartETag{}, mac, false
		}
	}
	if _, err := hex.Decode(b[:], []byte(s[:digits])); err != nil {
		return PartETag{}, mac, false
	}
	e = PartETag{PlainSize: int64(binary.BigEndian.Uint64(b[16:])), Staged: b[24] == etagStaged, Backend: s[digits+1:], salt: [16]byte(b[:16])}
	if e.PlainSize < 0 || b[24] > etagStaged || checkBackendETag(e.Backend) != nil {
		return PartETag{}, mac, false
	}
	return e, [etagMACSize]byte(b[25:]), true
}

// checkBackendETag accepts what RFC 9110 section 8.8.3 lets stand between the quotes, in ASCII.
func checkBackendETag(s string) error {
	if len(s) == 0 || len(s) > MaxBackendETag {
		return fmt.Errorf("the backend's ETag has %d bytes, want 1 to %d", len(s), MaxBackendETag)
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '"' || c >= 0x7f {
			return fmt.Errorf("byte %#02x in the backend's ETag", c)
		}
	}
	return nil
}
