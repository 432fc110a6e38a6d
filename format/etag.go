package format

import (
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// The client's ETag of a part (SPEC.md section 12.5): hex(salt ‖ u64 plain size ‖ u8 flags ‖ [u8 n ‖ note] ‖ mac) "." backend ETag. The client's
// list of ETags is all the memory that an upload has: nobody stores which attempt of which part counts.

const (
	etagMACSize   = 16
	etagFixedSize = 16 + 8 + 1
	etagStaged    = 0x01
	etagNoted     = 0x02 // a note follows the flags
)

// PartETag is what a verified ETag says.
type PartETag struct {
	Number    int
	PlainSize int64
	Staged    bool   // stored under Upload.LastKey
	Note      string // what PartSealer.ETag was given
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
func (u *Upload) etag(e PartETag) string { return e.spell(u.etagMAC(e)) }

// spell is the one spelling of an ETag with that MAC.
func (e PartETag) spell(mac [etagMACSize]byte) string {
	b := append(e.appendFacts(make([]byte, 0, etagFixedSize+1+len(e.Note)+etagMACSize)), mac[:]...)
	return hex.EncodeToString(b) + "." + e.Backend
}

// appendFacts appends what stands in front of the MAC.
func (e PartETag) appendFacts(b []byte) []byte {
	b = append(b, e.salt[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.PlainSize))
	flags := byte(0)
	if e.Staged {
		flags |= etagStaged
	}
	if e.Note == "" {
		return append(b, flags)
	}
	b = append(b, flags|etagNoted, byte(len(e.Note)))
	return append(b, e.Note...)
}

// etagMAC authenticates everything that e says, for this upload alone.
func (u *Upload) etagMAC(e PartETag) [etagMACSize]byte {
	msg := make([]byte, hmacBlock, hmacBlock+16+4+etagFixedSize+1+MaxPartNote+MaxBackendETag)
	msg = append(msg, u.oid[:]...)
	msg = binary.BigEndian.AppendUint32(msg, uint32(e.Number))
	msg = append(e.appendFacts(msg), e.Backend...)
	sum := hmacSum(u.etagKey[:], msg)
	clear(msg[:hmacBlock])
	return [etagMACSize]byte(sum[:])
}

// parseETag cuts an ETag into its fields, authenticating nothing. It accepts exactly what spell makes (FuzzETag): lower-case digits, no unknown
// flag. Number stays 0.
func parseETag(s string) (e PartETag, mac [etagMACSize]byte, ok bool) {
	const most = etagFixedSize + 1 + MaxPartNote + etagMACSize
	digits, backend, dotted := strings.Cut(s, ".")
	if !dotted || len(digits) < 2*(etagFixedSize+etagMACSize) || len(digits) > 2*most || checkBackendETag(backend) != nil {
		return PartETag{}, mac, false
	}
	for i := range len(digits) {
		if c := digits[i]; c >= 'A' && c <= 'F' {
			return PartETag{}, mac, false
		}
	}
	var buf [most]byte
	n, err := hex.Decode(buf[:], []byte(digits))
	if err != nil {
		return PartETag{}, mac, false
	}
	facts := buf[:n-etagMACSize]
	if e, ok = parseFacts(facts); !ok {
		return PartETag{}, mac, false
	}
	e.Backend = backend
	return e, [etagMACSize]byte(buf[n-etagMACSize:]), true
}

// parseFacts is the inverse of appendFacts.
func parseFacts(b []byte) (e PartETag, ok bool) {
	if len(b) < etagFixedSize {
		return e, false
	}
	flags, rest := b[etagFixedSize-1], b[etagFixedSize:]
	e = PartETag{PlainSize: int64(binary.BigEndian.Uint64(b[16:])), Staged: flags&etagStaged != 0, salt: [16]byte(b)}
	if flags&etagNoted != 0 {
		if len(rest) < 2 || int(rest[0]) != len(rest)-1 || len(rest)-1 > MaxPartNote {
			return PartETag{}, false
		}
		e.Note, rest = string(rest[1:]), nil
	}
	if e.PlainSize < 0 || flags > etagStaged|etagNoted || len(rest) != 0 {
		return PartETag{}, false
	}
	return e, true
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
