package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// plainBody writes an opened object, or a range of it, to the client. fasthttp
// calls WriteTo once and Close always; both on the connection's goroutine.
//
// What is read is a list of runs: consecutive segments under one key. A stream
// object has one, a multipart object one for each part the range touches. The
// stored bytes of the runs are contiguous but for the parts' headers.
type plainBody struct {
	s    *Server
	o    *stored
	ctx  context.Context
	op   string // that the time is counted for
	runs []format.PartSpan
	skip int64 // plain bytes still to be dropped in front
	want int64 // plain bytes to be given
	all  bool  // the runs are the object, so its end is checked too

	src   io.Reader // stored bytes, from the first run's first segment on
	timed *timedOpener
	res   *pipeline.Reservation
	turn  *pipeline.Turn  // told of waits; may be nil
	whole pipeline.Chain  // everything, verified
	front *pipeline.Batch // streaming: the first batch, verified
	next  int64           // streaming: the segment of the first run after front
	read  int64           // streaming: sealed bytes of the first run consumed

	written int64
	err     error
	done    func(error) // tells the outcome once, at Close
}

// openPlain makes the body of a part of an object: whole and verified where it
// fits, else begun. behind is what openObject was asked for. It owns o, also when
// it fails. turn, which may be nil, is the caller's.
func (s *Server) openPlain(ctx context.Context, o *stored, part byteRange, behind int64, turn *pipeline.Turn) (*plainBody, error) {
	b := &plainBody{s: s, o: o, ctx: ctx, op: "GetObject", timed: &timedOpener{}, want: part.n, turn: turn}
	err := b.fetch(part, behind)
	switch {
	case err != nil:
	case b.want <= wholeGet:
		err = b.openWhole()
	default:
		err = b.openFront()
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// fetch finds the runs and positions src at the first of them.
func (b *plainBody) fetch(part byteRange, behind int64) error {
	o := b.o
	b.all = behind == everything && part.n == o.plainSize()
	if err := b.plan(part); err != nil || len(b.runs) == 0 {
		return err
	}
	first, last := b.runs[0], b.runs[len(b.runs)-1]
	b.skip = first.Skip
	if first.Part == 0 && first.First == 0 && (behind == everything || len(b.runs) == 1 && behind >= first.Length) {
		// It follows the block, or the header of the first part.
		b.src = o.rest
		if o.multi != nil {
			b.src = io.MultiReader(bytes.NewReader(o.block[partHeader:]), o.rest)
		}
		return nil
	}
	o.rest.Close()
	from, end := first.Offset, last.Offset+last.Length
	front := end
	if b.s.threads > 1 {
		front = min(end, from+b.s.rangeSize)
	}
	obj, err := b.s.getBound(b.ctx, o, &backend.Range{First: from, Last: front - 1})
	if err != nil {
		return err
	}
	o.rest = b.s.readOn(b.ctx, o, b.s.resume(b.ctx, o, obj, from), from, front, end)
	b.src = o.rest
	return nil
}

// readAhead lets what follows be fetched beside what is read. The body's own share of
// the budget was taken.
func (b *plainBody) readAhead() {
	if a, ok := b.o.rest.(*readAhead); ok {
		a.fetch()
	}
}

// plan finds the runs of a part of the object. There are none only where nothing
// is asked for of an object that has something, and in a folder marker.
func (b *plainBody) plan(part byteRange) error {
	if b.o.folder {
		return nil
	}
	if b.o.multi == nil {
		n := part.n
		if b.all {
			n = b.o.opener.PaddedSize() // and what follows the last byte is looked at too
		}
		span, err := format.Cover(b.o.opener.BlockSize(), b.o.opener.PaddedSize(), part.off, n)
		b.runs = []format.PartSpan{{Span: span}}
		return err
	}
	if part.n == 0 {
		return nil
	}
	parts, err := b.s.openTable(b.ctx, b.o)
	if err != nil {
		return err
	}
	b.runs, err = parts.Cover(part.off, part.n)
	return err
}

// getBound opens a range of the same stored object, or says errChanged.
func (s *Server) getBound(ctx context.Context, o *stored, want *backend.Range) (*backend.Object, error) {
	obj, err := getPinned(ctx, s.backend, o.bucket, o.key, o.version, o.named, backend.GetOptions{Range: want, IfMatch: o.etag})
	switch kind := backendKind(err); {
	case kind == backend.Precondition || kind == backend.NotFound || errors.Is(err, backend.ErrRange):
		return nil, fmt.Errorf("%w: %w", errChanged, err)
	case err != nil:
		return nil, err
	}
	// Not every store honours a condition on a read.
	if obj.ETag != o.etag || obj.Size != o.size {
		obj.Body.Close()
		return nil, errChanged
	}
	return obj, nil
}

// enter makes a run the one whose segments are opened next. The header of a part
// stands before every run but the first, where it was read already, if at all.
func (b *plainBody) enter(i int) error {
	if b.o.multi == nil {
		b.timed.Opener = segmentOpener(b.o.opener)
		return nil
	}
	index := b.runs[i].Part
	part, err := b.o.multi.parts.OpenPart(index)
	if err != nil {
		return err
	}
	head := b.o.block[:partHeader]
	if i > 0 {
		head = make([]byte, partHeader)
		if _, err := io.ReadFull(b.src, head); err != nil {
			return fmt.Errorf("cannot read the header of a part: %w", err)
		}
	}
	if i > 0 || index == 0 {
		if err := part.CheckHead(head); err != nil {
			return err
		}
	}
	b.timed.Opener = segmentOpener(part)
	return nil
}

// openWhole opens every segment, and for a whole object its end, before the first
// byte is answered.
func (b *plainBody) openWhole() error {
	var room int64
	for _, run := range b.runs {
		room += b.s.engine.Footprint(run.Skip + run.N)
	}
	var err error
	// The turn is paused already.
	if b.res, err = b.s.engine.Reserve(b.ctx, room); err != nil {
		return err
	}
	b.readAhead()
	for i, run := range b.runs {
		if err = b.enter(i); err != nil {
			return err
		}
		err = b.s.engine.Open(b.ctx, pausing{b.src, b.turn}, run.Length, run.First, b.timed, func(x *pipeline.Batch) error {
			b.whole.Append(x)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return b.checkEnd()
}

// openFront opens the first batch, so that a wrong object is refused with a
// status and not in the middle of its body.
func (b *plainBody) openFront() error {
	var err error
	if b.res, err = b.s.engine.Reserve(b.ctx, b.s.engine.Window()); err != nil {
		return err
	}
	b.readAhead()
	if err = b.enter(0); err != nil {
		return err
	}
	first := b.runs[0]
	b.read = min(frontSegments*format.Stride, first.Length)
	b.next = first.First + frontSegments
	return b.s.engine.Open(b.ctx, pausing{b.src, b.turn}, b.read, first.First, b.timed, func(x *pipeline.Batch) error {
		b.front = x
		return nil
	})
}

// frontSegments is what is opened before the status line of a large object.
const frontSegments = 1

// checkEnd reads what follows the last segment and demands the end of the stored
// object. For a range there is nothing to check: the size was that of the sealed
// object.
func (b *plainBody) checkEnd() error {
	switch {
	case !b.all || b.o.folder:
		return nil
	case b.o.multi != nil:
		return b.o.multi.checkEnd(b.src)
	}
	fill := make([]byte, format.Filler(b.o.opener.PaddedSize())+1)
	n, err := io.ReadFull(b.src, fill)
	if n == len(fill) {
		return errFiller
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) || errors.Is(err, backend.ErrShort) {
		return fmt.Errorf("cannot read the end of the object: %w", err)
	}
	if n != len(fill)-1 {
		return errFiller
	}
	return b.o.opener.CheckFiller(fill[:n], 0)
}

// WriteTo writes the plaintext; the connection bounds each write. The last
// batch of a streamed object waits until the object's end was checked.
func (b *plainBody) WriteTo(w io.Writer) (int64, error) {
	if b.front == nil {
		for x := range b.whole.PlainSegments() {
			if b.err = b.write(w, x); b.err != nil {
				break
			}
		}
		return b.written, b.err
	}
	held := b.front
	b.front = nil
	if b.err = b.stream(func(x *pipeline.Batch) error {
		err := b.writeBatch(w, held)
		held = x
		return err
	}); b.err != nil {
		held.Release()
		if errors.Is(b.err, errChanged) {
			// The status line was sent, so that nothing begins anew: the answer breaks.
			b.err = fmt.Errorf("%w: %v", backend.ErrShort, b.err)
		}
		return b.written, b.err
	}
	b.err = b.writeBatch(w, held)
	return b.written, b.err
}

// stream opens everything behind the first batch.
func (b *plainBody) stream(sink func(*pipeline.Batch) error) error {
	for i, run := range b.runs {
		if i == 0 {
			run.Length -= b.read
			run.First = b.next
		} else if err := b.enter(i); err != nil {
			return err
		}
		if err := b.s.engine.Open(b.ctx, pausing{b.src, b.turn}, run.Length, run.First, b.timed, sink); err != nil {
			return err
		}
	}
	return b.checkEnd()
}

// writeBatch writes one batch and gives it back.
func (b *plainBody) writeBatch(w io.Writer, x *pipeline.Batch) error {
	defer x.Release()
	for p := range x.PlainSegments() {
		if err := b.write(w, p); err != nil {
			return err
		}
	}
	return nil
}

// write gives what of the opened bytes is asked for.
func (b *plainBody) write(w io.Writer, p []byte) error {
	skip := min(b.skip, int64(len(p)))
	b.skip -= skip
	p = p[skip:]
	p = p[:min(int64(len(p)), b.want-b.written)]
	if len(p) == 0 {
		return nil
	}
	b.turn.Pause()
	n, err := w.Write(p)
	b.turn.Resume(n)
	b.written += int64(n)
	if err != nil {
		return clientGone{err}
	}
	return nil
}

// Read exists for the io.Reader in fasthttp's signature; WriteTo is what runs.
func (b *plainBody) Read([]byte) (int, error) {
	return 0, s3err.New(s3err.InternalError, "BUG: a plain body is written, not read")
}

// Close frees everything and reports the outcome.
func (b *plainBody) Close() error {
	if b.front != nil {
		b.front.Release()
		b.front = nil
	}
	b.whole.Release()
	b.o.close()
	if b.res != nil {
		b.res.Release()
	}
	b.s.metrics.openedBytes.Add(int(b.written))
	b.s.metrics.crypto(b.op, time.Duration(b.timed.spent.Load()))
	if b.done != nil {
		b.done(b.err)
		b.done = nil
	}
	return nil
}

// clientGone marks a failure of the client's socket, which is nobody's fault
// here and must not count as an integrity failure.
type clientGone struct{ err error }

func (e clientGone) Error() string { return "cannot write to the client: " + e.err.Error() }
func (e clientGone) Unwrap() error { return e.err }
