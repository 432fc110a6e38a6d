package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// errFiller: the zero bytes behind the last segment are not zero, or not there.
var errFiller = fmt.Errorf("%w: the object's end is not what its size says", format.ErrIntegrity)

// stored is an object whose block was opened: its length and metadata are
// authentic, its body is not yet read.
type stored struct {
	bucket, key string
	version     string // the backend's id of it, or ""
	named       bool   // the client asked for that version

	opener   *format.Opener // nil for a multipart object
	multi    *multi         // nil for a stream object
	block    []byte         // the first bytes, as stored
	folder   bool           // a folder marker: there are no bytes, the block is beside the object
	etag     string         // the backend's
	modified time.Time
	archived *archived          // its block cannot be read
	headed   bool               // kept is what a HEAD tells
	restore  string             // x-amz-restore
	kept     backend.Attributes // that the backend tells of
	tags     int
	size     int64         // stored bytes of the whole object
	rest     io.ReadCloser // what follows the block; nil after a HEAD
}

// close ends the backend's answer; a nil stored is fine.
func (o *stored) close() {
	if o == nil {
		return
	}
	if o.rest != nil {
		o.rest.Close()
	}
	if o.multi != nil {
		o.multi.release()
	}
}

// meta is the object's metadata.
func (o *stored) meta() format.Meta {
	if o.archived != nil {
		return o.archived.meta
	}
	if o.multi != nil {
		return o.multi.tail.Meta()
	}
	return o.opener.Meta()
}

// oid is the random id of the object's body, which a copy keeps.
func (o *stored) oid() (oid [16]byte, ok bool) {
	if o.multi != nil {
		return o.multi.tail.OID(), true
	}
	h, err := format.ParseHeader(o.block) // authentic: the block was opened
	return h.OID, err == nil
}

// plainSize is the object's size as the client sees it.
func (o *stored) plainSize() int64 {
	if o.archived != nil {
		return o.archived.size
	}
	if o.multi != nil {
		return o.multi.tail.PlainSize()
	}
	return o.opener.PlainSize()
}

// refuseReadHeaders: what is asked for with these cannot be given. A part that no
// object has is refused before anybody looks for the object.
func (r *request) refuseReadHeaders() error {
	if _, ok := r.query.get("partNumber"); ok {
		if _, err := partNumber(r); err != nil {
			return err
		}
	}
	return r.refuseHeaders("x-amz-server-side-encryption-customer-*")
}

// access opens the gate of a bucket for reading. In a fresh bucket nothing can
// exist: a read answers that at once.
func (s *Server) access(ctx context.Context, name string) (Keyring, *bucket, error) {
	ring, err := s.keys.Ring()
	if err != nil {
		return nil, nil, err
	}
	b, err := s.gate.open(ctx, ring, name, false)
	return ring, b, err
}

// errNothing: what a fresh bucket has of any key.
var errNothing = &backend.Error{Kind: backend.NotFound, Op: "GetObject", Code: string(s3err.NoSuchKey)}

// everything asks openObject for the whole stored object.
const everything = -1

