package server

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// Locks of objects are the backend's, and so is what it tells of them to readers. Amazon
// S3 and MinIO tell it with every read; versitygw by HEAD alone, and what clients ask by
// HEAD is read with the block, by GET. So where a bucket has object lock, and the backend
// was not seen to tell locks by GET, a reader's answer takes a HEAD of the object more.

// How long an answer about a bucket is gone by: object lock can be enabled, by somebody
// else too, and never disabled, but the bucket may be made anew.
const (
	lockedTTL   = time.Hour
	unlockedTTL = time.Minute
	unknownTTL  = 5 * time.Second // a backend that could not say; its objects are asked
	// lockTime bounds the question.
	lockTime = 3 * time.Second
	// maxLockable bounds the buckets that are remembered.
	maxLockable = 1024
)

// lockCache remembers which buckets have object lock. Safe for concurrent use.
type lockCache struct {
	backend store
	now     func() time.Time
	flights singleflight.Group
	told    atomic.Bool // the backend tells locks by GET, as was seen

	mu      sync.Mutex
	known   map[string]lockable
	changes int // calls of forget: what was asked before one is not kept
}

// lockable is whether a bucket's objects may have locks, and until when that counts.
type lockable struct {
	locked bool
	until  time.Time
}

func newLockCache(from store, now func() time.Time) *lockCache {
	return &lockCache{backend: from, now: now, known: map[string]lockable{}}
}

func (c *lockCache) forget(bucket string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	delete(c.known, bucket)
	c.flights.Forget(bucket)
}

// locked says whether objects of a bucket may have locks. Requests that ask at once
// share one call.
func (c *lockCache) locked(ctx context.Context, bucket string) (bool, error) {
	c.mu.Lock()
	known, ok := c.known[bucket]
	c.mu.Unlock()
	if ok && c.now().Before(known.until) {
		return known.locked, nil
	}
	flight := c.flights.DoChan(bucket, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockTime)
		defer cancel()
		return c.ask(ctx, bucket), nil
	})
	select {
	case r := <-flight:
		return r.Val.(bool), nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// ask asks the backend. One that refuses to say, or does not know object lock, has none
// for us; one that fails has not answered.
func (c *lockCache) ask(ctx context.Context, bucket string) bool {
	c.mu.Lock()
	before := c.changes
	c.mu.Unlock()
	reply, err := c.backend.Relay(ctx, backend.Question{Op: "GetObjectLockConfiguration", Method: http.MethodGet, Bucket: bucket, Query: url.Values{"object-lock": {""}}, Header: http.Header{}})
	is, life := false, unlockedTTL
	switch {
	case backendKind(err) == backend.NoBucket:
	case err != nil, reply.Status >= 500 && reply.Status != http.StatusNotImplemented:
		is, life = true, unknownTTL
	case reply.Code == "" && reply.Status < 300 && enablesLock(reply.Body):
		is, life = true, lockedTTL
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes == before {
		if len(c.known) >= maxLockable {
			clear(c.known) // cheaper to ask again than to choose
		}
		c.known[bucket] = lockable{is, c.now().Add(life)}
	}
	return is
}

// enablesLock reads an ObjectLockConfiguration.
func enablesLock(doc []byte) bool {
	var in struct {
		XMLName xml.Name `xml:"ObjectLockConfiguration"`
		Enabled string   `xml:"ObjectLockEnabled"`
	}
	return readXML(doc, &in) == nil && in.Enabled == "Enabled"
}

// tellLocks completes what the backend's GET told of an object with its locks.
func (s *Server) tellLocks(ctx context.Context, o *stored) error {
	switch {
	case o.headed, s.locks.told.Load():
		return nil
	case o.kept.LockMode != "" || o.kept.LegalHold != "":
		s.locks.told.Store(true)
		return nil
	}
	if is, err := s.locks.locked(ctx, o.bucket); !is || err != nil {
		return err
	}
	version := o.version
	if !o.named {
		version = pin(version)
	}
	obj, err := s.backend.HeadVersion(ctx, o.bucket, o.key, version)
	if backendKind(err) == backend.Denied && !o.named && version != "" { // it may grant what is current alone
		obj, err = s.backend.HeadVersion(ctx, o.bucket, o.key, "")
	}
	switch {
	case backendKind(err) == backend.NotFound:
		return errors.Join(errChanged, err)
	case err != nil:
		return err
	case obj.ETag != o.etag:
		return errChanged
	}
	o.kept.LockMode, o.kept.RetainUntil, o.kept.LegalHold = obj.LockMode, obj.RetainUntil, obj.LegalHold
	return nil
}

func locking(r route) route {
	r.serve = (*Server).relayLockConfiguration
	return r
}

// relayLockConfiguration passes a bucket's configuration on, which may be what enables
// its locks.
func (s *Server) relayLockConfiguration(r *request) error {
	defer s.locks.forget(r.bucket)
	return s.relay(r)
}
