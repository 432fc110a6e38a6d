package rewrap

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// foreignETag is an entity tag that nothing we write has.
const foreignETag = `"00000000000000000000000000000000"`

// scratchPrefix begins the names of objects that proofs are made on. They belong to
// the proxy, so no client can see one.
const scratchPrefix = format.ReservedPrefix + "rewrap-"

// proof is a fact about the store, found out when the first write needs it. A store
// that failed meanwhile has proved nothing: then the next write asks again.
type proof struct {
	mu   sync.Mutex
	done bool
	err  error
}

func (p *proof) once(find func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.done {
		p.err = find()
		p.done = p.err == nil || errors.Is(p.err, ErrNoConditions) || errors.Is(p.err, errNotKept)
	}
	return p.err
}

// prove shows, on an object of our own, that the store refuses a write whose
// If-Match does not hold: as a PUT, and as a multipart upload if the object needs one.
func (r *Run) prove(ctx context.Context, parts bool) error {
	err := r.proofs.put.once(func() error { return r.onScratch(ctx, r.provePut) })
	if errors.Is(err, ErrNoConditions) {
		r.end(err) // no write could ever be safe
	}
	if err != nil || !parts {
		return err
	}
	return r.proofs.parts.once(func() error { return r.onScratch(ctx, r.proveParts) })
}

// onScratch runs a proof on an object of our own, and removes it.
func (r *Run) onScratch(ctx context.Context, proof func(ctx context.Context, key string) error) error {
	var id [8]byte
	rand.Read(id[:])
	key := scratchPrefix + hex.EncodeToString(id[:])
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		if err := r.cfg.Store.Delete(ctx, r.cfg.Bucket, key); err != nil {
			r.cfg.Warn(fmt.Errorf("cannot remove %s, which may be deleted: %w", key, err))
		}
	}()
	if err := r.putScratch(ctx, key, backend.Conditions{}); err != nil {
		return err
	}
	return proof(ctx, key)
}

func (r *Run) putScratch(ctx context.Context, key string, cond backend.Conditions) error {
	body := []byte("may be deleted\n")
	if _, err := r.cfg.Store.Put(ctx, r.cfg.Bucket, key, bytes.NewReader(body), int64(len(body)), cond); err != nil {
		return fmt.Errorf("cannot try the store's conditions: %w", err)
	}
	return nil
}

// sweep removes what a run that was killed left of its proofs. What is younger may
// belong to a run beside this one.
func (r *Run) sweep(ctx context.Context) {
	page, err := r.cfg.Store.List(ctx, r.cfg.Bucket, backend.ListOptions{Prefix: scratchPrefix, MaxKeys: pageSize})
	if err != nil {
		return // the walk will say so
	}
	for _, e := range page.Objects {
		if !strings.HasPrefix(e.Key, scratchPrefix) || r.cfg.clock.now().Sub(e.LastModified) < scratchLife {
			continue
		}
		if err := r.cfg.Store.Delete(ctx, r.cfg.Bucket, e.Key); err != nil {
			r.cfg.Warn(fmt.Errorf("cannot remove %s, which may be deleted: %w", e.Key, err))
		}
	}
}

func (r *Run) provePut(ctx context.Context, key string) error {
	body := []byte("must be refused\n")
	_, err := r.cfg.Store.Put(ctx, r.cfg.Bucket, key, bytes.NewReader(body), int64(len(body)), backend.Conditions{IfMatch: foreignETag})
	return refusal("PutObject", err)
}

func (r *Run) proveParts(ctx context.Context, key string) error {
	return refusal("CompleteMultipartUpload", r.uploadScratch(ctx, key, backend.Conditions{IfMatch: foreignETag}))
}

// uploadScratch is putScratch by an upload; its error is the store's.
func (r *Run) uploadScratch(ctx context.Context, key string, cond backend.Conditions) error {
	store, body := r.cfg.Store, []byte("may be deleted\n")
	id, err := store.CreateUploadWith(ctx, r.cfg.Bucket, key, cond.Attributes)
	if err != nil {
		return &preparing{err}
	}
	made := false
	defer func() {
		if made {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		if aerr := store.AbortUpload(ctx, r.cfg.Bucket, key, id); aerr != nil {
			r.cfg.Warn(fmt.Errorf("cannot remove an upload of %s: %w", key, aerr))
		}
	}()
	tag, err := store.UploadPart(ctx, r.cfg.Bucket, key, id, 1, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return &preparing{err}
	}
	_, err = store.CompleteUpload(ctx, r.cfg.Bucket, key, id, []backend.Part{{N: 1, ETag: tag}}, cond)
	made = err == nil
	return err
}

// preparing is the error of a call before the one that a condition is for: it proves
// nothing, whatever it says.
type preparing struct{ err error }

func (p *preparing) Error() string { return p.err.Error() }
func (p *preparing) Unwrap() error { return p.err }

// refusal turns the outcome of a write that must be refused into a proof.
func refusal(op string, err error) error {
	if err == nil {
		return fmt.Errorf("%w: not for %s", ErrNoConditions, op)
	}
	var e *backend.Error
	var early *preparing
	if errors.As(err, &e) && !errors.As(err, &early) && !e.Unsure && (e.Kind == backend.Precondition || e.Kind == backend.Conflict) {
		return nil
	}
	return fmt.Errorf("cannot try the store's conditions: %w", err)
}
