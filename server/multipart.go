package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// partHeader is the header in front of every part's segments (SPEC.md section 4).
const partHeader = 54

// isMultipart says whether an object that begins with these bytes has its block at
// its end. It is a claim; openMulti proves it.
func isMultipart(front []byte) bool {
	h, err := format.ParseHeader(front)
	return err == nil && h.Class == format.ClassPart
}

// multi is a multipart object whose tail was opened. Its table is fetched when a
// byte of the object is asked for.
type multi struct {
	tail   *format.Tail
	offset int64  // of end in the stored object
	end    []byte // its last bytes: the tail at least
	table  []byte // sealed, once openTable was called
	parts  *format.Multipart
	res    *pipeline.Reservation // for a large table
}

func (m *multi) release() {
	if m.res != nil {
		m.res.Release()
		m.res = nil
	}
}

// openMulti opens the tail of an object whose first bytes are o.block. The end of
// an object of moderate size is fetched whole, which saves the request for its
// table.
func (s *Server) openMulti(ctx context.Context, ring format.Ring, at format.Context, o *stored) (*multi, error) {
	offset, length, ok := format.EndSpan(len(o.block), o.size)
	if !ok {
		return nil, fmt.Errorf("%w: multipart object of %d stored bytes", format.ErrUnsupported, o.size)
	}
	if length > maxEnd {
		length = int64(len(o.block))
		offset = o.size - length
	}
	end, err := s.readBound(ctx, o, offset, length)
	if err != nil {
		return nil, err
	}
	m := &multi{offset: offset, end: end}
	m.tail, err = format.OpenTail(ring, at, o.block[:partHeader], end[len(end)-len(o.block):], o.size)
	if err != nil {
		return nil, err
	}
	if at, n := m.tail.Filler(); at >= offset {
		err = m.tail.CheckFiller(end[at-offset:at-offset+n], 0)
	}
	return m, err
}

// readBound reads a range of the same stored object.
func (s *Server) readBound(ctx context.Context, o *stored, offset, length int64) ([]byte, error) {
	obj, err := s.getBound(ctx, o, &backend.Range{First: offset, Last: offset + length - 1})
	if err != nil {
		return nil, err
	}
	defer obj.Body.Close()
	if obj.Length != length {
		return nil, errChanged
	}
	b := make([]byte, length)
	if _, err := io.ReadFull(obj.Body, b); err != nil {
		return nil, fmt.Errorf("cannot read the end of a multipart object: %w", err)
	}
	return b, nil
}

// openTable opens the part table of a multipart object, once.
func (s *Server) openTable(ctx context.Context, o *stored) (*format.Multipart, error) {
	m := o.multi
	if m.parts != nil {
		return m.parts, nil
	}
	at, n := m.tail.Table()
	if n > smallTable {
		res, err := s.engine.Reserve(ctx, tableFactor*n)
		if err != nil {
			return nil, err
		}
		m.res = res
	}
	if at >= m.offset {
		m.table = m.end[at-m.offset:][:n]
	} else {
		var err error
		if m.table, err = s.readBound(ctx, o, at, n); err != nil {
			return nil, err
		}
	}
	var err error
	m.parts, err = m.tail.OpenTable(m.table)
	return m.parts, err
}

// checkEnd reads what follows the last part of an object that is read whole: the
// same table and tail that were opened, zeroes between them, and nothing more.
func (m *multi) checkEnd(src io.Reader) error {
	if err := same(src, m.table); err != nil {
		return err
	}
	_, fill := m.tail.Filler()
	buf := make([]byte, min(fill, progressBytes))
	for at := int64(0); at < fill; at += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), fill-at)]
		if _, err := io.ReadFull(src, buf); err != nil {
			return fmt.Errorf("cannot read the end of the object: %w", err)
		}
		if err := m.tail.CheckFiller(buf, at); err != nil {
			return err
		}
	}
	if err := same(src, m.end[len(m.end)-m.tail.BlockSize():]); err != nil {
		return err
	}
	switch n, err := io.ReadFull(src, make([]byte, 1)); {
	case n > 0:
		return errFiller
	case !errors.Is(err, io.EOF) || errors.Is(err, backend.ErrShort):
		return fmt.Errorf("cannot read the end of the object: %w", err)
	}
	return nil
}

// same demands that src gives these bytes.
func same(src io.Reader, want []byte) error {
	got := make([]byte, len(want))
	if _, err := io.ReadFull(src, got); err != nil {
		return fmt.Errorf("cannot read the end of the object: %w", err)
	}
	if !bytes.Equal(got, want) {
		return errFiller
	}
	return nil
}

// numberedPart is the range of the part that the query's partNumber names, counted
// from 1 as S3's own clients do, who ask for 1 to x-amz-mp-parts-count whatever
// numbers the parts were uploaded under. An object that was not uploaded in parts
// is its own part 1.
func (s *Server) numberedPart(r *request, o *stored) (byteRange, error) {
	if r.hasHeader("range") {
		return byteRange{}, s3err.New(s3err.InvalidRequest, "Cannot specify both Range header and partNumber query parameter")
	}
	n, err := partNumber(r)
	if err != nil {
		return byteRange{}, err
	}
	if o.archived != nil {
		return byteRange{}, s3err.New(s3err.InvalidObjectState, "") // whether it has parts cannot be read
	}
	count := 1
	if o.multi != nil {
		count = o.multi.tail.Parts()
	}
	if n > count {
		return byteRange{}, s3err.New(s3err.InvalidPartNumber, "the object has %d parts", count)
	}
	if o.multi == nil {
		return byteRange{0, o.plainSize()}, nil
	}
	parts, err := s.openTable(r.ctx, o)
	if err != nil {
		return byteRange{}, err
	}
	r.http.Response.Header.Set("x-amz-mp-parts-count", strconv.Itoa(count))
	p := parts.Part(n - 1)
	return byteRange{p.PlainOffset, p.PlainSize}, nil
}

// partNumber reads the query's partNumber, 1 to 10,000 in plain digits.
func partNumber(r *request) (int, error) {
	text, _ := r.query.get("partNumber")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > format.MaxParts || strconv.Itoa(n) != text {
		return 0, s3err.Argument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive.")
	}
	return n, nil
}
