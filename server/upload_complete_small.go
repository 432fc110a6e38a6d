package server

import (
	"bytes"
	"fmt"
	"io"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// An upload whose only part is smaller than a part may be becomes a stream object.

// openStaged opens the stored bytes of the last part, that very attempt, and proves
// its header.
func (c *completing) openStaged() (io.ReadCloser, error) {
	staged := c.plan.Staged
	key, etag := c.LastKey(staged.Number), `"`+staged.Backend+`"`
	obj, err := c.s.backend.Get(c.ctx, c.target.bucket, key, backend.GetOptions{IfMatch: etag})
	switch kind := backendKind(err); {
	case kind == backend.Precondition || kind == backend.NotFound:
		return nil, errStagedGone
	case err != nil:
		return nil, err
	}
	body := &resuming{ctx: c.ctx, from: c.s.backend, bucket: c.target.bucket, key: key, etag: etag, body: obj.Body, end: obj.Length}
	if obj.ETag != etag {
		body.Close()
		return nil, errStagedGone
	}
	head := make([]byte, partHeader)
	opener, err := c.OpenPart(*staged)
	switch {
	case err != nil:
	case obj.Size != staged.SealedSize():
		err = fmt.Errorf("cannot read the staged part: %w: it has %d bytes", format.ErrIntegrity, obj.Size)
	default:
		if _, err = io.ReadFull(body, head); err == nil {
			err = opener.CheckHead(head)
		}
	}
	if err != nil {
		body.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), body), body}, nil
}

// asStream makes a stream object of an upload whose only part is smaller than a
// part may be.
func (c *completing) asStream(meta format.Meta) (made backend.Written, err error) {
	body, err := c.openStaged()
	if err != nil {
		return made, err
	}
	defer body.Close()
	plain := c.plan.PlainSize()
	sealed := c.plan.Staged.SealedSize()
	res, err := c.s.engine.Reserve(c.ctx, 2*sealed+int64(c.bucket.blockSize))
	if err != nil {
		return made, err
	}
	defer res.Release()
	part := make([]byte, sealed)
	defer clear(part)
	if _, err := io.ReadFull(body, part); err != nil {
		return made, fmt.Errorf("cannot read the staged part: %w", err)
	}
	opener, err := c.OpenPart(*c.plan.Staged)
	if err != nil {
		return made, err
	}
	slots := part[partHeader:]
	if err := segmentOpener(opener).OpenInPlace(slots, 0); err != nil {
		return made, err
	}
	sealer, err := c.plan.StreamSealer(c.sealing, meta, c.bucket.blockSize)
	if err != nil {
		return made, err
	}
	// The opened segments lie where sealing wants them.
	segmentSealer(sealer).SealInPlace(slots, int(plain), 0)
	object := append(append(make([]byte, 0, sealer.SealedSize()), sealer.Block()...), slots...)
	if c.last, err = c.s.backend.UploadPart(c.ctx, c.target.bucket, c.key, c.BackendID(), c.final, newBytesReader(object), int64(len(object))); err != nil {
		return made, err
	}
	return c.commit([]backend.Part{{N: c.final, ETag: c.last}}, object)
}
