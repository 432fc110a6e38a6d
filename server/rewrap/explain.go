package rewrap

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/reblock"
)

// Cause is why an object cannot be read, or that it can.
type Cause string

// The causes.
const (
	Readable  Cause = "readable"
	Absent    Cause = "absent"
	WrongKey  Cause = "wrong-key" // it is under a key that is not loaded
	NotSealed Cause = "not-sealed"
	Swapped   Cause = "swapped" // it is sealed, but not for this place
	Truncated Cause = "truncated"
	Extended  Cause = "extended"
	Tampered  Cause = "changed"
	Foreign   Cause = "foreign" // none of ours, by its version or form
)

// Explanation is what an object is.
type Explanation struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Cause  Cause  `json:"cause"`
	Text   string `json:"text"` // one line that says it

	Stored int64  `json:"stored_bytes"`
	Plain  int64  `json:"plain_bytes,omitempty"`  // of what opens
	KeyID  string `json:"key_id,omitempty"`       // that it names; a claim unless it is Readable
	Parts  int    `json:"parts,omitempty"`        // of an object that was uploaded in parts
	Looked int64  `json:"bytes_opened,omitempty"` // of the plain ones
}

// Explain looks at one object: at its block, and, if whole, at every byte behind it. It
// writes nothing. Errors: those of Prepare, and the store's.
func Explain(ctx context.Context, cfg Config, key string, whole bool) (Explanation, error) {
	cfg.Survey = true
	r, err := Prepare(ctx, cfg)
	if err != nil {
		return Explanation{}, err
	}
	e := &explainer{Run: r, whole: whole, x: Explanation{Bucket: cfg.Bucket, Key: key}}
	for range maxTries {
		if err = e.look(ctx); !errors.Is(err, reblock.ErrSourceChanged) {
			break
		}
	}
	if err != nil {
		return Explanation{}, fmt.Errorf("cannot read the object: %w", err)
	}
	return e.x, nil
}

type explainer struct {
	*Run
	whole bool
	x     Explanation
}

// is ends the look with a cause.
func (e *explainer) is(c Cause, text string, args ...any) error {
	e.x.Cause, e.x.Text = c, fmt.Sprintf(text, args...)
	return nil
}

// look fills e.x in; its error is the store's.
func (e *explainer) look(ctx context.Context) error {
	e.x = Explanation{Bucket: e.x.Bucket, Key: e.x.Key}
	where, err := format.NewContext(e.state.BucketID, e.x.Key)
	if err != nil {
		return e.is(Absent, "no proxy can have stored an object of this name: %v", err)
	}
	stored := e.x.Key
	if e.state.namer != nil {
		if stored, err = e.state.namer.Seal(e.x.Key); err != nil {
			return e.is(Absent, "no proxy can have stored an object of this name: %v", err)
		}
	}
	b, err := e.readBlock(ctx, stored, "")
	if b.obj != nil {
		e.x.Stored = b.obj.Size
	}
	switch {
	case backend.KindOf(err) == backend.NotFound:
		return e.is(Absent, "the backend has no such object")
	case errors.Is(err, backend.ErrRange):
		return e.is(Truncated, "the backend has an object of no bytes; a sealed one has at least %d", e.state.Settings.BlockSize)
	case errors.Is(err, format.ErrUnsupported):
		return e.is(Truncated, "it begins as an object that was uploaded in parts, but no such object has %d stored bytes", e.x.Stored)
	case err != nil:
		return err
	}
	if b.multipart() {
		return e.lookAtParts(ctx, stored, where, b)
	}
	if b.folder {
		o, err := format.OpenFolder(e.ring, where, b.block)
		if err != nil {
			return e.judge(b, err)
		}
		e.x.KeyID = o.KeyID().String()
		return e.is(Readable, "a folder marker, under key %s", e.x.KeyID)
	}
	if _, herr := format.ParseHeader(b.block); herr == nil && e.x.Stored < int64(e.state.Settings.BlockSize) {
		return e.is(Truncated, "the backend has %d stored bytes; a sealed object has at least %d", e.x.Stored, e.state.Settings.BlockSize)
	}
	o, err := format.OpenBlock(e.ring, where, b.block, e.x.Stored)
	if errors.Is(err, format.ErrForeign) {
		// Its size is that of no object. The block says what it should be.
		if _, again := format.OpenBlock(e.ring, where, b.block, format.SealedSize(e.state.Settings.BlockSize, 0)); again == nil {
			err = &format.SizeError{Stored: e.x.Stored, Sealed: format.SealedSize(e.state.Settings.BlockSize, 0)}
		} else if size := new(format.SizeError); errors.As(again, &size) {
			err = &format.SizeError{Stored: e.x.Stored, Sealed: size.Sealed}
		} else if !errors.Is(again, format.ErrForeign) {
			err = again
		}
	}
	if err != nil {
		return e.judge(b, err)
	}
	e.x.KeyID, e.x.Plain = o.KeyID().String(), o.PlainSize()
	if e.whole {
		if done, err := e.readBody(ctx, stored, b, o); !done {
			return err
		}
	}
	return e.readable(o.Suite(), o.Meta())
}

