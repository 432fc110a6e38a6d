package rewrap

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/reblock"
)

// versions are the noncurrent versions of a bucket that keeps such. They cannot be
// rewrapped: a version is never written, only another put on top of it. So they are
// under the keys that they were written under, and those keys are in use.
type versions struct {
	keys    map[string]Count // by the key id that their blocks name
	unseen  int64            // whose key nobody saw
	further Count            // that name a key beyond maxKeys
	hidden  bool             // the store does not say whether there are any
}

// clone copies v, so that it can be read while the run goes on.
func (v *versions) clone() versions {
	c := *v
	c.keys = make(map[string]Count, len(v.keys))
	for id, n := range v.keys {
		c.keys[id] = n
	}
	return c
}

// add counts a version by what its block claims.
func (v *versions) add(b block, size int64) {
	h, err := format.ParseHeader(b.block)
	switch {
	case errors.Is(err, format.ErrNotSealed):
		return // under no key
	case err != nil || h.Class == format.ClassPart:
		v.unseen++
		return
	}
	id := h.KeyID.String()
	if _, known := v.keys[id]; !known && len(v.keys) >= maxKeys {
		v.further.add(size)
		return
	}
	n := v.keys[id]
	n.add(size)
	v.keys[id] = n
}

// versions reads the block of every noncurrent version, if the bucket keeps any.
func (r *Run) versions(ctx context.Context) error {
	kept, err := r.keepsVersions(ctx)
	if err != nil || !kept {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := make(chan version)
	var workers sync.WaitGroup
	for range r.cfg.Parallel {
		workers.Go(func() {
			for v := range jobs {
				if err := r.version(ctx, v); err != nil {
					cancel(err)
				}
			}
		})
	}
	err = r.listVersions(ctx, func(v version) bool {
		if r.objects.spend(ctx, 1) != nil {
			return false
		}
		select {
		case jobs <- v:
			return true
		case <-ctx.Done():
			return false
		}
	})
	close(jobs)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// keepsVersions asks whether the bucket has, or had, versions.
func (r *Run) keepsVersions(ctx context.Context) (bool, error) {
	reply, err := r.ask(ctx, "GetBucketVersioning", "", "versioning")
	if err != nil {
		return false, fmt.Errorf("cannot tell whether bucket %s keeps versions: %w", r.cfg.Bucket, err)
	}
	var in struct {
		XMLName xml.Name
		Status  string
	}
	switch {
	case reply.Code == "NotImplemented" || reply.Code == "MethodNotAllowed":
		return false, nil
	case reply.Code == "" && decodeAspect(reply.Body, "VersioningConfiguration", &in, &in.XMLName) == nil:
		return in.Status != "", nil
	case strings.Contains(reply.Code, "VersioningNotConfigured"): // of versitygw without a place for them
		return false, nil
	}
	r.hideVersions(fmt.Errorf("cannot tell whether bucket %s keeps versions: the store answers with status %d %s", r.cfg.Bucket, reply.Status, reply.Code))
	return false, nil
}

// hideVersions notes that versions may be there that nobody can count.
func (r *Run) hideVersions(err error) {
	r.cfg.Warn(err)
	r.ledger.mu.Lock()
	r.older.hidden = true
	r.ledger.mu.Unlock()
}

// version is one noncurrent version.
type version struct {
	key, id string
	size    int64
}

// version reads which key a version is under.
func (r *Run) version(ctx context.Context, v version) error {
	b, err := r.readBlock(ctx, v.key, v.id)
	switch {
	case backend.KindOf(err) == backend.NotFound:
		return nil // removed meanwhile
	case errors.Is(err, backend.ErrRange):
		return nil // empty: under no key
	case ctx.Err() != nil:
		return ctx.Err()
	}
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	if err != nil {
		if !errors.Is(err, format.ErrUnsupported) && !errors.Is(err, reblock.ErrSourceChanged) {
			r.cfg.Warn(fmt.Errorf("cannot read a version of %q: %w", v.key, err))
		}
		r.older.unseen++
		return nil
	}
	r.older.add(b, v.size)
	return nil
}

// versionsPage is an answer to ListObjectVersions.
type versionsPage struct {
	XMLName             xml.Name
	IsTruncated         bool
	NextKeyMarker       string
	NextVersionIdMarker string
	EncodingType        string
	Versions            []struct {
		Key, VersionId string
		IsLatest       bool
		Size           int64
	} `xml:"Version"`
}

// listVersions calls each for every noncurrent version of a client's object, until it
// returns false.
func (r *Run) listVersions(ctx context.Context, each func(version) bool) error {
	q := url.Values{"versions": {""}, "encoding-type": {"url"}, "max-keys": {strconv.Itoa(pageSize)}}
	for {
		reply, err := r.cfg.Store.Relay(ctx, backend.Question{Op: "ListObjectVersions", Method: http.MethodGet, Bucket: r.cfg.Bucket, Query: q})
		if err != nil {
			return fmt.Errorf("cannot list the versions in bucket %s: %w", r.cfg.Bucket, err)
		}
		if reply.Code != "" || reply.Status >= 300 {
			r.hideVersions(fmt.Errorf("cannot list the versions in bucket %s: the store answers with status %d %s", r.cfg.Bucket, reply.Status, reply.Code))
			return nil
		}
		var page versionsPage
		if err := decodeAspect(reply.Body, "ListVersionsResult", &page, &page.XMLName); err != nil {
			return fmt.Errorf("cannot list the versions in bucket %s: %w", r.cfg.Bucket, err)
		}
		for _, v := range page.Versions {
			if page.EncodingType == "url" {
				if v.Key, err = url.QueryUnescape(v.Key); err != nil {
					return fmt.Errorf("cannot list the versions in bucket %s: a key that cannot be decoded", r.cfg.Bucket)
				}
			}
			if v.IsLatest || strings.HasPrefix(v.Key, format.ReservedPrefix) {
				continue
			}
			if !each(version{v.Key, v.VersionId, v.Size}) {
				return nil
			}
		}
		if !page.IsTruncated {
			return nil
		}
		key := page.NextKeyMarker
		if page.EncodingType == "url" {
			key, err = url.QueryUnescape(key)
		}
		if err != nil || key == "" || key == q.Get("key-marker") && page.NextVersionIdMarker == q.Get("version-id-marker") {
			return fmt.Errorf("cannot list the versions in bucket %s: the list does not go on", r.cfg.Bucket)
		}
		q.Set("key-marker", key)
		q.Set("version-id-marker", page.NextVersionIdMarker)
		if page.NextVersionIdMarker == "" {
			q.Del("version-id-marker")
		}
	}
}
