package server

import (
	"strconv"
	"sync"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// deleteTerms are the conditions of one removal, as the client says them; nil is none.
// They speak of the plain object.
type deleteTerms struct{ etag, modified, size *string }

func (t deleteTerms) any() bool { return t.etag != nil || t.modified != nil || t.size != nil }

// termsOfHeaders are those of DeleteObject.
func (r *request) termsOfHeaders() (t deleteTerms) {
	for name, term := range map[string]**string{"if-match": &t.etag, ifMatchTime: &t.modified, ifMatchSize: &t.size} {
		if r.hasHeader(name) {
			v := r.header(name)
			*term = &v
		}
	}
	return t
}

// holdOf says whether the conditions hold of an object.
func (t deleteTerms) holdOf(o *stored, names []string) bool {
	if t.etag != nil && !listsAny(*t.etag, names, false) {
		return false
	}
	if t.size != nil {
		if size, err := strconv.ParseInt(*t.size, 10, 64); err != nil || size != o.plainSize() {
			return false
		}
	}
	if t.modified != nil {
		if at, ok := parseHTTPTime(*t.modified); !ok || !at.Equal(o.modified.Truncate(time.Second)) {
			return false
		}
	}
	return true
}

// deleteCondition holds an object of the request's bucket to the conditions of its
// removal, and binds the removal to the ETag by which the backend then recognises it; a
// version with a name of its own is always the same object. An object that is not there,
// or cannot be opened, is not the one that is meant.
func (s *Server) deleteCondition(r *request, key string, terms deleteTerms, with *backend.DeleteOptions) error {
	o, err := s.openKnown(r.ctx, r.bucket, key, with.Version)
	if backendKind(err) == backend.NotFound {
		return s3err.New(s3err.PreconditionFailed, "")
	}
	if err != nil {
		return err
	}
	defer o.close()
	if !terms.holdOf(o, s.namesOf(o.meta(), o.etag)) {
		return s3err.New(s3err.PreconditionFailed, "")
	}
	if pin(with.Version) != "" {
		return nil
	}
	if o.etag == "" {
		return s3err.New(s3err.ServiceUnavailable, "the backend gave the object no ETag, so its removal cannot be bound to it")
	}
	with.IfMatch = o.etag
	return s.proveDelete(r)
}

// removal is one entry of a DeleteObjects.
type removal struct {
	backend.ObjectID
	terms deleteTerms
}

// removeAll removes what a list names, and answers in its order. Entries without
// conditions are one request to the backend. Each of the others is looked at and
// removed by itself, after those, and fails by itself.
func (s *Server) removeAll(r *request, list []removal) ([]backend.DeleteResult, error) {
	results := make([]backend.DeleteResult, len(list))
	var plain []backend.ObjectID
	var at []int // of plain, in results
	for i, x := range list {
		results[i].ObjectID = x.ObjectID
		if !x.terms.any() {
			plain, at = append(plain, x.ObjectID), append(at, i)
		}
	}
	if len(plain) > 0 {
		done, err := s.backend.DeleteManyWith(r.ctx, r.bucket, plain, r.deleteOptions())
		if err != nil {
			return nil, err
		}
		for i, x := range done {
			results[at[i]] = x
		}
	}
	var wg sync.WaitGroup
	for i, x := range list {
		if !x.terms.any() {
			continue
		}
		select {
		case s.etagReads <- struct{}{}:
		case <-r.ctx.Done():
			results[i].Err = r.ctx.Err()
			continue
		}
		wg.Go(func() {
			defer func() { <-s.etagReads }()
			results[i].Deleted, results[i].Err = s.removeOn(r, x)
		})
	}
	wg.Wait()
	return results, nil
}

// removeOn removes one object if the conditions of its entry hold.
func (s *Server) removeOn(r *request, x removal) (backend.Deleted, error) {
	with := r.deleteOptions()
	with.Version = x.Version
	if err := s.deleteCondition(r, x.Key, x.terms, &with); err != nil {
		return backend.Deleted{}, err
	}
	return s.backend.DeleteWith(r.ctx, r.bucket, x.Key, with)
}
