package server

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// Uploads in parts (SPEC.md section 12). Nothing of one is kept here: the upload id
// the client holds is the upload's sealed state, the ETags it gives back to complete
// it say which attempt of which part counts. Any proxy with the keys goes on with
// any upload, also after others died.
//
//	at the backend        until               holds
//	a multipart upload    Complete or Abort   sealed parts, each with its header
//	…/mpu/OID/create      the same            metadata and record, a sealed object
//	…/mpu/OID/last-N      the same            a part that can only be the last one
//	…/mpu/OID/part-N-…    the same            nothing: its name is the receipt of a part
//
// The object …/create says that the upload goes on: it is written last by Create and
// removed last. Names that begin with the reserved prefix cannot be named by clients.

// uploading is a request about an upload.
type uploading struct {
	*request
	s       *Server
	bucket  *bucket
	sealing keyring // seals under the bucket's key
	ring    uploadRing
	sums    summing
	*format.Upload

	versioned bool // the backend keeps versions of what is staged
}

// uploadRing is the keyring of uploads: it opens tokens under every key it holds,
// and begins new uploads under the bucket's.
type uploadRing struct {
	Keyring
	sealing keyring
}

// Active is the bucket's active key.
func (r uploadRing) Active() (format.KeyID, error) { return r.sealing.Active() }

type initiateResult struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
	Bucket   string   `xml:"Bucket"`
	Key      string   `xml:"Key"`
	UploadID string   `xml:"UploadId"`
}

// uploadRefused are headers of parts that ask for what we do not do.
var uploadRefused = []string{"x-amz-tagging", "x-amz-acl", "x-amz-grant-*", "x-amz-server-side-encryption*", "x-amz-storage-class",
	"x-amz-object-lock-*", "x-amz-website-redirect-location", "x-amz-write-offset-bytes", "x-amz-copy-source*", "content-range"}

// createUpload begins an upload.
func (s *Server) createUpload(r *request) error {
	if err := r.refuseHeaders(unsealable...); err != nil {
		return err
	}
	sums, err := r.summing()
	if err != nil {
		return err
	}
	with, err := r.attributes(s.now())
	if err != nil {
		return err
	}
	meta, err := metaFromHeaders(&r.http.Request.Header)
	if err != nil {
		return err
	}
	meta.WrittenAt = s.now()
	ring, err := s.keys.Ring()
	if err != nil {
		return err
	}
	b, err := s.gate.open(r.ctx, ring, r.target.bucket, true)
	if err != nil {
		return err
	}
	if b.padded {
		return errPaddedParts
	}
	whole := meta
	whole.Checksum = sums.room()
	if s.etagMode == ETagMD5 {
		whole.PartsMD5.Parts = format.MaxParts
	}
	if err := format.CheckTailMeta(whole, b.blockSize); err != nil {
		return err
	}
	at, err := where(b, r.key)
	if err != nil {
		return err
	}
	id, err := s.backend.CreateUploadWith(r.ctx, r.target.bucket, r.key, with)
	if err != nil {
		return writeRefusal(err, with)
	}
	sealing := b.sealing(ring)
	up, err := format.NewUpload(uploadRing{ring, sealing}, at, format.UploadOptions{Suite: s.suite, BackendID: id, Created: s.now(), Checksum: sums.encode()})
	if err == nil {
		err = s.stageRecord(r, b, sealing, up, meta, uploadRecord{[]byte(r.key), up.Token(), r.accessKey, with})
	}
	if err != nil {
		s.abortUpload(r, id)
		return err
	}
	if sums.checksum != nil {
		r.http.Response.Header.Set(checksumPrefix+"algorithm", sums.name)
		r.http.Response.Header.Set(checksumPrefix+"type", kindNames[sums.kind])
	}
	return r.answerXML(initiateResult{Bucket: r.target.bucket, Key: r.key, UploadID: up.Token()})
}

// openUpload opens the upload that the query names. Only its token is proved here,
// not that it goes on.
func (s *Server) openUpload(r *request) (*uploading, error) {
	ring, b, err := s.access(r.ctx, r.target.bucket)
	if err != nil {
		return nil, err
	}
	if b.fresh {
		return nil, errNoUpload
	}
	at, err := where(b, r.key)
	if err != nil {
		return nil, err
	}
	sealing := b.sealing(ring)
	u := &uploading{request: r, s: s, bucket: b, sealing: sealing, ring: uploadRing{ring, sealing}}
	token, _ := r.query.get("uploadId")
	if u.Upload, err = format.OpenUpload(u.ring, at, token); err != nil {
		return nil, uploadFault(err)
	}
	var ok bool
	if u.sums, ok = openSumming(u.Checksum()); !ok {
		return nil, fmt.Errorf("cannot go on with an upload: %w: its checksum", format.ErrUnsupported)
	}
	return u, nil
}

// errNoUpload: the upload does not exist, or not any more.
var errNoUpload = s3err.New(s3err.NoSuchUpload, "the upload does not exist; it may have been completed or aborted")

