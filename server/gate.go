package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// Errors of the gate. All of them answer 503: the bucket may hold data that
// this keyring or this proxy must not touch.
var (
	errStateMissing = errors.New("the bucket holds objects but no state object: it was never initialised, or its state was lost")
	errStateName    = errors.New("the bucket's state names another bucket")
	errStateKey     = errors.New("the active key is not the one recorded in the bucket's state")
	errNoConditions = errors.New("the backend does not honour If-None-Match: two proxies could give one bucket two identities")
	errClosing      = errors.New("the bucket is being removed")
	errReplaced     = errors.New("the bucket was removed, or made anew, while it was written to")
	errStateLayout  = errors.New("the bucket's state asks for a layout this version does not write")
	errStateNames   = errors.New("the configuration names this bucket among those with sealed names, but it was initialised without: a bucket's settings never change")
	errStatePadding = errors.New("the configuration names this bucket among those with padded sizes, but it was initialised without: a bucket's settings never change")
)

// maxState bounds the state object read into memory.
const maxState = 64 << 10

// bucket is what a verified state says; immutable.
type bucket struct {
	id        format.BucketID
	blockSize int
	active    format.KeyID // seals all that is written; the zero id in a fresh bucket
	// fresh: the bucket is empty and has no state yet. Nothing can be read from
	// it; the first write initialises it.
	fresh bool
	// closing: the bucket is about to be removed; it can be read, and not written to.
	closing bool
	etag    string        // of the stored state
	fenced                // the writes into it; nil for a bucket that is fresh or closing
	namer   *format.Namer // nil: names are stored as they are
	padded  bool          // sizes are padded
}

// gate lets a request into a bucket only after the bucket's sealed state object
// was opened with the keyring in force, which must hold every key that the state
// records. So a wrong key can never write beside data of another one, and a
// swapped bucket is noticed before its first object. A ring with a new active key
// has that recorded first: see gate_rotate.go.
//
// A verified state is remembered for stateTTL, or until the keyring changes; that
// a bucket is empty is never remembered, because another proxy may fill it. Safe
// for concurrent use: one verification of a bucket runs at a time, and all who
// wait for it share its outcome, failures too.
type gate struct {
	backend   Backend
	blockSize int       // of buckets initialised from now on
	seals     bucketSet // whose names are sealed, of those initialised from now on
	pads      bucketSet // whose sizes are padded
	now       func() time.Time
	lease     time.Duration
	flights   singleflight.Group
	proofs    proofs    // what the store makes of conditions
	emulated  emulation // of those of clients' writes

	settleTime time.Duration // see gate_init.go

	mu         sync.Mutex
	buckets    map[string]*gateEntry
	candidates map[string]candidate // by bucket
}

// gateEntry is what is known of a bucket; guarded by gate.mu.
type gateEntry struct {
	ring     keyring // the one it was verified with
	verified time.Time
	stood    time.Time // when asking began whether the state stands; not before verified
	state    *bucket   // nil: to be verified
	seen     bool      // a state was read before: its absence now may be a loss
	// closing is the ETag of a state that was read closing, since then.
	closing string
	since   time.Time
	// last is what was verified last, be it no longer trusted: requests in progress
	// name their objects by it. fresh: nothing was, as the bucket is empty.
	last  *bucket
	fresh bool
}

func newGate(b Backend, blockSize int, now func() time.Time) *gate {
	g := &gate{backend: b, blockSize: blockSize, now: now, lease: leaseTime, settleTime: settleTime, buckets: map[string]*gateEntry{}}
	g.emulated.proofs = &g.proofs
	return g
}

// open returns the verified state of a bucket. With create it is opened for writing:
// an empty bucket is initialised, where the loser of that race reads the winner's
// state, and one that is closing is refused.
func (g *gate) open(ctx context.Context, ring keyring, name string, create bool) (*bucket, error) {
	// With nobody at the backend, writes are told so before they send their bodies.
	if b := g.known(ring, name); b != nil && !g.unreachable() {
		if create {
			g.renew(ctx, ring, name)
		}
		return b, nil
	}
	// Its own time: the first who asks must not end the others' wait.
	flight := g.flights.DoChan(fmt.Sprintf("%s %v %p", name, create, ring), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gateTime)
		defer cancel()
		return g.verify(ctx, ring, name, create)
	})
	select {
	case r := <-flight:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*bucket), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot open bucket %s: %w", name, ctx.Err())
	}
}

// reach is a Backend that knows whether its last request found a way to the store.
type reach interface{ Unreachable() bool }

func (g *gate) unreachable() bool {
	b, ok := g.backend.(reach)
	return ok && b.Unreachable()
}

// known returns a state that is still trusted.
func (g *gate) known(ring keyring, name string) *bucket {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.buckets[name]; e != nil && e.state != nil && e.ring == ring && g.now().Sub(e.verified) < stateTTL {
		return e.state
	}
	return nil
}

// verify reads a bucket's state and remembers the outcome.
func (g *gate) verify(ctx context.Context, ring keyring, name string, create bool) (*bucket, error) {
	g.mu.Lock()
	var before gateEntry
	if e := g.buckets[name]; e != nil {
		before = *e
	}
	g.mu.Unlock()
	began := g.now()
	b, err := g.settle(ctx, ring, name)
	if err == nil && b.closing && create {
		b, err = g.reopen(ctx, ring, name, b, before)
	}
	if errors.Is(err, errNoState) {
		b, err = g.initialise(ctx, ring, name, create, before.seen)
	}
	if backendKind(err) == backend.NoBucket {
		g.forget(name)
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.buckets[name]
	if err == nil && b.fresh && now != nil && now.state != nil && now.state != before.state {
		return b, nil // it was empty when it was looked at, and others know more
	}
	last := before.last
	if now != nil && now.last != nil {
		last = now.last
	}
	entry := &gateEntry{seen: before.seen || now != nil && now.seen}
	switch {
	case err == nil && b.closing:
		entry = before.closes(b.etag, began)
	case errors.Is(err, errClosing):
		var c *closingError
		if errors.As(err, &c) {
			entry = before.closes(c.etag, began)
		}
	case err == nil && !b.fresh:
		entry = &gateEntry{ring: ring, verified: began, stood: began, state: b, seen: true}
		b.fenced = &fence{gate: g, ring: ring, name: name, id: b.id, namer: b.namer}
	}
	switch {
	case err != nil:
		entry.last = last
	case b.fresh:
		entry.fresh = true
	default:
		entry.last = b
	}
	g.buckets[name] = entry
	if err != nil {
		return nil, fmt.Errorf("cannot open bucket %s: %w", name, err)
	}
	return b, nil
}

// bucketSet is a list of buckets in the configuration. "*" in it stands for all.
type bucketSet map[string]bool

func newBucketSet(names []string) bucketSet {
	set := bucketSet{}
	for _, n := range names {
		set[n] = true
	}
	return set
}

func (s bucketSet) has(bucket string) bool { return s[bucket] || s["*"] }

// forget drops a bucket that does not exist, so that names clients make up do
// not pile up here.
func (g *gate) forget(name string) {
	g.mu.Lock()
	delete(g.buckets, name)
	g.mu.Unlock()
}