// openObject fetches an object's block, with so many stored bytes behind it, and
// opens the block. version "" is the current one. On an error of the sealed data itself
// the returned object has its ETag.
func (s *Server) openObject(ctx context.Context, bucketName, key, version string, behind int64) (*stored, error) {
	ring, b, err := s.access(ctx, bucketName)
	if err != nil {
		return nil, err
	}
	if b.fresh {
		return nil, versionFault(errNothing, key, version)
	}
	at, err := where(b, key)
	if err != nil {
		return nil, err
	}
	opt := backend.GetOptions{Version: version}
	switch {
	case behind != everything:
		opt.Range = &backend.Range{First: 0, Last: int64(b.blockSize) + behind - 1}
	case s.threads > 1:
		opt.Range = &backend.Range{First: 0, Last: s.rangeSize - 1}
	}
	obj, err := s.backend.Get(ctx, bucketName, key, opt)
	if errors.Is(err, backend.ErrRange) {
		return s.openEmpty(ctx, ring, b, at, bucketName, version)
	}
	if err != nil {
		return nil, versionFault(err, key, version)
	}
	o := storedAs(bucketName, key, version, obj)
	if obj.Size == 0 {
		obj.Body.Close()
		return b.openFolder(ctx, ring, at, o, obj.Hint)
	}
	o.rest = s.resume(ctx, o, obj, 0)
	if behind == everything {
		o.rest = s.readOn(ctx, o, o.rest, 0, obj.Length, obj.Size)
	}
	if _, ok := format.PlainSize(b.blockSize, obj.Size); !ok {
		o.close()
		return o, fmt.Errorf("%w: no sealed object has %d bytes", format.ErrForeign, obj.Size)
	}
	o.block = make([]byte, b.blockSize)
	if _, err := io.ReadFull(o.rest, o.block); err != nil {
		o.close()
		return nil, err
	}
	if isMultipart(o.block) {
		o.multi, err = s.openMulti(ctx, ring, at, o)
	} else {
		o.opener, err = format.OpenBlock(ring, at, o.block, obj.Size)
	}
	if err != nil {
		o.close()
		return o, b.judge(ctx, err)
	}
	return o, nil
}

// judge says what it means that an object does not open: in a bucket that was made
// anew since its state was read, nothing.
func (b *bucket) judge(ctx context.Context, err error) error {
	if b.fenced == nil || !errors.Is(err, format.ErrCommit) {
		return err
	}
	if gone := b.stands(ctx); errors.Is(gone, errReplaced) {
		return gone
	}
	return err
}

// storedAs is what an answer of the backend says of an object that is not yet opened.
func storedAs(bucketName, key, version string, obj *backend.Object) *stored {
	o := &stored{bucket: bucketName, key: key, version: obj.Version, named: version != "", etag: obj.ETag, modified: obj.LastModified,
		kept: obj.Attributes, restore: obj.Restore, tags: obj.Tags, size: obj.Size}
	if o.named {
		o.version = version
	}
	return o
}

// openEmpty opens an object of no bytes at all, of which a range cannot tell more. Nothing
// sealed is empty but a folder marker.
func (s *Server) openEmpty(ctx context.Context, ring Keyring, b *bucket, at format.Context, bucketName, version string) (*stored, error) {
	obj, err := s.backend.HeadVersion(ctx, bucketName, at.Key(), version)
	if err != nil {
		return nil, versionFault(err, at.Key(), version)
	}
	if obj.Size != 0 {
		return nil, s3err.New(s3err.ServiceUnavailable, "the object changed while it was read; try again")
	}
	o := storedAs(bucketName, at.Key(), version, obj)
	o.headed = true
	return b.openFolder(ctx, ring, at, o, obj.Hint)
}

// openHead fetches the block alone: one ranged request, and one more for the tail
// of a multipart object, tells length, metadata, ETag and time.
func (s *Server) openHead(ctx context.Context, bucketName, key, version string) (o *stored, err error) {
	for range maxRestarts {
		if o, err = s.openObject(ctx, bucketName, key, version, 0); !errors.Is(err, errChanged) {
			break
		}
	}
	if err == nil {
		o.close()
		o.rest = nil
	}
	return o, err
}

// headObject answers from the block alone, and what it does not tell of locks.
func (s *Server) headObject(r *request) error {
	if err := r.refuseReadHeaders(); err != nil {
		return err
	}
	for range maxRestarts {
		r.resetAnswer() // nothing of a round before
		err := s.headOnce(r)
		if !errors.Is(err, errChanged) {
			return err
		}
	}
	return errKeepsChanging()
}

func (s *Server) headOnce(r *request) error {
	version, err := r.version()
	if err != nil {
		return err
	}
	o, err := s.openKnown(r.ctx, r.bucket, r.key, version)
	if err != nil {
		return err
	}
	defer o.close()
	part, done, err := s.begin(r, o)
	if done || err != nil {
		return err
	}
	r.http.Response.Header.SetContentLength(int(part.n))
	return nil
}

