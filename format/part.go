package format

import (
	"encoding/binary"
	"fmt"
)

// PartSealer seals one attempt of one part: 54 bytes of header, then segments. Every attempt has a key of its own, so a part that is sent
// again, with whatever content, repeats no nonce. Safe for concurrent use on disjoint slots. It prints no key.
type PartSealer struct {
	body   body
	upload *Upload
	number int
	salt   [16]byte
	head   [headSize]byte
}

// partHead returns the header of a part.
func partHead(suite Suite, oid, salt [16]byte) [headSize]byte {
	return Header{Version: formatVersion, Class: ClassPart, Suite: suite, OID: oid, Salt: salt, BlockSize: headSize}.encode()
}

// partSegments returns the keys of one attempt of part number (SPEC.md section 12.3).
func partSegments(suite Suite, prk *[32]byte, number int, salt [16]byte, plain int64) (body, error) {
	info := append([]byte(labelPart), byte(suite), segmentLog2)
	info = binary.BigEndian.AppendUint32(info, uint32(number))
	return newSegments(suite, prk, append(info, salt[:]...), plain)
}

// checkPart holds number and size to the limits of any part.
func checkPart(number int, plain int64) error {
	switch {
	case number < 1 || number > MaxParts:
		return &PartError{Number: number, Err: ErrPartNumber}
	case plain < 0 || plain > MaxPartSize:
		return &PartError{Number: number, Size: plain, Err: ErrTooLarge}
	}
	return nil
}

// staged says where a part goes: what is smaller than S3's minimum can only be the last part, and number 10,000 leaves no number for the end of
// the object. Both wait beside the upload until the final backend part takes them in.
func staged(number int, plain int64) bool { return plain < MinPartSize || number == MaxParts }

// PlainSize returns the plain bytes of the part.
func (s *PartSealer) PlainSize() int64 { return s.body.plain }

// SealedSize returns the stored bytes of the part, header included.
func (s *PartSealer) SealedSize() int64 { return partSize(s.body.plain) }

// Head returns the 54 bytes that precede the segments, in a slice of the caller's own.
func (s *PartSealer) Head() []byte {
	head := s.head
	return head[:]
}

// Staged reports whether the part must be stored under Upload.LastKey and not as a part of the backend's upload.
func (s *PartSealer) Staged() bool { return staged(s.number, s.body.plain) }

// SealInPlace is Sealer.SealInPlace for the part's segments, numbered from 0.
func (s *PartSealer) SealInPlace(slots []byte, plain int, first int64) int {
	return s.body.sealInPlace(slots, plain, first)
}

// ETag returns the part's ETag for the client, without quotes. backend is the backend's own for the stored bytes of this attempt, without
// quotes: 1 to MaxBackendETag bytes that may stand in an ETag, else an error. note is at most MaxPartNote bytes that VerifyETag gives back: what
// has to be known of the part when the upload is completed.
func (s *PartSealer) ETag(backend, note string) (string, error) {
	if err := checkBackendETag(backend); err != nil {
		return "", fmt.Errorf("cannot make ETag of part: %w", err)
	}
	if len(note) > MaxPartNote {
		return "", fmt.Errorf("cannot make ETag of part: a note of %d bytes", len(note))
	}
	return s.upload.etag(PartETag{Number: s.number, PlainSize: s.body.plain, Staged: s.Staged(), Note: note, Backend: backend, salt: s.salt}), nil
}

// Format prints public facts only, whatever the verb.
func (s PartSealer) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "format.PartSealer(part %d, %d → %d bytes)", s.number, s.body.plain, s.SealedSize())
}

// PartOpener opens the segments of one part. Safe for concurrent use on disjoint ranges. It prints no key.
type PartOpener struct {
	body   body
	number int
	head   [headSize]byte
}

// PlainSize returns the plain bytes of the part.
func (o *PartOpener) PlainSize() int64 { return o.body.plain }

// SealedSize returns the stored bytes of the part, header included.
func (o *PartOpener) SealedSize() int64 { return partSize(o.body.plain) }

// CheckHead compares the 54 bytes that precede the segments with what the part must have, else ErrIntegrity.
func (o *PartOpener) CheckHead(head []byte) error { return checkPartHead(head, &o.head, o.number) }

// OpenInPlace is Opener.OpenInPlace for the part's segments, numbered from 0.
func (o *PartOpener) OpenInPlace(sealed []byte, first int64) error {
	return o.body.openInPlace(sealed, first)
}

// Format prints public facts only, whatever the verb.
func (o PartOpener) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "format.PartOpener(part %d, %d bytes)", o.number, o.body.plain)
}

func checkPartHead(head []byte, want *[headSize]byte, number int) error {
	if string(head) != string(want[:]) { // nothing in it is secret
		return fmt.Errorf("cannot accept header of part %d: %w", number, ErrIntegrity)
	}
	return nil
}
