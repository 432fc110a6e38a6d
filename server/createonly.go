package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// What an append-only client creates must not replace anything, whoever writes at
// the same time: the backend itself is made to refuse it (If-None-Match: *). Many
// stores ignore a condition that they do not know, so that each bucket's store is
// first tried, with an object of our own.

// errNoCreateOnly: the store would let an append-only client overwrite.
var errNoCreateOnly = errors.New("the backend does not honour If-None-Match, so that it cannot keep an append-only client from overwriting")

// createsOnly says that the request must not replace an object.
func (r *request) createsOnly() bool { return r.client.grant.createsOnly(r.route.needs) }

// perform runs the operation of a request that passed its checks. For a client that
// may only create, it does so on a store that was seen to hold it to that, and tells
// it of an object in the way as of something it may not touch.
func (s *Server) perform(r *request) error {
	if !r.createsOnly() {
		return r.route.serve(s, r)
	}
	if r.hasHeader("if-match") {
		return s3err.New(s3err.AccessDenied, "this credential may not overwrite, which If-Match is for")
	}
	ring, err := s.keys.Ring()
	if err != nil {
		return err
	}
	b, err := s.gate.open(r.ctx, ring, r.bucket, true)
	if err != nil {
		return err
	}
	if err := s.trials.pass(r.ctx, s.into(b), r.bucket); err != nil {
		return err
	}
	err = r.route.serve(s, r)
	var own *s3err.Error
	if backendKind(err) == backend.Precondition && !errors.As(err, &own) && !r.hasHeader("if-none-match") {
		return s3err.Wrap(s3err.AccessDenied, err, "there is an object of this name, and this credential may not overwrite")
	}
	return err
}

// trials remembers on which buckets the store was seen to honour If-None-Match, on
// PUT and on CompleteMultipartUpload. Only success is remembered. Safe for concurrent
// use; a bucket is tried once at a time.
type trials struct {
	passed  sync.Map // by bucket
	flights singleflight.Group
}

// pass tries a bucket unless it was seen to pass before. The bucket must have its
// state: the trial leaves nothing behind, but it writes.
func (t *trials) pass(ctx context.Context, store Backend, bucket string) error {
	if _, ok := t.passed.Load(bucket); ok {
		return nil
	}
	flight := t.flights.DoChan(bucket, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gateTime)
		defer cancel()
		err := tryCreateOnly(ctx, store, bucket)
		switch {
		case err == nil:
			t.passed.Store(bucket, true)
		case !errors.Is(err, errNoCreateOnly):
			// Not the fault of the client's own object, whatever the store said.
			err = s3err.Wrap(s3err.ServiceUnavailable, err, "cannot try whether the backend honours conditional writes; try again")
		}
		return nil, err
	})
	select {
	case r := <-flight:
		return r.Err
	case <-ctx.Done():
		return fmt.Errorf("cannot try conditional writes in bucket %s: %w", bucket, ctx.Err())
	}
}

// trialPrefix begins the names of objects of trials, which exist for a moment.
const trialPrefix = format.ReservedPrefix + "trial-"

// isTrial says whether a name is of an object of a trial. None of them is ever needed.
func isTrial(key string) bool { return strings.HasPrefix(key, trialPrefix) }

// tryPut says whether the store refuses to make an object again, in a bucket that is
// about to be initialised. What is left, if it cannot be removed, is in nobody's way.
func tryPut(ctx context.Context, store trialStore, bucket string) (honoured bool, err error) {
	var id [16]byte
	rand.Read(id[:]) // never fails (Go 1.24)
	key := trialPrefix + hex.EncodeToString(id[:])
	only := backend.Conditions{IfNoneMatch: true}
	var made []backend.Written
	put := func() error {
		w, err := store.Put(ctx, bucket, key, newBytesReader(id[:]), int64(len(id)), only)
		if err == nil {
			made = append(made, w)
		}
		return err
	}
	var e *backend.Error
	switch err := put(); {
	case errors.As(err, &e) && e.Status == http.StatusNotImplemented:
		return false, nil // it does not even take the header
	case err != nil && !refused(err): // refused: made, and the answer was lost
		return false, err
	}
	err = put()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	if len(made) == 0 {
		made = append(made, backend.Written{})
	}
	for _, w := range made {
		_, _ = store.DeleteWith(ctx, bucket, key, backend.DeleteOptions{Version: w.Version})
	}
	switch {
	case err == nil:
		return false, nil
	case errors.As(err, &e) && e.Unsure && refused(err):
		return false, errUnproven // a lost answer that was taken for a refusal
	case refused(err), locked(err):
		return true, nil
	}
	return false, err
}

// tryCreateOnly makes an object, then tries to make it again by each way there is.
func tryCreateOnly(ctx context.Context, store Backend, bucket string) (err error) {
	var id [16]byte
	rand.Read(id[:]) // never fails (Go 1.24)
	key := trialPrefix + hex.EncodeToString(id[:])
	only := backend.Conditions{IfNoneMatch: true}
	put := func() (backend.Written, error) {
		return store.Put(ctx, bucket, key, newBytesReader(id[:]), int64(len(id)), only)
	}
	made, err := put()
	if err != nil && !refused(err) { // refused: made, and the answer was lost
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
		defer cancel()
		_, gone := store.DeleteWith(ctx, bucket, key, backend.DeleteOptions{Version: made.Version})
		if locked(gone) {
			// The bucket keeps whatever is put there: the object stays, where nobody sees it.
			gone = nil
		}
		if err == nil {
			err = gone
		}
	}()
	_, err = put()
	if err = mustRefuse(err); err != nil {
		return err
	}
	upload, err := store.CreateUpload(ctx, bucket, key)
	if err != nil {
		return err
	}
	part, err := store.UploadPart(ctx, bucket, key, upload, 1, newBytesReader(id[:]), int64(len(id)))
	if err == nil {
		_, err = store.CompleteUpload(ctx, bucket, key, upload, []backend.Part{{N: 1, ETag: part}}, only)
		if err == nil {
			return errNoCreateOnly
		}
		err = mustRefuse(err)
	}
	if gone := store.AbortUpload(ctx, bucket, key, upload); err == nil && !unknownUpload(gone) {
		err = gone
	}
	return err
}

// mustRefuse is nil for a write whose condition did not hold.
func mustRefuse(err error) error {
	switch {
	case err == nil:
		return errNoCreateOnly
	case refused(err):
		return nil
	}
	return err
}
