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

// sealedBody is the stored bytes of the segments alone.
func (o *stored) sealedBody() int64 {
	p := o.opener.PlainSize()
	return o.size - int64(o.opener.BlockSize()) - format.Filler(p)
}

// refuseReadHeaders: a range or condition that was ignored would give a client
// other bytes than it asked for.
func (r *request) refuseReadHeaders() error {
	return r.refuseHeaders("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "x-amz-server-side-encryption-customer-*")
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

// openObject fetches an object and opens its block. With headOnly only the
// block is fetched: one ranged request tells length, metadata, ETag and time.
// On an error of the sealed data itself the returned object has its ETag.
func (s *Server) openObject(ctx context.Context, bucketName, key string, opt backend.GetOptions, headOnly bool) (*stored, error) {
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
	if headOnly {
		opt.Range = &backend.Range{First: 0, Last: int64(b.blockSize) - 1}
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
	if headOnly {
		o.close()
		o.rest = nil
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

func (s *Server) openHead(ctx context.Context, bucketName, key string) (*stored, error) {
	return s.openObject(ctx, bucketName, key, backend.GetOptions{}, true)
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
	r.describe(o)
	r.http.Response.Header.SetContentLength(int(o.opener.PlainSize()))
	return nil
}

// describe writes the headers every read of an object carries.
func (r *request) describe(o *stored) {
	h := &r.http.Response.Header
	meta := o.opener.Meta()
	writeMeta(h, meta)
	if c, ok := openChecksum(meta); ok && strings.EqualFold(r.header("x-amz-checksum-mode"), "ENABLED") {
		r.showChecksum(c)
	}
	h.Set("ETag", clientETag(o.etag))
	h.Set("Last-Modified", o.modified.UTC().Format(httpTime))
	h.Set("Accept-Ranges", "none")
}

// getObject opens an object for the client: whole before the status line where
// it fits, batch by batch where it does not.
func (s *Server) getObject(r *request) error {
	if err := r.refuseReadHeaders(); err != nil {
		return err
	}
	o, err := s.openObject(r.ctx, r.bucket, r.key, backend.GetOptions{}, false)
	if err != nil {
		return err
	}
	body := &plainBody{s: s, o: o, timed: timeOpener(o.opener), ctx: r.ctx}
	if o.opener.PlainSize() <= wholeGet {
		err = body.openWhole()
	} else {
		err = body.openFront()
	}
	if err != nil {
		body.Close()
		return err
	}
	r.describe(o)
	if n := o.opener.PlainSize(); n > 0 {
		r.http.Response.SetBodyStream(body, int(n))
	} else {
		body.Close()
		r.http.Response.Header.SetContentLength(0)
	}
	return nil
}

// plainBody writes an opened object to the client. fasthttp calls WriteTo once
// and Close always; both on the connection's goroutine.
type plainBody struct {
	s     *Server
	o     *stored
	timed *timedOpener
	ctx   context.Context

	res   *pipeline.Reservation
	whole pipeline.Chain  // everything, verified
	front *pipeline.Batch // streaming: the first batch, verified
	next  int64           // streaming: the segment after front
	read  int64           // streaming: sealed bytes consumed

	written int64
	err     error
	done    func(error) // tells the outcome once, at Close
}

// openWhole opens every segment and the end of the object before the first
// byte is answered.
func (b *plainBody) openWhole() error {
	var err error
	if b.res, err = b.s.engine.Reserve(b.ctx, b.s.engine.Footprint(b.o.opener.PlainSize())); err != nil {
		return err
	}
	err = b.s.engine.Open(b.ctx, b.o.rest, b.o.sealedBody(), 0, b.timed, func(x *pipeline.Batch) error {
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
	b.read = min(frontSegments*format.Stride, b.o.sealedBody())
	b.next = frontSegments
	return b.s.engine.Open(b.ctx, b.o.rest, b.read, 0, b.timed, func(x *pipeline.Batch) error {
		b.front = x
		return nil
	})
}

// frontSegments is what is opened before the status line of a large object.
const frontSegments = 1

// checkEnd reads the filler and demands the end of the stored object.
func (b *plainBody) checkEnd() error {
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
	b.err = b.s.engine.Open(b.ctx, b.o.rest, b.o.sealedBody()-b.read, b.next, b.timed, func(x *pipeline.Batch) error {
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

func (b *plainBody) write(w io.Writer, p []byte) error {
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
