package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// errFiller: the zero bytes behind the last segment are not zero, or not there.
var errFiller = fmt.Errorf("%w: the object's end is not what its size says", format.ErrIntegrity)

// stored is an object whose block was opened: its length and metadata are
// authentic, its body is not yet read.
type stored struct {
	opener   *format.Opener
	block    []byte // as stored
	etag     string // the backend's
	modified time.Time
	size     int64         // stored bytes of the whole object
	rest     io.ReadCloser // what follows the block; nil after a HEAD
}

// close ends the backend's answer; a nil stored is fine.
func (o *stored) close() {
	if o != nil && o.rest != nil {
		o.rest.Close()
	}
}

// refuseReadHeaders: what is asked for with these cannot be given.
func (r *request) refuseReadHeaders() error {
	return r.refuseHeaders("x-amz-server-side-encryption-customer-*")
}

// access opens the gate of a bucket for reading. In a fresh bucket nothing can
// exist: a read answers that at once.
func (s *Server) access(ctx context.Context, name string) (*format.Keyring, *bucket, error) {
	ring, err := s.keys.Ring()
	if err != nil {
		return nil, nil, err
	}
	b, err := s.gate.open(ctx, ring, name, false)
	return ring, b, err
}

// everything asks openObject for the whole stored object.
const everything = -1

// openObject fetches an object's block, with so many stored bytes behind it, and
// opens the block. On an error of the sealed data itself the returned object has
// its ETag.
func (s *Server) openObject(ctx context.Context, bucketName, key string, behind int64) (*stored, error) {
	ring, b, err := s.access(ctx, bucketName)
	if err != nil {
		return nil, err
	}
	if b.fresh {
		return nil, s3err.New(s3err.NoSuchKey, "the key does not exist")
	}
	at, err := where(b, key)
	if err != nil {
		return nil, err
	}
	var opt backend.GetOptions
	if behind != everything {
		opt.Range = &backend.Range{First: 0, Last: int64(b.blockSize) + behind - 1}
	}
	obj, err := s.backend.Get(ctx, bucketName, key, opt)
	if errors.Is(err, backend.ErrRange) {
		return s.emptyStored(ctx, bucketName, key)
	}
	if err != nil {
		return nil, err
	}
	o := &stored{etag: obj.ETag, modified: obj.LastModified, size: obj.Size}
	o.rest = &resuming{ctx: ctx, from: s.backend, bucket: bucketName, key: key, etag: obj.ETag, body: obj.Body, end: obj.Length}
	if _, ok := format.PlainSize(b.blockSize, obj.Size); !ok {
		o.close()
		return o, fmt.Errorf("%w: no sealed object has %d bytes", format.ErrForeign, obj.Size)
	}
	o.block = make([]byte, b.blockSize)
	if _, err := io.ReadFull(o.rest, o.block); err != nil {
		o.close()
		return nil, err
	}
	if o.opener, err = format.OpenBlock(ring, at, o.block, obj.Size); err != nil {
		o.close()
		return o, err
	}
	return o, nil
}

// emptyStored is an object of no bytes at all, which nothing sealed ever is.
func (s *Server) emptyStored(ctx context.Context, bucketName, key string) (*stored, error) {
	obj, err := s.backend.Head(ctx, bucketName, key)
	if err != nil {
		return nil, err
	}
	if obj.Size != 0 {
		return nil, s3err.New(s3err.ServiceUnavailable, "the object changed while it was read; try again")
	}
	return &stored{etag: obj.ETag, modified: obj.LastModified}, fmt.Errorf("%w: the stored object is empty", format.ErrForeign)
}

// openHead fetches the block alone: one ranged request tells length, metadata,
// ETag and time.
func (s *Server) openHead(ctx context.Context, bucketName, key string) (*stored, error) {
	o, err := s.openObject(ctx, bucketName, key, 0)
	if err == nil {
		o.close()
		o.rest = nil
	}
	return o, err
}

// headObject answers from the block alone.
func (s *Server) headObject(r *request) error {
	if err := r.refuseReadHeaders(); err != nil {
		return err
	}
	o, err := s.openHead(r.ctx, r.bucket, r.key)
	if err != nil {
		return err
	}
	part, done, err := r.begin(o)
	if done || err != nil {
		return err
	}
	r.http.Response.Header.SetContentLength(int(part.n))
	return nil
}