// uploadFault is what a client is told of its own tokens, numbers and lists.
func uploadFault(err error) error {
	part := ""
	var which *format.PartError
	if errors.As(err, &which) {
		if errors.Is(err, format.ErrPartNumber) && which.Number < 1 {
			return s3err.Argument("PartNumber", strconv.Itoa(which.Number), "PartNumber must be >= 1")
		}
		part = fmt.Sprintf("part %d: ", which.Number)
	}
	for _, f := range []struct {
		is   error
		code s3err.Code
		text string
	}{
		{format.ErrUpload, s3err.NoSuchUpload, "the upload id is not one of this object's"},
		{format.ErrPartList, s3err.MalformedXML, "the list names no parts, or too many"},
		{format.ErrPartNumber, s3err.InvalidArgument, "part numbers are 1 to 10,000"},
		{format.ErrPartOrder, s3err.InvalidPartOrder, "the parts are not in ascending order"},
		{format.ErrPartTooSmall, s3err.EntityTooSmall, "only the last part may have less than 5 MiB"},
		{format.ErrPart, s3err.InvalidPart, "the ETag is not that of an uploaded part with this number"},
		{format.ErrTooLarge, s3err.EntityTooLarge, "a part may have 5 GiB less 8 MiB, an object 5 TiB"},
	} {
		if errors.Is(err, f.is) {
			return s3err.Wrap(f.code, err, part+f.text)
		}
	}
	return err
}

// unknownUpload says whether the backend does not know an upload.
func unknownUpload(err error) bool { return backendCode(err) == "NoSuchUpload" }

// backendCode is the S3 code of a backend's refusal, or "".
func backendCode(err error) string {
	var e *backend.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// staged reads what Create put aside: errNoUpload once the upload is over.
func (u *uploading) staged() (format.Meta, uploadRecord, error) {
	meta, record, err := u.s.readRecord(u.ctx, u.route.op, u.target.bucket, u.CreateKey())
	if backendKind(err) == backend.NotFound {
		err = errNoUpload
	}
	return meta, record, err
}

// goesOn asks whether the upload was neither completed nor aborted.
func (u *uploading) goesOn() error {
	o, err := u.s.backend.Head(u.ctx, u.target.bucket, u.CreateKey())
	if backendKind(err) == backend.NotFound {
		return errNoUpload
	}
	if err == nil {
		u.versioned = o.Version != ""
	}
	return err
}

// abortMultipart ends an upload and removes all that belongs to it.
func (s *Server) abortMultipart(r *request) error {
	u, err := s.openUpload(r)
	if err != nil {
		return err
	}
	if err := u.initiatedAsGiven(); err != nil {
		return err
	}
	gone := u.goesOn()
	if gone != nil && gone != errNoUpload {
		return gone
	}
	if gone == nil {
		if err := s.backend.AbortUpload(r.ctx, r.target.bucket, r.key, u.BackendID()); err != nil {
			return err
		}
	}
	if err := u.unstage(r.ctx); err != nil {
		return err // the client may ask again
	}
	if gone != nil {
		return gone // and what an end that was cut had left is removed too
	}
	r.http.SetStatusCode(204)
	return nil
}

// initiatedAsGiven holds an Abort to the time that its upload must have been begun at,
// to the second, as ListMultipartUploads tells it. As in S3's other conditions, a time
// that is still to come is none.
func (u *uploading) initiatedAsGiven() error {
	const name = "x-amz-if-match-initiated-time"
	if !u.hasHeader(name) {
		return nil
	}
	given, ok := parseHTTPTime(u.header(name))
	if !ok {
		return s3err.Argument(name, u.header(name), "The time must have the form of HTTP dates.")
	}
	if given.After(u.s.now()) || given.Unix() == u.Created().Unix() {
		return nil
	}
	return s3err.New(s3err.PreconditionFailed, "the upload was not initiated at this time")
}

// unstage removes what was put aside for an upload, the sign that it goes on last: an
// end that is cut may be asked for again. What a part put there meanwhile, and found
// the sign still standing, is removed behind it.
func (u *uploading) unstage(ctx context.Context) error {
	if u.versioned {
		u.purgeStaged(ctx)
	}
	if _, err := u.removeStaged(ctx); err != nil {
		return err
	}
	if err := u.unstageLast(ctx); err != nil {
		return err
	}
	late, err := u.removeStaged(ctx)
	if late && u.versioned {
		u.purgeStaged(ctx)
	}
	return err
}

// removeStaged removes all that lies beside an upload but the sign that it goes on, and
// says whether there was anything.
func (u *uploading) removeStaged(ctx context.Context) (some bool, err error) {
	opt := backend.ListOptions{Prefix: u.StagingPrefix(), MaxKeys: maxListKeys}
	for {
		page, err := u.s.backend.List(ctx, u.target.bucket, opt)
		if err != nil {
			return some, err
		}
		var keys []string
		for _, o := range page.Objects {
			if o.Key != u.CreateKey() {
				keys = append(keys, o.Key)
			}
		}
		if len(keys) > 0 {
			some = true
			results, err := u.s.backend.DeleteMany(ctx, u.target.bucket, keys)
			if err != nil {
				return some, err
			}
			for _, x := range results {
				if x.Err != nil {
					return some, x.Err
				}
			}
		}
		if !page.Truncated {
			return some, nil
		}
		opt.ContinuationToken = page.NextToken
	}
}

// unstageLast removes the sign that the upload goes on. Where versions were purged, a
// removal would leave a delete marker and nothing behind it to hide.
func (u *uploading) unstageLast(ctx context.Context) error {
	if u.versioned {
		if _, err := u.s.backend.Head(ctx, u.target.bucket, u.CreateKey()); backendKind(err) == backend.NotFound {
			return nil
		}
	}
	return u.s.backend.Delete(ctx, u.target.bucket, u.CreateKey())
}

// cleanUp is unstage behind a success: what cannot be removed is logged, and left to
// the backend's lifecycle rule. It goes on when the client has left.
func (u *uploading) cleanUp() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), abortTime)
	defer cancel()
	if err := u.unstage(ctx); err != nil {
		u.s.metrics.orphans.Inc()
		u.log.Warn().Err(err).Msg("cannot remove what was staged for an upload; it stays until the backend's lifecycle rule removes it")
	}
}
