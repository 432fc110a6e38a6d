package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// Removal. A bucket can be removed only without its state, and its objects open only
// with it. So:
//
//	look     anything but the state there, versions included: 409
//	close    the state is written anew as closing, by a write that one proxy wins
//	wait     longer than leaseTime: nobody calls a write done now that the next
//	         step cannot see (fence.go)
//	look     anything there: the state is written anew as open, 409
//	clear    uploads in progress end, with what lies beside them (gate_empty.go)
//	unseal   the closing state is removed, that one and no other
//	remove   the backend removes the bucket, or refuses because somebody's write
//	         came after all: then the state is put back
//
// A proxy that dies on the way leaves a bucket that is closing, and opened again by
// the first write after closeTime, or an empty one without a state, which the next
// write initialises. A write that is under way for longer than all of this is
// refused, and leaves at most an object that nobody was told of. What S3 has no means
// against: a request that was sent before the removal, and reaches the store only after
// the bucket was made anew, replaces an object of its name there. So nothing is sent
// again, nor gone on with, without another look (fence.go).

// errNotEmpty and errVersionsLeft are S3's answers: the latter where the backend keeps
// versions, which a listing of names does not show.
var (
	errNotEmpty     = s3err.New(s3err.BucketNotEmpty, "")
	errVersionsLeft = s3err.New(s3err.BucketNotEmpty, "The bucket you tried to delete is not empty. You must delete all versions in the bucket.")
)

// closingError is errClosing with the state that says so.
type closingError struct{ etag string }

func (e *closingError) Error() string { return errClosing.Error() }
func (e *closingError) Unwrap() error { return errClosing }

// closes is the entry of a bucket that was seen closing at a time.
func (e gateEntry) closes(etag string, at time.Time) *gateEntry {
	if e.closing == etag {
		at = e.since
	}
	return &gateEntry{seen: true, closing: etag, since: at}
}

// reopen opens a bucket again that has been closing for longer than a removal takes.
func (g *gate) reopen(ctx context.Context, ring keyring, name string, b *bucket, before gateEntry) (*bucket, error) {
	if before.closing != b.etag || g.now().Sub(before.since) < closeTime {
		return nil, &closingError{b.etag}
	}
	st, err := g.read(ctx, ring, name)
	if err != nil {
		return nil, err
	}
	if st.etag == b.etag {
		if err := g.replace(ctx, ring, name, st, false); err != nil && !refused(err) {
			return nil, err
		}
	}
	b, err = g.settle(ctx, ring, name)
	if err == nil && b.closing {
		err = &closingError{b.etag}
	}
	return b, err
}

// resealed is a state under the bucket's key, closing or not.
func (st *bucketState) resealed(ring keyring, closing bool) ([]byte, error) {
	next := st.State
	next.Closing = closing
	return format.SealState(&boundRing{ring, st.active}, next)
}

// replace puts a state that is closing, or is not, in the place of exactly the one
// that was read.
func (g *gate) replace(ctx context.Context, ring keyring, name string, st *bucketState, closing bool) error {
	object, err := st.resealed(ring, closing)
	if err != nil {
		return err
	}
	if err := g.proveIfMatch(ctx, name, st); err != nil {
		return err
	}
	_, err = g.backend.Put(ctx, name, format.StateKey, newBytesReader(object), int64(len(object)), backend.Conditions{IfMatch: st.etag})
	return err
}

// remove removes a bucket that is empty, but for its state.
func (g *gate) remove(ctx context.Context, ring keyring, name string) error {
	b, err := g.open(ctx, ring, name, false)
	if err != nil {
		return err
	}
	if b.fresh {
		return g.removeBare(ctx, name) // the backend looks whether it is empty
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTime)
	defer cancel()
	if _, err := g.holds(ctx, name); err != nil {
		return err
	}
	st, err := g.closable(ctx, ring, name)
	if err != nil {
		return err
	}
	closing, err := st.resealed(ring, true)
	if err != nil {
		return err
	}
	if err := g.removeClosing(ctx, name, st, closing); err != nil {
		return g.restore(ctx, ring, name, st, closing, err)
	}
	return nil
}

// removeClosing closes a bucket and removes it.
func (g *gate) removeClosing(ctx context.Context, name string, st *bucketState, closing []byte) error {
	g.unlearn(name)
	closed, err := g.backend.Put(ctx, name, format.StateKey, newBytesReader(closing), int64(len(closing)), backend.Conditions{IfMatch: st.etag})
	if err != nil {
		return err
	}
	g.unlearn(name)
	select {
	case <-time.After(g.lease + g.lease/4):
	case <-ctx.Done():
		return ctx.Err()
	}
	held, err := g.holds(ctx, name)
	if err != nil {
		return err
	}
	if held.unfinished() {
		// A backend that does not let us remove buckets must not cost anybody's upload:
		// it is asked while it has to refuse, as it still holds the state.
		if err := g.removeBare(ctx, name); err != errNotEmpty {
			return err
		}
		if held, err = g.clear(ctx, name); err != nil {
			return err
		}
	}
	if err := g.unseal(ctx, name, closed.ETag, held.states); err != nil {
		return err
	}
	return g.removeBare(ctx, name)
}

