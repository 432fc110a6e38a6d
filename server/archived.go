package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// An archived object (S3 Glacier and its like) cannot be read until it is restored, and
// so its block cannot be opened. What S3 still tells of it is what the backend tells of
// it by HEAD: it is not proved, and nothing is made of it but the answer. A block that
// was stored as user metadata, too, is opened as any block is, and its metadata proved.

// archived is what is known of an object whose block cannot be read.
type archived struct {
	size int64 // plain: by arithmetic from the stored size, or what the hint says
	meta format.Meta
}

// isArchived says whether the backend refused to read an object because of its class.
func isArchived(err error) bool {
	var e *backend.Error
	return errors.As(err, &e) && e.Status == http.StatusForbidden && e.Code == string(s3err.InvalidObjectState)
}

// confirmArchived is confirm for an object that the backend lets nobody read. What there
// is to find is the object that the backend told of, and its size; the parts of which it
// was made the backend has compared itself, by the ETags that it gave them.
func (c *completing) confirmArchived(made backend.Written, size int64) error {
	version := pin(made.Version)
	obj, err := c.s.backend.HeadVersion(c.ctx, c.target.bucket, c.key, version)
	if backendKind(err) == backend.Denied && version != "" { // it may grant what is current alone
		obj, err = c.s.backend.HeadVersion(c.ctx, c.target.bucket, c.key, "")
	}
	switch {
	case backendKind(err) == backend.NotFound:
		return s3err.Wrap(s3err.ServiceUnavailable, err, "the object was removed as soon as it was complete")
	case err != nil:
		return err
	case obj.ETag != made.ETag:
		return errOvertaken
	case obj.Size != size:
		return fmt.Errorf("cannot confirm the object: %w: it has %d bytes, not %d", format.ErrIntegrity, obj.Size, size)
	}
	return nil
}

// openKnown is openHead for an answer about an object that may be archived.
func (s *Server) openKnown(ctx context.Context, bucketName, key, version string) (*stored, error) {
	o, err := s.openHead(ctx, bucketName, key, version)
	if !isArchived(err) {
		return o, err
	}
	why := err
	ring, b, err := s.access(ctx, bucketName)
	if err != nil {
		return nil, err
	}
	obj, err := s.backend.HeadVersion(ctx, bucketName, key, version)
	if err != nil {
		return nil, versionFault(err, key, version)
	}
	o = storedAs(bucketName, key, version, obj)
	o.headed = true
	plain, ok := format.PlainSize(b.blockSize, obj.Size)
	if !ok {
		return o, fmt.Errorf("%w: no sealed object has %d bytes", format.ErrForeign, obj.Size)
	}
	o.archived = &archived{size: plain}
	if obj.Hint == nil || len(obj.Hint) != b.blockSize {
		if b.padded {
			return nil, why // without its block, what is stored does not tell the size
		}
		return o, nil // none, or of a bucket with blocks of another size
	}
	at, err := where(b, key)
	if err != nil {
		return nil, err
	}
	opener, err := format.OpenBlock(ring, at, obj.Hint, obj.Size)
	if err != nil {
		return o, b.judge(ctx, err)
	}
	o.archived.size, o.archived.meta = opener.PlainSize(), opener.Meta()
	return o, nil
}
