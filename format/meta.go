package format

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// Pair is one entry of user metadata. Name is without "x-amz-meta-" and case-insensitive: it is sealed in lower case.
type Pair struct{ Name, Value string }

// Meta is what a block seals besides the object key. Empty fields take no room.
type Meta struct {
	PlainSize int64     // bytes of the object as the client sees it
	WrittenAt time.Time // kept to the millisecond; zero = not recorded

	ContentType        string
	ContentEncoding    string
	ContentDisposition string
	ContentLanguage    string
	CacheControl       string
	Expires            string // as the client sent it

	User     []Pair // sealed in ascending order of the names; no name twice
	MD5      []byte // of the plain bytes, 16 bytes or none
	Checksum []byte // the client's checksum in the S3 front's own encoding; opaque here, at most 128 bytes
	Writer   string // name of the proxy instance, for operators, at most 64 bytes

	PartsMD5 PartsMD5 // of an object that was uploaded in parts; zero = none

	WebsiteRedirect string // x-amz-website-redirect-location, as the client sent it

	extensions []entry // entries of type 128 and up: those not understood, kept by Reblock
}

// PartsMD5 is what S3 makes the ETag of an object uploaded in parts of: the MD5 of the MD5s of its parts, and their number, 1 to MaxParts. It is
// what Complete was given, so it says nothing of how the object lies at the backend. The zero value is none.
type PartsMD5 struct {
	Sum   [16]byte
	Parts int
}

// encode returns the value of the entry.
func (p PartsMD5) encode() []byte {
	return binary.BigEndian.AppendUint16(append([]byte(nil), p.Sum[:]...), uint16(p.Parts))
}

// checkPartsMD5 holds the value of an entry to its rule.
func checkPartsMD5(b []byte) error {
	if len(b) != 18 {
		return fmt.Errorf("entry %d has %d bytes, not 18", typePartsMD5, len(b))
	}
	if n := binary.BigEndian.Uint16(b[16:]); n < 1 || n > MaxParts {
		return fmt.Errorf("entry %d says %d parts", typePartsMD5, n)
	}
	return nil
}

// The metadata entries of SPEC.md section 7. Types below 128 are critical: a reader that does not know one must refuse.
const (
	typePlainSize   = 1
	typeWrittenAt   = 2
	typeContentType = 3
	typeEncoding    = 4
	typeDisposition = 5
	typeLanguage    = 6
	typeCache       = 7
	typeExpires     = 8
	typeUser        = 9
	typeMD5         = 10
	typeChecksum    = 11
	typeWriter      = 12
	typeMultipart   = 20 // in tails only
	typeExtension   = 128
	typePartsMD5    = 129
	typeRedirect    = 131
)

// header lists the entries that are plain header values, in ascending order of their types.
func (m *Meta) headers() [6]*string {
	return [6]*string{&m.ContentType, &m.ContentEncoding, &m.ContentDisposition, &m.ContentLanguage, &m.CacheControl, &m.Expires}
}

// encode returns the entries of m without the zero rest. Errors: ErrMetadataInvalid, ErrMetadataTooLarge.
func (m *Meta) encode() ([]byte, error) { return m.encodeWith(tablePlace{}) }

