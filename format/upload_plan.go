package format

import (
	"crypto/rand"
	"fmt"
)

// DonePart is one line of the list with which a client completes an upload.
type DonePart struct {
	Number int
	ETag   string // without quotes
}

// BackendPart is one line of the list with which the backend's upload is completed.
type BackendPart struct {
	Number int
	ETag   string // without quotes
}

// Plan is how an upload becomes an object. Read-only; safe for concurrent use.
//
// If Stream is set, the object is smaller than MinPartSize: it is Staged, opened and sealed again by StreamSealer, stored as the only part
// of the backend's upload, and that completed: only once, whoever asks again. Otherwise the final backend part, number Final, is the stored bytes of Staged (if there is one, unchanged)
// followed by SealEnd, and the backend's upload is completed with Parts and the final part.
type Plan struct {
	Stream bool
	ETags  []PartETag    // what the client's list says, in its order
	Parts  []BackendPart // ascending; without the final part
	Staged *PartETag     // the last part, where it lies under Upload.LastKey; else nil
	Final  int           // 0 for a stream

	upload *Upload
	table  []tableEntry
	plain  int64
	sealed int64 // all parts
}

// PlanComplete checks a client's list of parts: it must be what S3 allows, and every ETag must have been made for its number of this upload. The
// list decides which attempt of a part counts and which parts are left out. Errors, in a PartError where one part is to blame: ErrPartList,
// ErrPartNumber, ErrPartOrder, ErrPart, ErrPartTooSmall, ErrTooLarge; tested in this order, each over the whole list.
func (u *Upload) PlanComplete(parts []DonePart) (*Plan, error) {
	if len(parts) == 0 || len(parts) > MaxParts {
		return nil, fmt.Errorf("cannot complete upload: %w: %d parts", ErrPartList, len(parts))
	}
	for i, p := range parts {
		switch {
		case p.Number < 1 || p.Number > MaxParts:
			return nil, fmt.Errorf("cannot complete upload: %w", &PartError{Number: p.Number, Err: ErrPartNumber})
		case i > 0 && p.Number <= parts[i-1].Number:
			return nil, fmt.Errorf("cannot complete upload: %w", &PartError{Number: p.Number, Err: ErrPartOrder})
		}
	}
	etags := make([]PartETag, len(parts))
	for i, p := range parts {
		var err error
		if etags[i], err = u.VerifyETag(p.Number, p.ETag); err != nil {
			return nil, fmt.Errorf("cannot complete upload: %w", err)
		}
	}
	return u.plan(etags)
}

// plan is PlanComplete for verified parts in ascending order.
func (u *Upload) plan(etags []PartETag) (*Plan, error) {
	p := &Plan{ETags: etags, upload: u, table: make([]tableEntry, len(etags))}
	for i, e := range etags {
		if i < len(etags)-1 && e.PlainSize < MinPartSize {
			return nil, fmt.Errorf("cannot complete upload: %w", &PartError{e.Number, e.PlainSize, ErrPartTooSmall})
		}
		p.table[i] = tableEntry{uint16(e.Number), e.PlainSize, e.salt}
	}
	p.plain, p.sealed = tableSums(p.table)
	if p.plain > MaxPlainSize {
		return nil, fmt.Errorf("cannot complete upload: %w: %d bytes", ErrTooLarge, p.plain)
	}
	last := etags[len(etags)-1]
	if last.Staged {
		p.Staged, etags = &last, etags[:len(etags)-1]
	}
	if p.plain < MinPartSize {
		p.Stream = true // so there is one part, and it is staged
		return p, nil
	}
	p.Parts = make([]BackendPart, len(etags))
	for i, e := range etags {
		p.Parts[i] = BackendPart{e.Number, e.Backend}
	}
	p.Final = last.Number
	if !last.Staged {
		p.Final++ // number 10,000 is always staged
	}
	return p, nil
}

// PlainSize returns the size of the object as the client will see it.
func (p *Plan) PlainSize() int64 { return p.plain }

// SealedSize returns the size of the stored object in a bucket of the given block size: what the backend must report before the client is told
// of success.
func (p *Plan) SealedSize(blockSize int) int64 { return SealedSize(blockSize, p.plain) }