// removeBare removes a bucket without a state. One that is gone is a success: an
// earlier attempt may have done it.
func (g *gate) removeBare(ctx context.Context, name string) error {
	err := g.backend.DeleteBucket(ctx, name)
	var e *backend.Error
	if errors.As(err, &e) && e.Code == string(s3err.BucketNotEmpty) {
		return errNotEmpty
	}
	if err == nil || backendKind(err) == backend.NoBucket {
		g.forget(name)
	}
	if e != nil && e.Kind == backend.NoBucket && e.Unsure {
		return nil
	}
	return err
}

// closable reads the state of a bucket that is to be closed, and proves that this can
// be done by one proxy alone. Who comes second is told so: the first may be about to
// remove the bucket.
func (g *gate) closable(ctx context.Context, ring keyring, name string) (*bucketState, error) {
	st, err := g.read(ctx, ring, name)
	if err != nil {
		return nil, err
	}
	if st.Closing && !g.overdue(name, st.etag) {
		return nil, &closingError{st.etag}
	}
	return st, g.proveIfMatch(ctx, name, st)
}

// overdue says whether a state has been closing for longer than a removal takes.
func (g *gate) overdue(name, etag string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.buckets[name]
	return e != nil && e.closing == etag && g.now().Sub(e.since) >= closeTime
}

// unlearn makes the next who asks read the state.
func (g *gate) unlearn(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.buckets[name]; e != nil && e.state != nil {
		g.buckets[name] = &gateEntry{seen: true, last: e.last}
	}
}

// unseal removes the closing state, with all its versions. From the moment it is gone
// another proxy may find the bucket empty and give it a new state: that is the bucket's
// then, and is left alone.
//
// The removal is bound to the state's ETag. Many stores ignore that, or refuse it, so that
// the state is looked at first; and what holds there is time: for closeTime after this
// proxy has closed the bucket nobody else writes its state, and this one gives up within
// removeTime, which is less by more than a call takes.
func (g *gate) unseal(ctx context.Context, name, etag string, states stateVersions) error {
	now, err := g.backend.Head(ctx, name, format.StateKey)
	if err == nil && now.ETag != etag {
		err = &closingError{now.ETag}
	}
	if err != nil {
		return err
	}
	_, err = g.backend.DeleteWith(ctx, name, format.StateKey, backend.DeleteOptions{IfMatch: etag})
	var e *backend.Error
	if errors.As(err, &e) && e.Status == http.StatusNotImplemented {
		err = g.backend.Delete(ctx, name, format.StateKey)
	}
	if err != nil {
		return err
	}
	for states.any() {
		ids := states.ids
		if len(ids) == 0 {
			ids = states.markers // last: what they hide would be the bucket's state again
		}
		for _, id := range ids {
			if _, err := g.backend.DeleteWith(ctx, name, format.StateKey, backend.DeleteOptions{Version: id}); err != nil {
				return err
			}
		}
		held, err := g.holds(ctx, name)
		if err != nil {
			return err
		}
		if states = held.states; states.live {
			return errNotEmpty
		}
	}
	return nil
}

// maxRestores is how often a failed removal tries to open its bucket again.
const maxRestores = 3

// restore opens a bucket again whose removal failed, and returns the client's answer.
// The state stands as it was, or is the closing one, or is gone, or the whole bucket
// is. A state of somebody else is left alone: they closed the bucket, or found it
// without a state and empty.
func (g *gate) restore(ctx context.Context, ring keyring, name string, st *bucketState, closing []byte, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTime)
	defer cancel()
	defer g.unlearn(name)
	open, err := st.resealed(ring, false)
	if err != nil {
		return errors.Join(why, err)
	}
	for range maxRestores {
		var now *bucketState
		var cond backend.Conditions
		switch now, err = g.read(ctx, ring, name); {
		case errors.Is(err, errNoState):
			cond.IfNoneMatch = true
		case backendKind(err) == backend.NoBucket:
			g.forget(name)
			return nil // it was removed, and the answer lost
		case err != nil:
			continue
		case !bytes.Equal(now.object, closing):
			if refused(why) {
				why = s3err.Wrap(s3err.OperationAborted, why, "")
			}
			return why
		default:
			cond.IfMatch = now.etag
		}
		if _, err = g.backend.Put(ctx, name, format.StateKey, newBytesReader(open), int64(len(open)), cond); err == nil {
			return why
		}
	}
	return fmt.Errorf("cannot open bucket %s again, whose removal failed: %w", name, errors.Join(err, why))
}
