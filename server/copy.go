package server

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/reblock"
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
	if isMultipart(block) {
		obj.Body.Close()
		source := &stored{bucket: c.srcBucket, key: c.srcKey, etag: obj.ETag, size: obj.Size, block: block}
		return (&tailCopy{c, dst.sealing(ring), from, to, source, dst}).run()
	}
	now := c.s.now()
	fresh, err := format.Reblock(dst.sealing(ring), from, to, block, obj.Size, func(m *format.Meta) { c.change(m); m.WrittenAt = now }, dst.blockSize)
	if err != nil {
		return "", err
	}
	etag, err = c.s.mover(c.r).Move(c.r.ctx,
		reblock.Source{Bucket: c.srcBucket, Key: c.srcKey, Size: obj.Size, BlockSize: src.blockSize, ETag: obj.ETag, Body: obj.Body},
		reblock.Destination{Bucket: c.r.bucket, Key: c.r.key, Block: fresh})
	switch {
	case errors.Is(err, reblock.ErrSourceChanged):
		return "", s3err.Wrap(s3err.ServiceUnavailable, err, "the source changed while it was copied; try again")
	case errors.Is(err, reblock.ErrNoETag):
		return "", s3err.Wrap(s3err.ServiceUnavailable, err, "the backend gave the source no ETag, so its parts cannot be bound together")
	}
	return etag, err
}

// mover moves bodies on behalf of a request, within the engine's budget.
func (s *Server) mover(r *request) *reblock.Mover {
	m, err := reblock.New(reblock.Config{
		Store: s.backend,
		Whole: wholeCopy,
		Reserve: func(ctx context.Context, n int64) (func(), error) {
			res, err := s.engine.Reserve(ctx, n)
			if err != nil {
				return nil, err
			}
			return res.Release, nil
		},
		Left: func(err error) { s.orphaned(r, err) },
	})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return m
}

// orphaned counts an upload of a copy that could not be removed.
func (s *Server) orphaned(r *request, err error) {
	s.metrics.orphans.Inc()
	r.log.Warn().Err(err).Msg("cannot abort a backend upload; its parts stay until the backend's lifecycle rule removes them")
}
