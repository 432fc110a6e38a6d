package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// Conditional writes hold at the backend: it alone sees all writers. Some stores take
// the headers and ignore them, which would overwrite what the client wanted kept. So
// before the first write with a condition in a bucket, the store is offered the
// bucket's state, as it is, under a condition that cannot hold: it must refuse. A
// store that takes it has lost nothing, and is sent no condition: 501, or what
// emulated.go has.

// errConditionIgnored: the store does as if there were no condition.
var errConditionIgnored = s3err.New(s3err.NotImplemented, "the backend ignores this condition, so it would overwrite an object that the condition protects")

// proofs remembers what the stores of buckets made of conditions, for the life of the
// process. Safe for concurrent use; each question is asked once at a time.
type proofs struct {
	seen    sync.Map // by proof: bool, honoured
	flights singleflight.Group
}

// proof is one question to the store.
type proof struct {
	bucket string
	match  bool // If-Match, not If-None-Match
	verb   conditionVerb
}

// conditionVerb is a way to change an object, which may carry conditions.
type conditionVerb uint8

const (
	byPut conditionVerb = iota
	byComplete
	byDelete
)

// ignored says whether the store was seen to ignore a condition.
func (ps *proofs) ignored(p proof) bool {
	honoured, ok := ps.seen.Load(p)
	return ok && honoured == false
}

// ask puts a question to the store, by a trial, unless it was answered before.
func (ps *proofs) ask(ctx context.Context, p proof, trial func(context.Context) (honoured bool, err error)) (bool, error) {
	if honoured, ok := ps.seen.Load(p); ok {
		return honoured == true, nil
	}
	flight := ps.flights.DoChan(fmt.Sprint(p), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gateTime)
		defer cancel()
		return trial(ctx)
	})
	select {
	case done := <-flight:
		if done.Err != nil {
			return false, s3err.Wrap(s3err.ServiceUnavailable, done.Err, "cannot try whether the backend honours conditional writes; try again")
		}
		ps.seen.Store(p, done.Val)
		return done.Val == true, nil
	case <-ctx.Done():
		return false, fmt.Errorf("cannot try conditional writes in bucket %s: %w", p.bucket, ctx.Err())
	}
}

// proveCondition lets a write with this condition go on only where the backend was
// seen to refuse one that does not hold, or where the proxy is to hold it itself
// (emulated.go). An append-only client's bucket was tried for
// that already.
func (s *Server) proveCondition(r *request, cond backend.Conditions, complete bool) error {
	if !cond.IfNoneMatch && cond.IfMatch == "" || cond.IfNoneMatch && r.createsOnly() {
		return nil
	}
	p := proof{r.bucket, cond.IfMatch != "", byPut}
	if complete {
		p.verb = byComplete
	}
	honoured, err := s.gate.proofs.ask(r.ctx, p, func(ctx context.Context) (bool, error) { return s.offerState(ctx, p) })
	if err == nil && !honoured && !s.gate.emulated.on {
		err = errConditionIgnored
	}
	return err
}

// offerState offers the state under a condition that does not hold, and says whether
// it was refused for that.
func (s *Server) offerState(ctx context.Context, p proof) (honoured bool, err error) {
	ring, err := s.keys.Ring()
	if err != nil {
		return false, err
	}
	st, err := s.gate.read(ctx, ring, p.bucket)
	if err != nil {
		return false, err
	}
	cond := backend.Conditions{IfNoneMatch: true}
	if p.match {
		if st.etag == "" || st.etag == foreignETag {
			return false, nil
		}
		cond = backend.Conditions{IfMatch: foreignETag}
	}
	if p.verb == byComplete {
		err = s.completeState(ctx, p.bucket, st.object, cond)
	} else {
		_, err = s.gate.backend.Put(ctx, p.bucket, format.StateKey, bytes.NewReader(st.object), int64(len(st.object)), cond)
	}
	var e *backend.Error
	switch {
	case err == nil:
		return false, nil
	case errors.As(err, &e) && e.Unsure && refused(err):
		return false, errUnproven // a lost answer that was taken for a refusal
	case refused(err), locked(err):
		return true, nil
	case errors.As(err, &e) && e.Status == 501:
		return false, nil
	}
	return false, err
}

// completeState is the offer by an upload in parts.
func (s *Server) completeState(ctx context.Context, bucketName string, object []byte, cond backend.Conditions) error {
	id, err := s.backend.CreateUpload(ctx, bucketName, format.StateKey)
	if err != nil {
		return err
	}
	etag, err := s.backend.UploadPart(ctx, bucketName, format.StateKey, id, 1, bytes.NewReader(object), int64(len(object)))
	if err == nil {
		_, err = s.gate.backend.CompleteUpload(ctx, bucketName, format.StateKey, id, []backend.Part{{N: 1, ETag: etag}}, cond)
	}
	if err != nil {
		if gone := s.backend.AbortUpload(ctx, bucketName, format.StateKey, id); gone != nil {
			s.metrics.orphans.Inc()
			s.log.Warn().Err(gone).Msg("cannot abort a backend upload; its parts stay until the backend's lifecycle rule removes them")
		}
	}
	return err
}
