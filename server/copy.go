package server

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/reblock"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

type copyResult struct {
	XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyObjectResult"`
	ETag         string   `xml:"ETag"`
	LastModified string   `xml:"LastModified"`
	checksumXML
}

// copyObject gives an object a second name: a new block for the destination,
// the sealed body moved as it is. So a chunk that no longer opens can still be
// renamed out of the way, and is refused under its new name too.
func (s *Server) copyObject(r *request) error {
	if err := r.refuseHeaders(unsealable...); err != nil {
		return err
	}
	if err := r.refuseHeaders("if-match", "if-none-match", "x-amz-copy-source-server-side-encryption*", "x-amz-copy-source-range"); err != nil {
		return err
	}
	c := &copying{s: s, r: r, conditions: r.readConditions("x-amz-copy-source-")}
	var err error
	if c.source, err = copySource(r.header("x-amz-copy-source")); err != nil {
		return err
	}
	if err := s.scope(r, toRead, c.source.Bucket, c.source.Key); err != nil {
		return err
	}
	if err := c.directives(); err != nil {
		return err
	}
	if err := s.admitSource(r.ctx, c.source.Bucket, c.source.Key); err != nil {
		return err
	}
	made, err := c.run()
	if errors.Is(err, errNotModified) {
		return r.notModified()
	}
	if err != nil {
		return writeRefusal(err, c.with)
	}
	r.showVersion(made.Version)
	r.showSourceVersion(c.version)
	s.keepETag(c.to, r.key, c.copied, made.ETag)
	out := copyResult{ETag: s.etagOf(c.copied, made.ETag), LastModified: s.now().UTC().Format(xmlTime)}
	if sum, ok := openChecksum(c.copied); ok {
		out.checksumXML = sum.inXML()
	}
	return r.answerXML(out)
}

// showSourceVersion tells the client which version was copied.
func (r *request) showSourceVersion(id string) {
	if id != "" {
		r.http.Response.Header.Set("x-amz-copy-source-version-id", id)
	}
}

// copySource decodes [/]bucket/key[?versionId=id], percent-encoded once; some clients
// encode the slash behind the bucket too.
func copySource(v string) (from backend.CopySource, err error) {
	path, version, versioned := strings.Cut(v, "?versionId=")
	plain, err := decodeSource(path)
	if err != nil {
		return from, err
	}
	if from.Version, err = decodeSource(version); err != nil {
		return from, err
	}
	if versioned && version == "" {
		return from, s3err.Argument("x-amz-copy-source", v, "Version id cannot be the empty string")
	}
	from.Bucket, from.Key, _ = strings.Cut(strings.TrimPrefix(plain, "/"), "/")
	if !bucketNameOK(from.Bucket) || net.ParseIP(from.Bucket) != nil {
		return from, s3err.Argument("x-amz-copy-source", v, "Invalid copy source bucket name")
	}
	if from.Key == "" || len(from.Key) > maxKeyBytes {
		return from, s3err.Argument("x-amz-copy-source", v, "Invalid copy source object key")
	}
	return from, nil
}

// decodeSource decodes %XX once. A header, unlike a target, may hold any visible byte.
func decodeSource(v string) (string, error) {
	plain, err := url.PathUnescape(v)
	if err != nil || !utf8.ValidString(plain) || strings.ContainsRune(plain, 0) {
		return "", s3err.Argument("x-amz-copy-source", v, "Invalid copy source encoding")
	}
	return plain, nil
}

// copying is one copy in progress.
type copying struct {
	s          *Server
	r          *request
	source     backend.CopySource // as the client names it
	conditions preconditions
	with       backend.Attributes
	tags       bool      // the source's, too
	checksum   *checksum // to be computed, if the source has another
	replace    *format.Meta
	redirect   string // of the copy: the source's never is

	version string      // of the source, as the backend calls it
	sum     []byte      // of the source, sealed form, if checksum asked for it
	copied  format.Meta // of the copy
	to      format.BucketID
	origin  format.Meta // of the source, known once its block was opened
}