// Made says whether an object consists of exactly these attempts of these parts, in this order. It does not look at the object's OID.
func (p *Plan) Made(m *Multipart) bool {
	if len(p.table) != len(m.parts) {
		return false
	}
	for i, e := range p.table {
		if part := m.parts[i]; int(e.number) != part.Number || e.plain != part.PlainSize || e.salt != m.salts[i] {
			return false
		}
	}
	return true
}

// EndSize returns the length of SealEnd: at most 5.5 MB, and for an object of n bytes about n/10,000.
func (p *Plan) EndSize(blockSize int) int64 {
	if p.Stream {
		panic("BUG: format: the end of a plan that is a stream")
	}
	return p.SealedSize(blockSize) - p.sealed
}

// SealEnd makes the last bytes of the object: part table, filler, tail block. meta is what the object is to carry; its PlainSize is set here.
// Every call gives other bytes (fresh salts), each of them good for the same parts; a retry should send the same ones. Errors: those of
// NewSealer. For a stream it panics.
func (p *Plan) SealEnd(ring Ring, meta Meta, blockSize int) ([]byte, error) {
	var tableSalt, salt [16]byte
	rand.Read(tableSalt[:])
	rand.Read(salt[:])
	return p.sealEnd(ring, meta, blockSize, tableSalt, salt)
}

func (p *Plan) sealEnd(ring Ring, meta Meta, blockSize int, tableSalt, salt [16]byte) ([]byte, error) {
	if !ValidBlockSize(blockSize) {
		return nil, fmt.Errorf("cannot seal end: %w: block size %d", ErrUnsupported, blockSize)
	}
	u := p.upload
	place := tablePlace{len(p.table), p.sealed, tableSalt}
	meta.PlainSize = p.plain
	h := Header{Version: formatVersion, Class: ClassTail, Suite: u.suite, OID: u.oid, Salt: salt, BlockSize: blockSize}
	tail, err := sealBlock(ring, u.where, h, &u.oek, &meta, place)
	if err != nil {
		return nil, fmt.Errorf("cannot seal end: %w", err)
	}
	prk := extract(u.oid[:], u.oek[:])
	defer clear(prk[:])
	b, err := place.segments(u.suite, &prk)
	if err != nil {
		return nil, fmt.Errorf("cannot seal end: %w", err)
	}
	end := make([]byte, p.EndSize(blockSize))
	table := encodeTable(p.table)
	for i := 0; i*SegmentSize < len(table); i++ {
		copy(end[i*Stride:], table[i*SegmentSize:min((i+1)*SegmentSize, len(table))])
	}
	b.seal(end, len(table), 0)
	copy(end[len(end)-blockSize:], tail)
	return end, nil
}

// StreamSealer makes the Sealer of a plan that is a stream. The object bears the upload's OID under a fresh key: two Completes of one upload
// may seal different attempts. Errors: those of NewSealer. For any other plan it panics.
func (p *Plan) StreamSealer(ring Ring, meta Meta, blockSize int) (*Sealer, error) {
	if !p.Stream {
		panic("BUG: format: the stream of a plan that is none")
	}
	e := freshEntropy()
	defer clear(e.oek[:])
	e.oid = p.upload.oid
	meta.PlainSize = p.plain
	return newSealer(ring, p.upload.where, meta, SealOptions{Suite: p.upload.suite, BlockSize: blockSize}, &e)
}

// CheckTailMeta says whether meta will fit the tail of a finished upload, which has 29 bytes less room than a stream's block. Ask when the
// upload begins, with placeholders for what is known only at its end; afterwards it is too late. Errors: ErrMetadataTooLarge,
// ErrMetadataInvalid.
func CheckTailMeta(meta Meta, blockSize int) error {
	entries, err := meta.encodeWith(tablePlace{parts: MaxParts})
	if err != nil {
		return err
	}
	if len(entries) > blockSize-blockOverhead {
		return fmt.Errorf("%w: %d bytes, a tail has room for %d", ErrMetadataTooLarge, len(entries), blockSize-blockOverhead)
	}
	return nil
}
