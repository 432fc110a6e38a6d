package server

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// Rotation. The bucket's state, not a proxy's ring, says which key seals what is
// written to the bucket:
//
//	ring                                      what happens
//	lacks the key that seals the state        503: the ring is older, or foreign
//	lacks another recorded key, or has a      503, and the log names the key
//	different one under its id
//	active key is the state's                 served
//	active key is recorded, not the state's   served, sealing under the state's: the
//	                                          ring is behind, or was turned back
//	active key is not recorded                recorded first, then served under it
//
// So the active key of a bucket only ever moves to a key that never sealed there,
// and proxies whose rings differ agree, or do not serve. A proxy that verified the
// state shortly before it moved writes under the older key for stateTTL at most,
// and requests that had begun end under theirs: that key stays on record, so such
// objects are readable by all who may serve the bucket.

// maxSettle is how often a state that changes under our hands is read again.
const maxSettle = 4

// foreignETag is an entity tag that no state has: MD5 of nothing we write.
const foreignETag = `"00000000000000000000000000000000"`

// settle reads and verifies a bucket's state, and records the ring's active key
// there if it is new. errNoState if there is none.
func (g *gate) settle(ctx context.Context, ring keyring, name string) (*bucket, error) {
	for range maxSettle {
		st, err := g.read(ctx, ring, name)
		if err != nil {
			return nil, err
		}
		b, err := st.verify(ring, name)
		if err != nil {
			return nil, err
		}
		if err := g.asConfigured(b, name); err != nil {
			return nil, err
		}
		active, err := ring.Active()
		if err != nil {
			return nil, err
		}
		if _, recorded := st.Keys[active]; recorded || b.closing {
			return b, nil
		}
		// Then read it again, as winner and as loser: what counts is what the
		// backend keeps.
		if err := g.record(ctx, ring, name, st, active); err != nil && !refused(err) {
			return nil, fmt.Errorf("cannot record key %s: %w", active, err)
		}
	}
	return nil, errors.New("the bucket's state keeps changing")
}

// record seals the state anew under the ring's active key, with that key among
// its keys, and replaces exactly the state that was read. A refused condition is
// the outcome of a lost race.
func (g *gate) record(ctx context.Context, ring keyring, name string, st *bucketState, active format.KeyID) error {
	next := st.State
	next.Keys = maps.Clone(st.Keys)
	kvt, ok := ring.KVT(active)
	if !ok {
		return fmt.Errorf("BUG: the ring has no tag for its active key %s", active)
	}
	next.Keys[active] = kvt
	object, err := format.SealState(ring, next)
	if err != nil {
		return err
	}
	if len(object) > maxState {
		return fmt.Errorf("the bucket's state would have %d bytes, more than %d", len(object), maxState)
	}
	if err := g.proveIfMatch(ctx, name, st); err != nil {
		return err
	}
	_, err = g.backend.Put(ctx, name, format.StateKey, newBytesReader(object), int64(len(object)), backend.Conditions{IfMatch: st.etag})
	return err
}

// proveIfMatch shows that the backend refuses a write whose If-Match does not
// hold, before a write depends on it. What is offered is the state as it is, so
// that a backend which takes it has lost nothing.
func (g *gate) proveIfMatch(ctx context.Context, name string, st *bucketState) error {
	if st.etag == "" || st.etag == foreignETag {
		return fmt.Errorf("%w: the state has no usable ETag", errNoConditions)
	}
	_, err := g.backend.Put(ctx, name, format.StateKey, newBytesReader(st.object), int64(len(st.object)), backend.Conditions{IfMatch: foreignETag})
	var e *backend.Error
	switch {
	case err == nil:
		return fmt.Errorf("%w: nor If-Match, which rotation needs", errNoConditions)
	case errors.As(err, &e) && e.Unsure:
		// The client took a lost answer for a refusal: that proves nothing. It must
		// not look like a lost race.
		return fmt.Errorf("cannot tell whether the backend honours If-Match: %w", errUnproven)
	case refused(err):
		return nil
	}
	return err
}

// errUnproven is answered as 503, and tried again with the next request.
var errUnproven = &backend.Error{Kind: backend.Busy, Op: "PutObject"}

// sealing is the ring under which objects of the bucket are sealed: what it opens
// is the same, but its active key is the bucket's.
func (b *bucket) sealing(ring keyring) keyring {
	if active, err := ring.Active(); err != nil || active == b.active {
		return ring
	}
	return &boundRing{ring, b.active}
}

// boundRing is a ring with another of its keys as the active one.
type boundRing struct {
	keyring
	active format.KeyID
}

func (r *boundRing) Active() (format.KeyID, error) { return r.active, nil }