// directives reads what becomes of metadata, tags and checksum.
func (c *copying) directives() error {
	r := c.r
	var err error
	if c.with, err = r.attributes(c.s.now()); err != nil {
		return err
	}
	fresh, err := metaFromHeaders(&r.http.Request.Header)
	if err != nil {
		return err
	}
	c.redirect = fresh.WebsiteRedirect
	switch d := r.header("x-amz-metadata-directive"); d {
	case "", "COPY":
	case "REPLACE":
		c.replace = &fresh
	default:
		return s3err.Argument("x-amz-metadata-directive", d, "Unknown metadata directive.")
	}
	switch d := r.header("x-amz-tagging-directive"); d {
	case "", "COPY":
		c.tags, c.with.Tagging = true, ""
	case "REPLACE":
	default:
		return s3err.Argument("x-amz-tagging-directive", d, "Unknown tagging directive.")
	}
	if name := r.header(checksumPrefix + "algorithm"); name != "" {
		if c.checksum = checksumByName(name); c.checksum == nil {
			return errChecksumAlgorithm()
		}
	}
	if c.source.Bucket == r.bucket && c.source.Key == r.key && c.source.Version == "" && c.replace == nil && c.checksum == nil && c.with.StorageClass == "" && c.redirect == "" {
		return s3err.New(s3err.InvalidRequest, "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	return nil
}

// change makes the copy's metadata of the source's.
func (c *copying) change(m *format.Meta) {
	c.origin = *m
	if c.replace != nil {
		for _, k := range kept {
			*k.field(m) = *k.field(c.replace)
		}
		m.User = c.replace.User
	}
	m.WebsiteRedirect = c.redirect
	if c.sum != nil {
		m.Checksum = c.sum
	}
	m.WrittenAt = c.s.now()
	c.copied = *m
}

func (c *copying) run() (made backend.Written, err error) {
	ring, src, err := c.s.access(c.r.ctx, c.source.Bucket)
	if err != nil {
		return made, err
	}
	if src.fresh {
		return made, versionFault(errNothing, c.source.Key, c.source.Version)
	}
	dst, err := c.s.gate.open(c.r.ctx, ring, c.r.bucket, true)
	if err != nil {
		return made, err
	}
	c.to = dst.id
	from, err := where(src, c.source.Key)
	if err != nil {
		return made, err
	}
	to, err := where(dst, c.r.key)
	if err != nil {
		return made, err
	}
	bound, err := c.prepare()
	if err != nil {
		return made, err
	}
	obj, err := c.s.backend.Get(c.r.ctx, c.source.Bucket, c.source.Key, backend.GetOptions{Version: c.source.Version})
	if err != nil {
		return made, sourceFault(err, c.source)
	}
	defer obj.Body.Close()
	c.version = obj.Version
	if bound != "" && obj.ETag != bound {
		return made, changedSource(errChanged)
	}
	if obj.Size == 0 {
		made, err := c.copyFolder(ring, dst, from, to, obj)
		return made, src.judge(c.r.ctx, err)
	}
	block := make([]byte, src.blockSize)
	if _, ok := format.PlainSize(src.blockSize, obj.Size); !ok {
		return made, fmt.Errorf("%w: no sealed object has %d bytes", format.ErrForeign, obj.Size)
	}
	if _, err := io.ReadFull(obj.Body, block); err != nil {
		return made, err
	}
	if err := paddedAlike(block, dst); err != nil {
		return made, err
	}
	if isMultipart(block) {
		obj.Body.Close()
		source := &stored{bucket: c.source.Bucket, key: c.source.Key, version: c.source.Version, named: c.source.Version != "", etag: obj.ETag, modified: obj.LastModified, size: obj.Size, block: block}
		return (&tailCopy{c, dst.sealing(ring), from, to, source, dst}).run()
	}
	fresh, err := format.Reblock(dst.sealing(ring), from, to, block, obj.Size, c.change, dst.blockSize)
	if err != nil {
		return made, err
	}
	if err := c.held(obj.ETag, obj.LastModified); err != nil {
		return made, err
	}
	made, err = c.s.mover(c.r, dst).Move(c.r.ctx,
		reblock.Source{Bucket: c.source.Bucket, Key: c.source.Key, Version: c.source.Version, Size: obj.Size, BlockSize: src.blockSize, ETag: obj.ETag, Body: obj.Body},
		reblock.Destination{Bucket: c.r.bucket, Key: c.r.key, Block: fresh, Cond: backend.Conditions{IfNoneMatch: c.r.createsOnly(), Attributes: c.with}})
	switch {
	case errors.Is(err, reblock.ErrSourceChanged):
		return made, s3err.Wrap(s3err.ServiceUnavailable, err, "the source changed while it was copied; try again")
	case errors.Is(err, reblock.ErrNoETag):
		return made, s3err.Wrap(s3err.ServiceUnavailable, err, "the backend gave the source no ETag, so its parts cannot be bound together")
	}
	return made, err
}

// sourceFault is versionFault for the source of a copy, which a delete marker cannot be.
func sourceFault(err error, from backend.CopySource) error {
	var e *backend.Error
	if from.Version != "" && errors.As(err, &e) && e.Kind != backend.NotFound && e.Marker != nil {
		return s3err.Wrap(s3err.InvalidRequest, err, "The source of a copy request may not specifically refer to a delete marker by version id.")
	}
	return versionFault(err, from.Key, from.Version)
}

// held applies the conditions.
func (c *copying) held(etag string, modified time.Time) error {
	return c.conditions.check(c.s.namesOf(c.origin, etag), modified)
}

// notModified answers a copy whose source is what the client has already, as it asked: 304,
// as for a read, and nothing was copied.
func (r *request) notModified() error {
	r.resetAnswer()
	r.http.SetStatusCode(304)
	return nil
}

// mover moves bodies into a bucket on behalf of a request, within the engine's budget.
func (s *Server) mover(r *request, into *bucket) *reblock.Mover {
	m, err := reblock.New(reblock.Config{
		Store: s.into(into),
		Whole: wholeCopy,
		Hint:  s.blockHint,
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