// begin answers what stands before the body: a condition that decides, or the
// headers of the part that is asked for. done: there is nothing more to answer.
func (r *request) begin(o *stored) (part byteRange, done bool, err error) {
	h := &r.http.Response.Header
	size := o.opener.PlainSize()
	etag := clientETag(o.etag)
	err = r.readConditions("").check(etag, o.modified)
	if errors.Is(err, errNotModified) {
		h.Set("ETag", etag)
		h.Set("Last-Modified", o.modified.UTC().Format(httpTime))
		r.http.SetStatusCode(304)
		return part, true, nil
	}
	if err != nil {
		return part, false, err
	}
	part, ranged := byteRange{0, size}, false
	if r.hasHeader("range") && (!r.hasHeader("if-range") || r.header("If-Range") == etag) {
		var asked byteRange
		if asked, ranged, err = parseRange(r.header("Range"), size); err != nil {
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
			return part, false, err
		}
		if ranged {
			part = asked
		}
	}
	r.describe(o)
	if ranged {
		h.Set("Content-Range", part.contentRange(size))
		r.http.SetStatusCode(206)
	}
	return part, false, nil
}

// describe writes the headers every read of an object carries.
func (r *request) describe(o *stored) {
	h := &r.http.Response.Header
	meta := o.opener.Meta()
	writeMeta(h, meta)
	if c, ok := openChecksum(meta); ok && !r.hasHeader("range") && strings.EqualFold(r.header("x-amz-checksum-mode"), "ENABLED") {
		r.showChecksum(c)
	}
	h.Set("ETag", clientETag(o.etag))
	h.Set("Last-Modified", o.modified.UTC().Format(httpTime))
	h.Set("Accept-Ranges", "bytes")
	for _, k := range kept { // what a signed request wants shown instead
		if v, ok := r.query.get("response-" + strings.ToLower(k.name)); ok {
			h.Set(k.name, v)
		}
	}
}

// getObject opens an object, or a range of it, for the client: whole before the
// status line where it fits, batch by batch where it does not.
func (s *Server) getObject(r *request) error {
	if err := r.refuseReadHeaders(); err != nil {
		return err
	}
	for range maxRestarts {
		err := s.getOnce(r)
		if !errors.Is(err, errChanged) {
			return err
		}
	}
	return s3err.New(s3err.ServiceUnavailable, "the object keeps changing while it is read; try again")
}

// errChanged: the object was replaced between the fetch of its block and that of
// its body.
var errChanged = errors.New("the object changed while it was read")

// maxRestarts is how often a ranged read begins again because of that.
const maxRestarts = 3

func (s *Server) getOnce(r *request) error {
	behind := int64(everything)
	if r.hasHeader("range") {
		behind = rangeGuess(r.header("Range"))
	}
	o, err := s.openObject(r.ctx, r.bucket, r.key, behind)
	if err != nil {
		return err
	}
	part, done, err := r.begin(o)
	if done || err != nil {
		o.close()
		return err
	}
	body := &plainBody{s: s, o: o, timed: timeOpener(o.opener), ctx: r.ctx}
	if err = body.fetch(r, part, behind); err == nil {
		if body.span.N <= wholeGet {
			err = body.openWhole()
		} else {
			err = body.openFront()
		}
	}
	if err != nil {
		body.Close()
		return err
	}
	if part.n > 0 {
		r.http.Response.SetBodyStream(body, int(part.n))
	} else {
		body.Close()
		r.http.Response.Header.SetContentLength(0)
	}
	return nil
}

// rangeGuess is how many stored bytes behind the block serve a range that begins
// in the first segment, in the same request as the block. Other ranges are fetched
// once the block has told the size.
func rangeGuess(header string) int64 {
	asked, ok, err := parseRange(header, format.MaxPlainSize)
	switch {
	case err != nil:
		return 0
	case !ok:
		return everything // S3 ignores it
	case asked.off >= format.SegmentSize:
		return 0
	case asked.off+asked.n == format.MaxPlainSize:
		return everything // no end was named
	}
	return ((asked.off+asked.n-1)/format.SegmentSize + 1) * format.Stride
}