// begin answers what stands before the body: a condition that decides, or the
// headers of the part that is asked for. done: there is nothing more to answer.
func (s *Server) begin(r *request, o *stored) (part byteRange, done bool, err error) {
	h := &r.http.Response.Header
	size := o.plainSize()
	names := s.namesOf(o.meta(), o.etag)
	err = r.readConditions("").check(names, o.modified)
	if errors.Is(err, errNotModified) {
		h.Set("ETag", names[0])
		h.Set("Last-Modified", o.modified.UTC().Format(httpTime))
		r.showVersion(o.version)
		r.http.SetStatusCode(304)
		return part, true, nil
	}
	if err != nil {
		return part, false, err
	}
	part, ranged := byteRange{0, size}, false
	if _, ok := r.query.get("partNumber"); ok {
		if part, err = s.numberedPart(r, o); err != nil {
			return part, false, err
		}
		ranged = part.n > 0 // no Content-Range can say "nothing"
	} else if r.hasHeader("range") && (!r.hasHeader("if-range") || slices.Contains(names, r.header("If-Range"))) {
		var asked byteRange
		if asked, ranged, err = parseRange(r.header("Range"), size); err != nil {
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
			return part, false, err
		}
		if ranged {
			part = asked
		}
	}
	if err := s.tellLocks(r.ctx, o); err != nil {
		return part, false, err
	}
	r.describe(o, names[0])
	if ranged {
		h.Set("Content-Range", part.contentRange(size))
		r.http.SetStatusCode(206)
	}
	return part, false, nil
}

// wantsChecksum says whether the answer is to show the object's checksum. A presigned
// request says so in its query.
func (r *request) wantsChecksum() bool {
	v := r.header(checksumMode)
	for _, name := range []string{checksumMode, checksumModeParam} {
		if asked, ok := r.query.get(name); ok {
			v = asked
		}
	}
	return strings.EqualFold(v, "ENABLED")
}

// describe writes the headers every read of an object carries.
func (r *request) describe(o *stored, etag string) {
	h := &r.http.Response.Header
	meta := o.meta()
	_, numbered := r.query.get("partNumber")
	if meta.ContentType == "" && format.FolderKey(o.key) && o.plainSize() == 0 {
		meta.ContentType = folderContentType
	}
	writeMeta(h, meta)
	if c, ok := openChecksum(meta); ok && (!numbered || o.multi == nil) && !r.hasHeader("range") && r.wantsChecksum() {
		r.showChecksum(c)
	}
	h.Set("ETag", etag)
	h.Set("Last-Modified", o.modified.UTC().Format(httpTime))
	h.Set("Accept-Ranges", "bytes")
	for _, x := range [...]struct{ name, value string }{
		{"x-amz-storage-class", o.kept.StorageClass}, {"x-amz-restore", o.restore}, {"x-amz-object-lock-mode", o.kept.LockMode},
		{"x-amz-object-lock-retain-until-date", o.kept.RetainUntil}, {"x-amz-object-lock-legal-hold", o.kept.LegalHold},
	} {
		if x.value != "" {
			h.Set(x.name, x.value)
		}
	}
	r.showVersion(o.version)
	if o.tags > 0 {
		h.Set("x-amz-tagging-count", strconv.Itoa(o.tags))
	}
	for _, p := range r.query { // what a signed request wants shown instead
		name, ok := strings.CutPrefix(p.name, "response-")
		if !ok {
			continue
		}
		for _, k := range kept {
			if name == strings.ToLower(k.name) {
				h.Set(k.name, p.value)
			}
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
		r.resetAnswer() // nothing of a round before
		err := s.getOnce(r)
		if !errors.Is(err, errChanged) {
			return err
		}
	}
	return errKeepsChanging()
}

func errKeepsChanging() error {
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
	if _, ok := r.query.get("partNumber"); ok {
		behind = 0
	}
	version, err := r.version()
	if err != nil {
		return err
	}
	o, err := s.openObject(r.ctx, r.bucket, r.key, version, behind)
	if err != nil {
		return err
	}
	part, done, err := s.begin(r, o)
	if done || err != nil {
		o.close()
		return err
	}
	if err := s.admitTurn(r, part.n); err != nil {
		o.close()
		return err
	}
	body, err := s.openPlain(r.ctx, o, part, behind, r.turn)
	if err != nil {
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
