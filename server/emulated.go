package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// On a store that ignores a condition, the proxy can hold clients' writes to it itself,
// where the operator asked for that: it looks at the object, then writes, while it lets
// no other write of its own at that name. That is no more than it says. Between the look
// and the write stands nobody's lock but this process's: a write through another proxy,
// or past all of them, or one that was cut off here and that the store goes on with, is
// not seen, and is written over. So nothing else may rest on it: not the state of a
// bucket (gate_init.go, gate_rotate.go, gate_close.go), whose loss loses the bucket; not
// append-only clients (createonly.go), whom two proxies would let overwrite; and it is
// used only for a condition that the store was seen to ignore.

// emulation holds conditions for a store that does not. The zero value is off: it takes
// no locks and changes nothing. Safe for concurrent use.
type emulation struct {
	on     bool
	proofs *proofs
	names  nameLocks
}

// write takes the name of an object that is about to be made, until release is called.
// The condition that is left is for the store. A condition that does not hold is refused
// as a store does.
func (e *emulation) write(ctx context.Context, store objects, bucket, name string, cond backend.Conditions, complete bool) (left backend.Conditions, release func(), err error) {
	if !e.on || own(name) {
		return cond, func() {}, nil
	}
	if release, err = e.names.lock(ctx, bucket+"/"+name); err != nil {
		return cond, nil, err
	}
	verb := byPut
	if complete {
		verb = byComplete
	}
	if !cond.IfNoneMatch && cond.IfMatch == "" || !e.proofs.ignored(proof{bucket, cond.IfMatch != "", verb}) {
		return cond, release, nil
	}
	if err = stillHolds(ctx, store, bucket, name, cond); err != nil {
		release()
		return cond, nil, err
	}
	cond.IfNoneMatch, cond.IfMatch = false, ""
	return cond, release, nil
}

// remove is write for a removal.
func (e *emulation) remove(ctx context.Context, store objects, bucket, name string, with backend.DeleteOptions) (left backend.DeleteOptions, release func(), err error) {
	if !e.on || own(name) {
		return with, func() {}, nil
	}
	if release, err = e.names.lock(ctx, bucket+"/"+name); err != nil {
		return with, nil, err
	}
	if with.IfMatch == "" || !e.proofs.ignored(proof{bucket, true, byDelete}) {
		return with, release, nil
	}
	if err = stillHolds(ctx, store, bucket, name, backend.Conditions{IfMatch: with.IfMatch}); err != nil {
		release()
		return with, nil, err
	}
	with.IfMatch = ""
	return with, release, nil
}

// removeMany is remove for a batch without conditions.
func (e *emulation) removeMany(ctx context.Context, bucket string, ids []backend.ObjectID) (release func(), err error) {
	if !e.on {
		return func() {}, nil
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = bucket + "/" + id.Key
	}
	return e.names.lock(ctx, names...)
}

// stillHolds looks whether a condition holds of the object that is there now.
func stillHolds(ctx context.Context, store objects, bucket, name string, cond backend.Conditions) error {
	now, err := store.Head(ctx, bucket, name)
	absent := backendKind(err) == backend.NotFound
	switch {
	case absent && cond.IfMatch == "":
		return nil
	case err != nil:
		return err
	case cond.IfMatch == "" || now.ETag == "" || strings.Trim(now.ETag, `"`) != strings.Trim(cond.IfMatch, `"`):
		return &backend.Error{Kind: backend.Precondition, Op: "HeadObject"}
	}
	return nil
}

// nameLocks are locks by name, which exist while somebody holds or wants them.
type nameLocks struct {
	mu    sync.Mutex
	locks map[string]*nameLock
}

type nameLock struct {
	slot  chan struct{} // of one
	users int           // who hold or want it; guarded by nameLocks.mu
}

// lock takes the locks of all names, in one order for all, so that no two wait for each
// other. release gives them back; it is called once.
func (l *nameLocks) lock(ctx context.Context, names ...string) (release func(), err error) {
	names = slices.Clone(names)
	slices.Sort(names)
	names = slices.Compact(names)
	var held []string
	release = func() {
		for _, n := range held {
			l.leave(n, true)
		}
	}
	for _, n := range names {
		slot := l.enter(n)
		select {
		case slot <- struct{}{}:
			held = append(held, n)
		case <-ctx.Done():
			l.leave(n, false)
			release()
			return nil, fmt.Errorf("cannot wait for another write of the same object: %w", ctx.Err())
		}
	}
	return release, nil
}

func (l *nameLocks) enter(name string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.locks == nil {
		l.locks = map[string]*nameLock{}
	}
	k := l.locks[name]
	if k == nil {
		k = &nameLock{slot: make(chan struct{}, 1)}
		l.locks[name] = k
	}
	k.users++
	return k.slot
}

func (l *nameLocks) leave(name string, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.locks[name]
	if held {
		<-k.slot
	}
	if k.users--; k.users == 0 {
		delete(l.locks, name)
	}
}
