package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// Few stores know conditions of DELETE, and the others remove the object all the same:
// also one that another client stored since ours was looked at. So before the first such
// removal in a bucket an object of our own is offered under a condition that cannot hold.

// proveDelete lets a removal with If-Match go on only where the backend was seen to refuse
// one that does not hold, or where the proxy is to hold it itself (emulated.go).
func (s *Server) proveDelete(r *request) error {
	ring, err := s.keys.Ring()
	if err != nil {
		return err
	}
	b, err := s.gate.open(r.ctx, ring, r.bucket, true)
	if err != nil {
		return err
	}
	honoured, err := s.gate.honoursDelete(r.ctx, s.into(b), r.bucket)
	if err == nil && !honoured && !s.gate.emulated.on {
		err = errConditionIgnored
	}
	return err
}

// honoursDelete says whether the store of a bucket, which must have its state, honours
// If-Match on DELETE. It is tried once for each bucket and process.
func (g *gate) honoursDelete(ctx context.Context, store trialStore, bucket string) (bool, error) {
	return g.proofs.ask(ctx, proof{bucket, true, byDelete}, func(ctx context.Context) (bool, error) {
		return tryDelete(ctx, store, bucket)
	})
}

// trialStore is what a trial of DELETE needs.
type trialStore interface {
	objects
	commits
}

// tryDelete makes an object and removes it under an ETag that it does not have. What it
// made it removes, with the delete marker that a store which ignores the condition leaves
// in a bucket with versions.
func tryDelete(ctx context.Context, store trialStore, bucket string) (honoured bool, err error) {
	var id [16]byte
	rand.Read(id[:]) // never fails (Go 1.24)
	key := trialPrefix + hex.EncodeToString(id[:])
	made, err := store.Put(ctx, bucket, key, newBytesReader(id[:]), int64(len(id)), backend.Conditions{})
	if err != nil {
		return false, err
	}
	gone, err := store.DeleteWith(ctx, bucket, key, backend.DeleteOptions{IfMatch: foreignETag})
	var e *backend.Error
	switch {
	case err == nil:
		// Gone, and another proxy's hand is not in it: nobody else knows the name.
	case refused(err):
		honoured, err = true, nil
	case errors.As(err, &e) && (e.Status == http.StatusNotImplemented || e.Status == http.StatusBadRequest):
		err = nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	left := []string{made.Version}
	if gone.Marker && gone.Version != "" {
		left = append(left, gone.Version)
	}
	for _, version := range left {
		// Where an object lock keeps it, it stays, and nobody sees it.
		if _, failed := store.DeleteWith(ctx, bucket, key, backend.DeleteOptions{Version: version}); failed != nil && !locked(failed) && err == nil {
			err = failed
		}
	}
	return honoured, err
}
