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
		if held, err := g.holds(ctx, name); errors.Is(err, errNotEmpty) || held.unfinished() || held.states.any() {
			return nil, errStateMissing
		} else if err != nil {
			return nil, err
		}
	}
	page, err := g.backend.List(ctx, name, backend.ListOptions{MaxKeys: lookKeys})
	if err != nil {
		return nil, err
	}
	others := page.Truncated
	for _, o := range page.Objects {
		if o.Key == format.StateKey {
			return g.settle(ctx, ring, name) // another proxy was faster
		}
		others = others || !isTrial(o.Key)
	}
	if others {
		return nil, errStateMissing
	}
	if !create {
		return &bucket{blockSize: g.blockSize, fresh: true}, nil
	}
	// First, for a state that two proxies could both write must not even be tried: the
	// next request would read it, and another proxy's could still replace it.
	if honoured, err := tryPut(ctx, g.backend, name); err != nil {
		return nil, err
	} else if !honoured && g.emulated.on {
		return g.initialiseAlone(ctx, ring, name)
	} else if !honoured {
		return nil, errNoConditions
	}
	st, err := g.newState(ring, name)
	if err != nil {
		return nil, err
	}
	object, err := format.SealState(ring, st)
	if err != nil {
		return nil, err
	}
	_, err = g.backend.Put(ctx, name, format.StateKey, newBytesReader(object), int64(len(object)), backend.Conditions{IfNoneMatch: true})
	if err != nil && !refused(err) && !locked(err) {
		return nil, err
	}
	// Read it back, also as the winner: what counts is what the backend keeps.
	b, err := g.settle(ctx, ring, name)
	if errors.Is(err, errNoState) {
		return nil, errStateMissing
	}
	return b, err
}

// initialiseAlone gives an empty bucket its state on a store that ignores conditions,
// where the operator asked for the emulation of them. Nothing arbitrates between two
// proxies there but time: this one writes, waits for longer than another that also saw
// the bucket empty takes to write, and goes by what stands then. Against itself it is
// safe without that: until a state was read back it writes the same bytes, so that a
// write which was cut off, and takes effect late, changes nothing. A write of another
// proxy that is late by more than settleTime does: which is why the first write to a
// bucket of such a store should be made while one proxy runs.
func (g *gate) initialiseAlone(ctx context.Context, ring keyring, name string) (*bucket, error) {
	object, err := g.candidate(ring, name)
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, g.settleTime/2)
	_, err = g.backend.Put(within, name, format.StateKey, newBytesReader(object), int64(len(object)), backend.Conditions{})
	cancel()
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, g.settleTime); err != nil {
		return nil, err
	}
	b, err := g.settle(ctx, ring, name)
	if errors.Is(err, errNoState) {
		return nil, errStateMissing
	}
	if err == nil {
		g.mu.Lock()
		delete(g.candidates, name)
		g.mu.Unlock()
	}
	return b, err
}

// candidate is the state that this process offers for an empty bucket, the same bytes
// until one was read back.
func (g *gate) candidate(ring keyring, name string) ([]byte, error) {
	active, err := ring.Active()
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if c, ok := g.candidates[name]; ok && c.active == active {
		return c.object, nil
	}
	st, err := g.newState(ring, name)
	if err != nil {
		return nil, err
	}
	object, err := format.SealState(ring, st)
	if err != nil {
		return nil, err
	}
	if g.candidates == nil {
		g.candidates = map[string]candidate{}
	}
	g.candidates[name] = candidate{active, object}
	return object, nil
}

// candidate is a state that may not be stored yet.
type candidate struct {
	active format.KeyID
	object []byte
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
