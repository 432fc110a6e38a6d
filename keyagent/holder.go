package keyagent

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// A Holder keeps one ring in locked memory. It is what the agent serves and what a test or the demo feeds by hand.
// All methods are safe for concurrent use; readers see one generation whole, never a mixture.
type Holder struct {
	mu         sync.RWMutex
	generation uint64
	keys       []Key         // owned; replaced as a whole, never changed in place
	changed    chan struct{} // closed, and replaced, by every change of generation
}

// NewHolder returns a Holder at generation 0: never loaded.
func NewHolder() *Holder {
	return &Holder{changed: make(chan struct{})}
}

// Load replaces all keys at once and returns the new generation. There must be 1 to MaxKeys keys, exactly one active, no
// two with the same master, with labels as Key says; otherwise the error is ErrBadRing, nothing changes and the secrets
// stay the caller's. On success the holder owns the secrets and the caller must not wipe them; the slice stays the
// caller's. The replaced secrets are wiped before Load returns.
func (h *Holder) Load(keys []Key) (uint64, error) {
	if err := checkKeys(keys); err != nil {
		return 0, fmt.Errorf("cannot load keys: %w", err)
	}
	return h.replace(slices.Clone(keys)), nil
}

// Clear wipes all keys and returns the new generation. It counts as a change even if there were no keys: whoever says
// clear wants every client to hear it.
func (h *Holder) Clear() uint64 {
	return h.replace(nil)
}

func (h *Holder) replace(keys []Key) uint64 {
	h.mu.Lock()
	old := Ring{Keys: h.keys}
	h.keys = keys
	h.generation++
	generation := h.generation
	close(h.changed)
	h.changed = make(chan struct{})
	h.mu.Unlock()
	old.Wipe() // outside the lock: readers hold no reference without it
	return generation
}

// Snapshot returns the present ring. Its masters are clones: the caller owns and wipes them (Ring.Wipe).
func (h *Holder) Snapshot() Ring {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return cloneRing(h.generation, h.keys)
}

// Wait returns the present ring as soon as its generation is above after, at once if it already is, and ctx's error when
// ctx ends first. Changes that happen while nobody waits are not lost, but only the last of them is seen. The ring is
// the caller's, as with Snapshot.
func (h *Holder) Wait(ctx context.Context, after uint64) (Ring, error) {
	var ring Ring
	err := h.await(ctx, after, func(generation uint64, keys []Key) error {
		ring = cloneRing(generation, keys)
		return nil
	})
	return ring, err
}

// await calls take with the keys of the first generation above after that it sees. take borrows the keys: they cannot be
// replaced or wiped before it returns.
func (h *Holder) await(ctx context.Context, after uint64, take func(generation uint64, keys []Key) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		changed, taken, err := h.tryTake(after, take)
		if taken {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

func (h *Holder) tryTake(after uint64, take func(uint64, []Key) error) (changed <-chan struct{}, taken bool, err error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.generation <= after {
		return h.changed, false, nil
	}
	return nil, true, take(h.generation, h.keys)
}

// cloneRing needs keys that cannot be wiped meanwhile, so under the holder's lock.
func cloneRing(generation uint64, keys []Key) Ring {
	ring := Ring{Generation: generation, Keys: make([]Key, len(keys))}
	for i, k := range keys {
		master, err := k.Master.Clone()
		if err != nil {
			panic("BUG: a secret that the holder owns was wiped by somebody else")
		}
		ring.Keys[i] = Key{Label: k.Label, Master: master, Active: k.Active}
	}
	return ring
}
