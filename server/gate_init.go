package server

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// initialise gives an empty bucket its state. A bucket that holds anything is
// refused, be it an older version or an upload where there was a state before: making
// a new bucket id would orphan that.
func (g *gate) initialise(ctx context.Context, ring keyring, name string, create, seen bool) (*bucket, error) {
	if seen {
		if states, err := g.holds(ctx, name); errors.Is(err, errNotEmpty) || states.any() {
			return nil, errStateMissing
		} else if err != nil {
			return nil, err
		}
	}
	page, err := g.backend.List(ctx, name, backend.ListOptions{MaxKeys: 2})
	if err != nil {
		return nil, err
	}
	for _, o := range page.Objects {
		if o.Key == format.StateKey {
			return g.settle(ctx, ring, name) // another proxy was faster
		}
	}
	if len(page.Objects) > 0 || page.Truncated {
		return nil, errStateMissing
	}
	if !create {
		return &bucket{blockSize: g.blockSize, fresh: true}, nil
	}
	st, err := g.newState(ring, name)
	if err != nil {
		return nil, err
	}
	object, err := format.SealState(ring, st)
	if err != nil {
		return nil, err
	}
	store := func() error {
		_, err := g.backend.Put(ctx, name, format.StateKey, newBytesReader(object), int64(len(object)), backend.Conditions{IfNoneMatch: true})
		return err
	}
	if err := store(); err == nil {
		// The same bytes again must be refused, or the condition means nothing here.
		if err = store(); !refused(err) && !locked(err) {
			if err == nil {
				err = errNoConditions
			}
			return nil, err
		}
	} else if !refused(err) {
		return nil, err
	}
	// Read it back, also as the winner: what counts is what the backend keeps.
	b, err := g.settle(ctx, ring, name)
	if errors.Is(err, errNoState) {
		return nil, errStateMissing
	}
	return b, err
}

// refused says that a condition of a write did not hold.
func refused(err error) bool {
	kind := backendKind(err)
	return kind == backend.Precondition || kind == backend.Conflict
}

// newState is the state of a new bucket, with what the configuration says of new ones.
func (g *gate) newState(ring keyring, name string) (format.State, error) {
	active, err := ring.Active()
	if err != nil {
		return format.State{}, err
	}
	kvt, _ := ring.KVT(active)
	st := format.State{
		Version:   2,
		CreatedAt: g.now().UTC(),
		Names:     []string{name},
		Keys:      map[format.KeyID][32]byte{active: kvt},
		Settings:  format.Settings{BlockSize: g.blockSize, Segment: format.SegmentSize, NameEncryption: g.seals.has(name), Padding: g.pads.has(name)},
	}
	if st.Settings.NameEncryption {
		if _, err := rand.Read(st.NameKey[:]); err != nil {
			return st, err
		}
	}
	_, err = rand.Read(st.BucketID[:])
	return st, err
}
