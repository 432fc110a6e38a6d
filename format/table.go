package format

import (
	"encoding/binary"
	"fmt"
)

// The part table (SPEC.md section 12.4): 32 bytes for each part, sealed as segments under a key of its own.

const (
	tableEntrySize = 32
	tablePlaceSize = 2 + 8 + 16
)

// tablePlace is metadata entry 20: how many parts there are, where their table begins, and the salt of its key. The zero value is no place.
type tablePlace struct {
	parts  int
	offset int64
	salt   [16]byte
}

func (p tablePlace) encode() []byte {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, tablePlaceSize), uint16(p.parts))
	b = binary.BigEndian.AppendUint64(b, uint64(p.offset))
	return append(b, p.salt[:]...)
}

// checkTablePlace holds b to what decodeTablePlace takes.
func checkTablePlace(b []byte) error {
	if len(b) != tablePlaceSize {
		return fmt.Errorf("entry 20 is not the place of a part table: it has %d bytes", len(b))
	}
	if n := binary.BigEndian.Uint16(b); n == 0 || n > MaxParts {
		return fmt.Errorf("entry 20 counts %d parts", n)
	}
	if off := binary.BigEndian.Uint64(b[2:]); off > maxTableOffset {
		return fmt.Errorf("entry 20 puts the part table at %d", off)
	}
	return nil
}

// decodeTablePlace reads what checkTablePlace has accepted.
func decodeTablePlace(b []byte) tablePlace {
	return tablePlace{int(binary.BigEndian.Uint16(b)), int64(binary.BigEndian.Uint64(b[2:])), [16]byte(b[10:])}
}

// size returns the stored length of the table.
func (p tablePlace) size() int64 { return bodySize(int64(p.parts) * tableEntrySize) }

// segments returns the keys of the table.
func (p tablePlace) segments(suite Suite, prk *[32]byte) (body, error) {
	info := append([]byte(labelTable), byte(suite), segmentLog2)
	info = binary.BigEndian.AppendUint32(info, uint32(p.parts))
	return newSegments(suite, prk, append(info, p.salt[:]...), int64(p.parts)*tableEntrySize)
}

// tableEntry is one part of a finished object.
type tableEntry struct {
	number uint16
	plain  int64
	salt   [16]byte // of the attempt that counts
}

func (e tableEntry) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, e.number)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(e.plain))
	b = append(b, 0, 0, 0, 0)
	return append(b, e.salt[:]...)
}

// partSize returns the stored length of a part of plain bytes.
func partSize(plain int64) int64 { return headSize + bodySize(plain) }

// encodeTable returns the plain table.
func encodeTable(entries []tableEntry) []byte {
	b := make([]byte, 0, len(entries)*tableEntrySize)
	for _, e := range entries {
		b = e.append(b)
	}
	return b
}

// decodeTable reads a plain table of whole entries. It accepts exactly what encodeTable makes of a legal list of parts (FuzzTable): numbers
// strictly ascending from 1 to 10,000, every part but the last of at least MinPartSize, none above MaxPartSize. Errors: ErrUnsupported for a
// flag, else ErrIntegrity.
func decodeTable(b []byte) ([]tableEntry, error) {
	if len(b) == 0 || len(b)%tableEntrySize != 0 || len(b) > MaxParts*tableEntrySize {
		return nil, fmt.Errorf("cannot decode part table: %w: %d bytes", ErrIntegrity, len(b))
	}
	entries := make([]tableEntry, len(b)/tableEntrySize)
	last := uint16(0)
	for i := range entries {
		raw := b[i*tableEntrySize:][:tableEntrySize]
		number, plain := binary.BigEndian.Uint16(raw), binary.BigEndian.Uint64(raw[4:])
		switch {
		case binary.BigEndian.Uint32(raw[12:]) != 0:
			return nil, fmt.Errorf("cannot decode part table: %w: flags in entry %d", ErrUnsupported, i)
		case raw[2] != 0 || raw[3] != 0:
			return nil, fmt.Errorf("cannot decode part table: %w: nonzero reserved bytes in entry %d", ErrIntegrity, i)
		case number <= last || number > MaxParts:
			return nil, fmt.Errorf("cannot decode part table: %w: number of entry %d is repeated, out of order or out of range", ErrIntegrity, i)
		case plain > MaxPartSize:
			return nil, fmt.Errorf("cannot decode part table: %w: part %d is too large", ErrIntegrity, number)
		case plain < MinPartSize && i < len(entries)-1:
			return nil, fmt.Errorf("cannot decode part table: %w: part %d is too small", ErrIntegrity, number)
		}
		last = number
		entries[i] = tableEntry{number, int64(plain), [16]byte(raw[16:])}
	}
	return entries, nil
}

// tableSums returns the plain bytes and the stored bytes of all parts. At most 10,000 parts of 5 GiB stay far below 2^63.
func tableSums(entries []tableEntry) (plain, sealed int64) {
	for _, e := range entries {
		plain += e.plain
		sealed += partSize(e.plain)
	}
	return plain, sealed
}
