package server

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// etagReads is how many blocks are read at once for listings, of all clients together.
const etagReads = 32

// listedETag is an object in a listing.
type listedETag struct {
	key, version string          // no version: the current one
	backend      string          // the backend's ETag
	empty        bool            // as stored: its ETag is that of any other such object
	shown        *string         // has the opaque form
	checksum     *listedChecksum // is empty
}

// listedChecksum says which checksum a listed object has.
type listedChecksum struct {
	Algorithm string `xml:"ChecksumAlgorithm,omitempty"`
	Kind      string `xml:"ChecksumType,omitempty"`
}

// show fills in what an object's block says.
func (s *Server) show(e *listedETag, c cachedETag) {
	*e.shown = s.etagOf(c.meta(), e.backend)
	if sum := checksumByCode(c.algorithm); sum != nil {
		*e.checksum = listedChecksum{sum.name, kindNames[c.kind]}
	}
}

// showETags turns the opaque ETags of listed objects into those that every other verb
// shows, and tells which checksums they have: from the cache, or by opening the object's block, which is one request to the
// backend (two for an object in parts). Nothing is asked in the opaque mode. An object
// that cannot be opened, or was replaced meanwhile, keeps the opaque form; a backend
// that fails makes the listing fail.
func (s *Server) showETags(r *request, listed func() []listedETag) error {
	if s.etagMode != ETagMD5 {
		return nil
	}
	list := listed()
	if len(list) == 0 {
		return nil
	}
	_, b, err := s.access(r.ctx, r.bucket)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(r.ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range list {
		e := &list[i]
		k := etagKeyOf(b.id, e.key, e.backend)
		if c, ok := s.etags.get(k); ok && !e.empty {
			s.metrics.etagsCached.Inc()
			s.show(e, c)
			continue
		}
		select {
		case s.etagReads <- struct{}{}:
		case <-ctx.Done():
			wg.Wait()
			return context.Cause(ctx)
		}
		wg.Go(func() {
			defer func() { <-s.etagReads }()
			s.metrics.etagsRead.Inc()
			m, err := s.readETag(ctx, r.bucket, e)
			if err != nil {
				cancel(err)
				return
			}
			if m != nil {
				c := cached(*m)
				if !e.empty {
					s.etags.put(k, c)
				}
				s.show(e, c)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// readETag opens a listed object's block. nil: what is listed has no other ETag than
// the opaque one, or is gone.
func (s *Server) readETag(ctx context.Context, bucketName string, e *listedETag) (*format.Meta, error) {
	o, err := s.openHead(ctx, bucketName, e.key, e.version)
	switch {
	case unreadable(err):
		return &format.Meta{}, nil // for as long as these bytes stand there
	case errors.Is(err, format.ErrKeyUnknown), errors.Is(err, format.ErrVersion), errors.Is(err, format.ErrUnsupported), errors.Is(err, errChanged),
		backendKind(err) == backend.NotFound, backendCode(err) == "InvalidObjectState":
		return nil, nil
	case err != nil:
		return nil, err
	}
	if strings.Trim(o.etag, `"`) != strings.Trim(e.backend, `"`) {
		return nil, nil
	}
	m := o.meta()
	return &m, nil
}

// keepETag remembers an object that was just stored, for listings.
func (s *Server) keepETag(id format.BucketID, key string, m format.Meta, etag string) {
	if s.etagMode == ETagMD5 && etag != "" {
		s.etags.put(etagKeyOf(id, key, etag), cached(m))
	}
}
