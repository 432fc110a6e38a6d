package format

import (
	"encoding/binary"
	"fmt"
)

// entry is one type-length-value of the metadata: u8 type, u16 length, value (SPEC.md section 7).
type entry struct {
	typ   byte
	value []byte
}

func (e entry) append(b []byte) []byte {
	b = append(b, e.typ)
	b = binary.BigEndian.AppendUint16(b, uint16(len(e.value)))
	return append(b, e.value...)
}

// unknown reports a critical entry that this implementation does not know in a stream object. The multipart entry is one of them.
func (e entry) unknown() bool {
	return e.typ > typeWriter && e.typ < typeExtension
}

// check holds the value to the rules of its type, except for the order of user metadata, which decodePairs checks.
func (e entry) check() error {
	switch {
	case e.typ == typePlainSize:
		if len(e.value) != 8 || binary.BigEndian.Uint64(e.value) > MaxPlainSize {
			return fmt.Errorf("entry 1 is not a plain size")
		}
		return nil
	case e.typ == typeWrittenAt:
		if len(e.value) != 8 || binary.BigEndian.Uint64(e.value) > maxWrittenAt {
			return fmt.Errorf("entry 2 is not a time")
		}
		return nil
	case e.typ == typeMD5:
		if len(e.value) != 16 {
			return fmt.Errorf("entry 10 is not an MD5 digest: it has %d bytes", len(e.value))
		}
		return nil
	case e.typ == typeMultipart:
		return checkTablePlace(e.value)
	case e.typ == typePartsMD5:
		return checkPartsMD5(e.value)
	case e.typ >= typeExtension && e.typ != typeRedirect:
		return nil
	}
	// An empty value would be a second way to say "absent".
	if len(e.value) == 0 {
		return fmt.Errorf("entry %d is empty", e.typ)
	}
	switch e.typ {
	case typeUser:
		return nil
	case typeChecksum:
		if len(e.value) > maxChecksum {
			return fmt.Errorf("entry 11 has %d bytes, more than %d", len(e.value), maxChecksum)
		}
		return nil
	case typeWriter:
		if len(e.value) > maxWriter {
			return fmt.Errorf("entry 12 has %d bytes, more than %d", len(e.value), maxWriter)
		}
	}
	if err := checkHeaderValue(e.value); err != nil {
		return fmt.Errorf("entry %d: %w", e.typ, err)
	}
	return nil
}

// splitEntries cuts padded metadata into entries, whose values share b's memory: types strictly ascending, type 0 ends, the rest zero.
func splitEntries(b []byte) ([]entry, error) {
	var entries []entry
	last := byte(0)
	for len(b) > 0 && b[0] != 0 {
		typ := b[0]
		if typ <= last {
			return nil, fmt.Errorf("entry %d is repeated or out of order", typ)
		}
		if len(b) < 3 {
			return nil, fmt.Errorf("entry %d ends within its length", typ)
		}
		n := int(binary.BigEndian.Uint16(b[1:]))
		if n > len(b)-3 {
			return nil, fmt.Errorf("entry %d is longer than the metadata", typ)
		}
		entries = append(entries, entry{typ, b[3 : 3+n]})
		last, b = typ, b[3+n:]
	}
	for _, c := range b {
		if c != 0 {
			return nil, fmt.Errorf("nonzero byte after the last entry")
		}
	}
	return entries, nil
}
