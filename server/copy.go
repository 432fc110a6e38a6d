package server

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

type copyResult struct {
	XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyObjectResult"`
	ETag         string   `xml:"ETag"`
	LastModified string   `xml:"LastModified"`
}

// copyObject gives an object a second name: a new block for the destination,
// the sealed body moved as it is. So a chunk that no longer opens can still be
// renamed out of the way, and is refused under its new name too.
func (s *Server) copyObject(r *request) error {
	if err := r.refuseHeaders("x-amz-copy-source-*", "if-match", "if-none-match", "x-amz-tagging-directive", "x-amz-tagging", "x-amz-acl", "x-amz-grant-*",
		"x-amz-server-side-encryption*", "x-amz-storage-class", "x-amz-object-lock-*", "x-amz-checksum-*"); err != nil {
		return err
	}
	srcBucket, srcKey, err := copySource(r.header("x-amz-copy-source"))
	if err != nil {
		return err
	}
	if err := s.scope(srcBucket, srcKey); err != nil {
		return err
	}
	change, err := r.copyDirective(srcBucket, srcKey)
	if err != nil {
		return err
	}
	c := &copying{s: s, r: r, srcBucket: srcBucket, srcKey: srcKey, change: change}
	etag, err := c.run()
	if err != nil {
		return err
	}
	return r.answerXML(copyResult{ETag: clientETag(etag), LastModified: s.now().UTC().Format(xmlTime)})
}

// copySource decodes [/]bucket/key, percent-encoded once; some clients encode
// the slash behind the bucket too.
func copySource(v string) (bucket, key string, err error) {
	path, _, versioned := strings.Cut(v, "?")
	if versioned {
		return "", "", s3err.New(s3err.NotImplemented, "copying a version is not implemented")
	}
	plain, err := unescape(path, false)
	if err != nil {
		return "", "", s3err.Wrap(s3err.InvalidArgument, err, "x-amz-copy-source is malformed")
	}
	bucket, key, _ = strings.Cut(strings.TrimPrefix(plain, "/"), "/")
	if bucket == "" || key == "" || len(key) > maxKeyBytes {
		return "", "", s3err.New(s3err.InvalidArgument, "x-amz-copy-source must name a bucket and a key")
	}
	return bucket, key, nil
}

// copyDirective says what becomes of the metadata.
func (r *request) copyDirective(srcBucket, srcKey string) (func(*format.Meta), error) {
	switch d := r.header("x-amz-metadata-directive"); d {
	case "", "COPY":
		if srcBucket == r.bucket && srcKey == r.key {
			return nil, s3err.New(s3err.InvalidRequest, "copying an object onto itself needs the metadata directive REPLACE")
		}
		return func(*format.Meta) {}, nil
	case "REPLACE":
		fresh, err := metaFromHeaders(&r.http.Request.Header)
		if err != nil {
			return nil, err
		}
		return func(m *format.Meta) {
			for _, k := range kept {
				*k.field(m) = *k.field(&fresh)
			}
			m.User = fresh.User
		}, nil
	default:
		return nil, s3err.New(s3err.InvalidArgument, "x-amz-metadata-directive must be COPY or REPLACE")
	}
}

// copying is one copy in progress.
type copying struct {
	s                 *Server
	r                 *request
	srcBucket, srcKey string
	change            func(*format.Meta)
}