// readable says so, and how much of it was looked at.
func (e *explainer) readable(suite format.Suite, meta format.Meta) error {
	looked := "its block opens; the rest was not looked at"
	if e.whole {
		looked = "every byte of it opens"
	}
	written := ""
	if !meta.WrittenAt.IsZero() {
		written = ", written " + meta.WrittenAt.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	active := "an older key"
	if e.x.KeyID == e.state.active.String() {
		active = "the active key"
	}
	return e.is(Readable, "%d bytes, %s, under %s %s%s: %s", e.x.Plain, suite, active, e.x.KeyID, written, looked)
}

// judge says why a block does not open.
func (e *explainer) judge(b block, err error) error {
	if h, herr := format.ParseHeader(b.block); herr == nil && h.Class != format.ClassPart {
		e.x.KeyID = h.KeyID.String()
	}
	size := new(format.SizeError)
	switch {
	case errors.As(err, &size) && size.Stored < size.Sealed:
		return e.is(Truncated, "the backend has %d of %d stored bytes", size.Stored, size.Sealed)
	case errors.As(err, &size):
		return e.is(Extended, "the backend has %d stored bytes, sealed were %d", size.Stored, size.Sealed)
	case errors.Is(err, format.ErrKeyUnknown):
		return e.is(WrongKey, "it is under key %s, which is not loaded", e.x.KeyID)
	case errors.Is(err, format.ErrNotSealed):
		return e.is(NotSealed, "it does not begin as a sealed object: something else than a proxy stored it")
	case errors.Is(err, format.ErrCommit):
		return e.is(Swapped, "it was not sealed under this name in this bucket with the loaded key: moved, renamed or swapped at the backend, from a bucket that was made anew, or its block was changed")
	case errors.Is(err, format.ErrIntegrity):
		return e.is(Tampered, "its block was changed at the backend")
	case errors.Is(err, format.ErrVersion):
		return e.is(Foreign, "it has another format version: a newer s3-crypt may know it")
	case errors.Is(err, format.ErrForeign):
		return e.is(Foreign, "no sealed object has %d stored bytes, or its block is not one of this bucket's", e.x.Stored)
	case errors.Is(err, format.ErrUnsupported):
		return e.is(Foreign, "it uses a feature that this version does not have, or its first bytes were changed")
	}
	return err
}

// segments opens what was sealed as segments of one kind.
type segments interface {
	OpenInPlace(sealed []byte, first int64) error
}

// get opens the object from its first byte, or says that it is another one now.
func (e *explainer) get(ctx context.Context, stored string, b block) (io.ReadCloser, error) {
	obj, err := e.cfg.Store.Get(ctx, e.cfg.Bucket, stored, backend.GetOptions{IfMatch: b.obj.ETag})
	if backend.KindOf(err) == backend.Precondition || backend.KindOf(err) == backend.NotFound {
		return nil, fmt.Errorf("%w: %w", reblock.ErrSourceChanged, err)
	}
	if err != nil {
		return nil, err
	}
	if obj.ETag != b.obj.ETag || obj.Size != b.obj.Size {
		obj.Body.Close()
		return nil, reblock.ErrSourceChanged // not every store honours a condition on a read
	}
	return obj.Body, nil
}

// span reads the segments of a span. done = they open; else e.x, or the error, says
// why not.
func (e *explainer) span(src io.Reader, open segments, s format.Span) (done bool, err error) {
	buf := make([]byte, format.Stride)
	for i, left := s.First, s.Length; left > 0; i++ {
		buf = buf[:min(left, format.Stride)]
		if _, err := io.ReadFull(src, buf); err != nil {
			return false, err
		}
		if err := open.OpenInPlace(buf, i); err != nil {
			return false, e.is(Tampered, "its block opens, but the content was changed at the backend: %d of %d bytes open", e.x.Looked, e.x.Plain)
		}
		left -= int64(len(buf))
		e.x.Looked = min(e.x.Looked+format.SegmentSize, e.x.Plain)
	}
	return true, nil
}

// readBody opens every segment of a stream object and looks at what follows them.
func (e *explainer) readBody(ctx context.Context, stored string, b block, o *format.Opener) (done bool, err error) {
	src, err := e.get(ctx, stored, b)
	if err != nil {
		return false, err
	}
	defer src.Close()
	if _, err := io.CopyN(io.Discard, src, int64(o.BlockSize())); err != nil {
		return false, err
	}
	all, err := format.Cover(o.BlockSize(), o.PaddedSize(), 0, o.PaddedSize())
	if err != nil {
		return false, err
	}
	if done, err := e.span(src, o, all); !done {
		return false, err
	}
	fill, err := io.ReadAll(io.LimitReader(src, format.Filler(o.PaddedSize())+1))
	if err != nil {
		return false, err
	}
	if err := o.CheckFiller(fill, 0); err != nil {
		return false, e.is(Tampered, "its content opens, but what follows it was changed at the backend")
	}
	return true, nil
}

// lookAtParts is look for an object that was uploaded in parts.
func (e *explainer) lookAtParts(ctx context.Context, stored string, where format.Context, b block) error {
	h, err := format.ParseHeader(b.block)
	if err != nil || h.Class != format.ClassTail {
		return e.is(Truncated, "it begins as an object that was uploaded in parts and does not end as one: its end was cut off or changed at the backend")
	}
	t, err := format.OpenTail(e.ring, where, b.head, b.block, e.x.Stored)
	if err != nil {
		return e.judge(b, err)
	}
	e.x.KeyID, e.x.Plain, e.x.Parts = t.KeyID().String(), t.PlainSize(), t.Parts()
	if e.whole {
		if done, err := e.readParts(ctx, stored, b, t); !done {
			return err
		}
	}
	return e.readable(t.Suite(), t.Meta())
}

// readParts opens the table and every segment of every part.
func (e *explainer) readParts(ctx context.Context, stored string, b block, t *format.Tail) (done bool, err error) {
	changed := func(what string, args ...any) (bool, error) {
		return false, e.is(Tampered, "its tail opens, but "+what+" was changed at the backend", args...)
	}
	at, n := t.Table()
	obj, table, err := e.read(ctx, stored, backend.GetOptions{Range: &backend.Range{First: at, Last: at + n - 1}, IfMatch: b.obj.ETag})
	switch {
	case backend.KindOf(err) == backend.Precondition || err == nil && obj.ETag != b.obj.ETag:
		return false, reblock.ErrSourceChanged
	case err != nil:
		return false, err
	}
	parts, err := t.OpenTable(table)
	if err != nil {
		return changed("the table of its parts")
	}
	spans, err := parts.Cover(0, t.PlainSize())
	if t.PlainSize() == 0 {
		spans, err = nil, nil // there is nothing to open
	}
	if err != nil {
		return false, err
	}
	src, err := e.get(ctx, stored, b)
	if err != nil {
		return false, err
	}
	defer src.Close()
	for _, s := range spans {
		head := make([]byte, partHeader)
		if _, err := io.ReadFull(src, head); err != nil {
			return false, err
		}
		part, err := parts.OpenPart(s.Part)
		if err != nil {
			return false, err
		}
		if part.CheckHead(head) != nil {
			return changed("the header of part %d", s.Part+1)
		}
		if done, err := e.span(src, part, s.Span); !done {
			return false, err
		}
	}
	return true, nil
}