// encodeWith is encode with the entry that makes a tail's metadata of it, unless table is the zero value.
func (m *Meta) encodeWith(table tablePlace) ([]byte, error) {
	if m.PlainSize < 0 || m.PlainSize > MaxPlainSize {
		return nil, fmt.Errorf("cannot encode metadata: %w: plain size %d is not within 0…%d", ErrMetadataInvalid, m.PlainSize, int64(MaxPlainSize))
	}
	entries := make([]entry, 0, 16)
	add := func(typ byte, value []byte) { entries = append(entries, entry{typ, value}) }

	add(typePlainSize, binary.BigEndian.AppendUint64(nil, uint64(m.PlainSize)))
	if !m.WrittenAt.IsZero() {
		ms := m.WrittenAt.UnixMilli()
		if ms < 0 || ms > maxWrittenAt {
			return nil, fmt.Errorf("cannot encode metadata: %w: written at %s", ErrMetadataInvalid, m.WrittenAt)
		}
		add(typeWrittenAt, binary.BigEndian.AppendUint64(nil, uint64(ms)))
	}
	for i, value := range m.headers() {
		if *value != "" {
			add(typeContentType+byte(i), []byte(*value))
		}
	}
	if len(m.User) > 0 {
		value, err := encodePairs(m.User)
		if err != nil {
			return nil, err
		}
		add(typeUser, value)
	}
	if len(m.MD5) > 0 {
		add(typeMD5, m.MD5)
	}
	if len(m.Checksum) > 0 {
		add(typeChecksum, m.Checksum)
	}
	if m.Writer != "" {
		add(typeWriter, []byte(m.Writer))
	}
	if table.parts != 0 {
		add(typeMultipart, table.encode())
	}
	known := len(entries)
	entries = append(entries, m.extensions...)
	if m.PartsMD5 != (PartsMD5{}) {
		if m.PartsMD5.Parts < 1 || m.PartsMD5.Parts > MaxParts {
			return nil, fmt.Errorf("cannot encode metadata: %w: MD5 of %d parts", ErrMetadataInvalid, m.PartsMD5.Parts)
		}
		add(typePartsMD5, m.PartsMD5.encode())
	}
	if m.WebsiteRedirect != "" {
		add(typeRedirect, []byte(m.WebsiteRedirect))
	}
	slices.SortFunc(entries[known:], func(a, b entry) int { return int(a.typ) - int(b.typ) })

	out := make([]byte, 0, 256) // holds what real clients send
	for _, e := range entries {
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("cannot encode metadata: %w: %w", ErrMetadataInvalid, err)
		}
		if len(e.value) > maxHeaderValue {
			return nil, fmt.Errorf("cannot encode metadata: %w: entry %d has %d bytes", ErrMetadataTooLarge, e.typ, len(e.value))
		}
		out = e.append(out)
	}
	return out, nil
}

// decodeMeta reads the padded metadata of a block. It accepts exactly the canonical encoding: what it returns encodes to the same bytes
// (FuzzMeta). The result shares no memory with b. Errors: ErrUnsupported for a critical entry it does not know, else ErrIntegrity.
func decodeMeta(b []byte) (Meta, error) {
	m, _, err := decodeMetaOf(ClassStream, b)
	return m, err
}

// decodeMetaOf is decodeMeta for a block of the given class: a tail must say where its table is, a stream must not.
func decodeMetaOf(class uint8, b []byte) (Meta, tablePlace, error) {
	var table tablePlace
	entries, err := splitEntries(b)
	if err != nil {
		return Meta{}, table, fmt.Errorf("cannot decode metadata: %w: %w", ErrIntegrity, err)
	}
	if len(entries) == 0 || entries[0].typ != typePlainSize {
		return Meta{}, table, fmt.Errorf("cannot decode metadata: %w: the plain size is missing", ErrIntegrity)
	}
	var m Meta
	for _, e := range entries {
		if e.unknown() && !(e.typ == typeMultipart && class == ClassTail) {
			return Meta{}, table, fmt.Errorf("cannot decode metadata: %w: entry of type %d", ErrUnsupported, e.typ)
		}
		if err := e.check(); err != nil {
			return Meta{}, table, fmt.Errorf("cannot decode metadata: %w: %w", ErrIntegrity, err)
		}
		switch {
		case e.typ == typePlainSize:
			m.PlainSize = int64(binary.BigEndian.Uint64(e.value))
		case e.typ == typeWrittenAt:
			m.WrittenAt = time.UnixMilli(int64(binary.BigEndian.Uint64(e.value))).UTC()
		case e.typ <= typeExpires:
			*m.headers()[e.typ-typeContentType] = string(e.value)
		case e.typ == typeUser:
			m.User, err = decodePairs(e.value)
			if err != nil {
				return Meta{}, table, fmt.Errorf("cannot decode metadata: %w: %w", ErrIntegrity, err)
			}
		case e.typ == typeMD5:
			m.MD5 = append([]byte(nil), e.value...)
		case e.typ == typeChecksum:
			m.Checksum = append([]byte(nil), e.value...)
		case e.typ == typeWriter:
			m.Writer = string(e.value)
		case e.typ == typeMultipart:
			table = decodeTablePlace(e.value)
		case e.typ == typePartsMD5:
			m.PartsMD5 = PartsMD5{[16]byte(e.value), int(binary.BigEndian.Uint16(e.value[16:]))}
		case e.typ == typeRedirect:
			m.WebsiteRedirect = string(e.value)
		default:
			m.extensions = append(m.extensions, entry{e.typ, append([]byte(nil), e.value...)})
		}
	}
	if class == ClassTail && table.parts == 0 {
		return Meta{}, table, fmt.Errorf("cannot decode metadata: %w: the place of the part table is missing", ErrIntegrity)
	}
	return m, table, nil
}