func (c *copying) run() (etag string, err error) {
	ring, src, err := c.s.access(c.r.ctx, c.srcBucket)
	if err != nil {
		return "", err
	}
	if src.fresh {
		return "", s3err.New(s3err.NoSuchKey, "the source key does not exist")
	}
	dst, err := c.s.gate.open(c.r.ctx, ring, c.r.bucket, true)
	if err != nil {
		return "", err
	}
	from, err := where(src, c.srcKey)
	if err != nil {
		return "", err
	}
	to, err := where(dst, c.r.key)
	if err != nil {
		return "", err
	}
	obj, err := c.s.backend.Get(c.r.ctx, c.srcBucket, c.srcKey, backend.GetOptions{})
	if err != nil {
		return "", err
	}
	defer obj.Body.Close()
	block := make([]byte, src.blockSize)
	if _, ok := format.PlainSize(src.blockSize, obj.Size); !ok {
		return "", fmt.Errorf("%w: no sealed object has %d bytes", format.ErrForeign, obj.Size)
	}
	if _, err := io.ReadFull(obj.Body, block); err != nil {
		return "", err
	}
	now := c.s.now()
	fresh, err := format.Reblock(ring, from, to, block, obj.Size, func(m *format.Meta) { c.change(m); m.WrittenAt = now }, dst.blockSize)
	if err != nil {
		return "", err
	}
	rest := obj.Size - int64(src.blockSize)
	if obj.Size <= wholeCopy {
		return c.whole(obj.Body, rest, fresh)
	}
	return c.parts(obj, int64(src.blockSize), fresh)
}

// whole moves a small object through memory, so that the PUT can be sent again.
func (c *copying) whole(body io.Reader, length int64, block []byte) (string, error) {
	res, err := c.s.engine.Reserve(c.r.ctx, length)
	if err != nil {
		return "", err
	}
	defer res.Release()
	sealed := make([]byte, int64(len(block))+length)
	copy(sealed, block)
	if _, err := io.ReadFull(body, sealed[len(block):]); err != nil {
		return "", err
	}
	return c.s.backend.Put(c.r.ctx, c.r.bucket, c.r.key, bytes.NewReader(sealed), int64(len(sealed)), backend.Conditions{})
}

// copyPart is how much one server-side part moves; S3 allows 5 GiB.
const copyPart = 1 << 30

// parts lets the backend move a large object: part 1 is the new block and the
// first bytes of the body, the rest is copied where it lies. Every piece is
// bound to the ETag the block was read under.
func (c *copying) parts(obj *backend.Object, offset int64, block []byte) (etag string, err error) {
	if obj.ETag == "" {
		return "", s3err.New(s3err.ServiceUnavailable, "the backend gave the source no ETag, so its parts cannot be bound together")
	}
	res, err := c.s.engine.Reserve(c.r.ctx, minPart)
	if err != nil {
		return "", err
	}
	defer res.Release()
	first := make([]byte, len(block)+minPart)
	copy(first, block)
	if _, err := io.ReadFull(obj.Body, first[len(block):]); err != nil {
		return "", err
	}
	obj.Body.Close()

	id, err := c.s.backend.CreateUpload(c.r.ctx, c.r.bucket, c.r.key)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			c.s.abortUpload(c.r, id)
		}
	}()
	tag, err := c.s.backend.UploadPart(c.r.ctx, c.r.bucket, c.r.key, id, 1, bytes.NewReader(first), int64(len(first)))
	if err != nil {
		return "", err
	}
	parts := []backend.Part{{N: 1, ETag: tag}}
	for at := offset + minPart; at < obj.Size; {
		end := min(at+copyPart, obj.Size)
		if obj.Size-end < minPart {
			end = obj.Size // no crumb behind the last cut
		}
		n := len(parts) + 1
		tag, err := c.s.backend.CopyPart(c.r.ctx, c.r.bucket, c.r.key, id, n, c.srcBucket, c.srcKey, backend.Range{First: at, Last: end - 1}, obj.ETag)
		if backendKind(err) == backend.Precondition {
			return "", s3err.Wrap(s3err.ServiceUnavailable, err, "the source changed while it was copied; try again")
		}
		if err != nil {
			return "", err
		}
		parts = append(parts, backend.Part{N: n, ETag: tag})
		at = end
	}
	return c.s.backend.CompleteUpload(c.r.ctx, c.r.bucket, c.r.key, id, parts, backend.Conditions{})
}
