package server

import (
	"context"
	"errors"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/reblock"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// tailCopy copies a multipart object: the backend moves all of it but the tail,
// which is made anew for the destination (SPEC.md section 13).
type tailCopy struct {
	*copying
	ring     format.Ring // seals for the destination
	from, to format.Context
	source   *stored // its block is the object's first bytes
	dst      *bucket
}

// copySpan is how much one part of such a copy moves; S3 allows 5 GiB.
const copySpan = 1 << 30

func (c *tailCopy) run() (made backend.Written, err error) {
	if c.source.etag == "" {
		return made, s3err.New(s3err.ServiceUnavailable, "the backend gave the source no ETag, so its parts cannot be bound together")
	}
	length := int64(len(c.source.block))
	body := c.source.size - length
	if body < minPart {
		return made, format.ErrUnsupported
	}
	tail, err := c.s.readBound(c.r.ctx, c.source, body, length)
	if err != nil {
		return made, changedSource(err)
	}
	fresh, err := format.ReblockTail(c.ring, c.from, c.to, c.source.block[:partHeader], tail, c.source.size,
		c.change, c.dst.blockSize)
	if err != nil {
		return made, err
	}
	if err := c.held(c.source.etag, c.source.modified); err != nil {
		return made, err
	}
	id, err := c.s.backend.CreateUploadWith(c.r.ctx, c.r.bucket, c.r.key, c.with)
	if err != nil {
		return made, err
	}
	if made, err = c.move(c.r.ctx, id, body, fresh); err != nil {
		c.s.abortUpload(c.r, id)
		return made, changedSource(err)
	}
	return made, nil
}

// move makes the object out of the source's first bytes and the fresh tail.
func (c *tailCopy) move(ctx context.Context, id string, body int64, tail []byte) (made backend.Written, err error) {
	from := backend.CopySource{Bucket: c.source.bucket, Key: c.source.key, Version: c.source.version, IfMatch: c.source.etag}
	var parts []backend.Part
	for at := int64(0); at < body; {
		end := min(at+copySpan, body)
		if body-end < minPart {
			end = body // no crumb behind the last cut
		}
		n := len(parts) + 1
		tag, err := c.s.backend.CopyPart(ctx, c.r.bucket, c.r.key, id, n, from, backend.Range{First: at, Last: end - 1})
		if backendKind(err) == backend.Precondition {
			return made, errChanged
		}
		if err != nil {
			return made, err
		}
		parts = append(parts, backend.Part{N: n, ETag: tag})
		at = end
	}
	n := len(parts) + 1
	tag, err := c.s.backend.UploadPart(ctx, c.r.bucket, c.r.key, id, n, newBytesReader(tail), int64(len(tail)))
	if err != nil {
		return made, err
	}
	if err := reblock.Unchanged(ctx, c.s.backend, from, c.source.size); errors.Is(err, reblock.ErrSourceChanged) {
		return made, errChanged
	} else if err != nil {
		return made, err
	}
	return c.dst.CompleteUpload(ctx, c.r.bucket, c.r.key, id, append(parts, backend.Part{N: n, ETag: tag}), backend.Conditions{IfNoneMatch: c.r.createsOnly()})
}

// changedSource says what a client may do about a source that was replaced.
func changedSource(err error) error {
	if errors.Is(err, errChanged) {
		return s3err.Wrap(s3err.ServiceUnavailable, err, "the source changed while it was copied; try again")
	}
	return err
}