// encodePairs encodes user metadata, lower-cased and sorted, each pair as u16 length, name, u16 length, value.
func encodePairs(user []Pair) ([]byte, error) {
	pairs := make([]Pair, len(user))
	size := 0
	for i, p := range user {
		pairs[i] = Pair{strings.ToLower(p.Name), p.Value}
		size += 4 + len(p.Name) + len(p.Value)
		if len(p.Name) > maxHeaderValue || len(p.Value) > maxHeaderValue || size > maxHeaderValue {
			return nil, fmt.Errorf("cannot encode metadata: %w: user metadata of more than %d bytes", ErrMetadataTooLarge, maxHeaderValue)
		}
	}
	sort.Slice(pairs, func(i, j int) bool { return pairs[i].Name < pairs[j].Name })
	out := make([]byte, 0, size)
	last := ""
	for _, p := range pairs {
		if err := p.check(last); err != nil {
			return nil, fmt.Errorf("cannot encode metadata: %w: %w", ErrMetadataInvalid, err)
		}
		last = p.Name
		out = binary.BigEndian.AppendUint16(out, uint16(len(p.Name)))
		out = append(out, p.Name...)
		out = binary.BigEndian.AppendUint16(out, uint16(len(p.Value)))
		out = append(out, p.Value...)
	}
	return out, nil
}

// decodePairs is the strict inverse of encodePairs for at least one pair.
func decodePairs(b []byte) ([]Pair, error) {
	var pairs []Pair
	var field [2]string
	last := ""
	for len(b) > 0 {
		for i := range field {
			if len(b) < 2 {
				return nil, fmt.Errorf("user metadata ends within a length")
			}
			n := int(binary.BigEndian.Uint16(b))
			if n > len(b)-2 {
				return nil, fmt.Errorf("user metadata ends within a string")
			}
			field[i], b = string(b[2:2+n]), b[2+n:]
		}
		p := Pair{field[0], field[1]}
		if err := p.check(last); err != nil {
			return nil, err
		}
		last = p.Name
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// check holds p to the rules of SPEC.md section 7, with last the name before it ("" for none). Names and values end up in HTTP headers, so
// nothing passes that could end one.
func (p Pair) check(last string) error {
	if p.Name <= last {
		return fmt.Errorf("names of the user metadata are empty, repeated or out of order")
	}
	for i := range len(p.Name) {
		c := p.Name[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 {
			continue
		}
		return fmt.Errorf("byte %#02x in a name of the user metadata", c)
	}
	return checkHeaderValue(p.Value)
}

// checkHeaderValue accepts what may stand in an HTTP header value: no control byte but the tab.
func checkHeaderValue[T string | []byte](value T) error {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Errorf("control byte %#02x in a value", c)
		}
	}
	return nil
}