// plainBody writes an opened object, or a range of it, to the client. fasthttp
// calls WriteTo once and Close always; both on the connection's goroutine.
type plainBody struct {
	s     *Server
	o     *stored
	timed *timedOpener
	ctx   context.Context
	span  format.Span // what is read and what of it is given
	all   bool        // the span is the object, so its end is checked too

	res   *pipeline.Reservation
	whole pipeline.Chain  // everything, verified
	front *pipeline.Batch // streaming: the first batch, verified
	next  int64           // streaming: the segment after front
	read  int64           // streaming: sealed bytes consumed

	written int64
	err     error
	done    func(error) // tells the outcome once, at Close
}

// fetch positions o.rest at the first stored byte of the span. behind is what was
// asked for with the block.
func (b *plainBody) fetch(r *request, part byteRange, behind int64) error {
	plain := b.o.opener.PlainSize()
	var err error
	if b.span, err = format.Cover(b.o.opener.BlockSize(), plain, part.off, part.n); err != nil {
		return err
	}
	b.all = behind == everything && part.n == plain
	if b.span.First == 0 && (behind == everything || behind >= b.span.Length) {
		return nil // it follows the block
	}
	b.o.close()
	want := &backend.Range{First: b.span.Offset, Last: b.span.Offset + b.span.Length - 1}
	obj, err := b.s.backend.Get(r.ctx, r.bucket, r.key, backend.GetOptions{Range: want, IfMatch: b.o.etag})
	switch kind := backendKind(err); {
	case kind == backend.Precondition || kind == backend.NotFound || errors.Is(err, backend.ErrRange):
		return fmt.Errorf("%w: %w", errChanged, err)
	case err != nil:
		return err
	}
	b.o.rest = &resuming{ctx: r.ctx, from: b.s.backend, bucket: r.bucket, key: r.key, etag: b.o.etag, body: obj.Body, end: obj.Length, base: want.First}
	if obj.ETag != b.o.etag || obj.Size != b.o.size {
		return errChanged
	}
	return nil
}

// openWhole opens every segment, and for a whole object its end, before the first
// byte is answered.
func (b *plainBody) openWhole() error {
	var err error
	if b.res, err = b.s.engine.Reserve(b.ctx, b.s.engine.Footprint(b.span.Skip+b.span.N)); err != nil {
		return err
	}
	err = b.s.engine.Open(b.ctx, b.o.rest, b.span.Length, b.span.First, b.timed, func(x *pipeline.Batch) error {
		b.whole.Append(x)
		return nil
	})
	if err != nil {
		return err
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
	b.read = min(frontSegments*format.Stride, b.span.Length)
	b.next = b.span.First + frontSegments
	return b.s.engine.Open(b.ctx, b.o.rest, b.read, b.span.First, b.timed, func(x *pipeline.Batch) error {
		b.front = x
		return nil
	})
}

// frontSegments is what is opened before the status line of a large object.
const frontSegments = 1

// checkEnd reads the filler and demands the end of the stored object. For a range
// there is nothing to check: the size was that of the sealed object.
func (b *plainBody) checkEnd() error {
	if !b.all {
		return nil
	}
	fill := make([]byte, format.Filler(b.o.opener.PlainSize())+1)
	n, err := io.ReadFull(b.o.rest, fill)
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
	b.err = b.s.engine.Open(b.ctx, b.o.rest, b.span.Length-b.read, b.next, b.timed, func(x *pipeline.Batch) error {
		err := b.writeBatch(w, held)
		held = x
		return err
	})
	if b.err == nil {
		b.err = b.checkEnd()
	}
	if b.err != nil {
		held.Release()
		return b.written, b.err
	}
	b.err = b.writeBatch(w, held)
	return b.written, b.err
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
	skip := min(b.span.Skip, int64(len(p)))
	b.span.Skip -= skip
	p = p[skip:]
	p = p[:min(int64(len(p)), b.span.N-b.written)]
	if len(p) == 0 {
		return nil
	}
	n, err := w.Write(p)
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
	b.s.metrics.crypto("GetObject", time.Duration(b.timed.spent.Load()))
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
