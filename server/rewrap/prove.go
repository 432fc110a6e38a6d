package rewrap

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// foreignETag is an entity tag that nothing we write has.
const foreignETag = `"00000000000000000000000000000000"`

// proofs are found out once, when the first write needs them. A failure is kept:
// without the first one the run ends, without the second large objects stay.
type proofs struct {
	put, parts sync.Once
	putErr     error
	partsErr   error
}

// prove shows, on an object of our own, that the store refuses a write whose
// If-Match does not hold: as a PUT, and as a multipart upload if size needs one.
func (r *Run) prove(ctx context.Context, size int64) error {
	r.proofs.put.Do(func() { r.proofs.putErr = r.onScratch(ctx, r.provePut) })
	if err := r.proofs.putErr; err != nil {
		r.end(err) // no write could ever be safe
		return err
	}
	if size <= whole {
		return nil
	}
	r.proofs.parts.Do(func() { r.proofs.partsErr = r.onScratch(ctx, r.proveParts) })
	return r.proofs.partsErr
}

// onScratch runs a proof on an object that belongs to the proxy by its name, which
// no client can see, and removes it.
func (r *Run) onScratch(ctx context.Context, proof func(ctx context.Context, key string) error) error {
	var id [8]byte
	rand.Read(id[:])
	key := format.ReservedPrefix + "rewrap-" + hex.EncodeToString(id[:])
	body := []byte("may be deleted\n")
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		if err := r.cfg.Store.Delete(ctx, r.cfg.Bucket, key); err != nil {
			r.cfg.Warn(fmt.Errorf("cannot remove %s, which may be deleted: %w", key, err))
		}
	}()
	if _, err := r.cfg.Store.Put(ctx, r.cfg.Bucket, key, bytes.NewReader(body), int64(len(body)), backend.Conditions{}); err != nil {
		return fmt.Errorf("cannot try the store's conditions: %w", err)
	}
	return proof(ctx, key)
}

func (r *Run) provePut(ctx context.Context, key string) error {
	body := []byte("must be refused\n")
	_, err := r.cfg.Store.Put(ctx, r.cfg.Bucket, key, bytes.NewReader(body), int64(len(body)), backend.Conditions{IfMatch: foreignETag})
	return refusal("PutObject", err)
}

func (r *Run) proveParts(ctx context.Context, key string) (err error) {
	store, body := r.cfg.Store, []byte("must be refused\n")
	id, err := store.CreateUploadWith(ctx, r.cfg.Bucket, key, backend.Attributes{})
	if err != nil {
		return fmt.Errorf("cannot try the store's conditions: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		if aerr := store.AbortUpload(ctx, r.cfg.Bucket, key, id); aerr != nil {
			r.cfg.Warn(fmt.Errorf("cannot remove an upload of %s: %w", key, aerr))
		}
	}()
	tag, err := store.UploadPart(ctx, r.cfg.Bucket, key, id, 1, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return fmt.Errorf("cannot try the store's conditions: %w", err)
	}
	_, err = store.CompleteUpload(ctx, r.cfg.Bucket, key, id, []backend.Part{{N: 1, ETag: tag}}, backend.Conditions{IfMatch: foreignETag})
	return refusal("CompleteMultipartUpload", err)
}

// refusal turns the outcome of a write that must be refused into a proof.
func refusal(op string, err error) error {
	if err == nil {
		return fmt.Errorf("%w: not for %s", ErrNoConditions, op)
	}
	var e *backend.Error
	if errors.As(err, &e) && !e.Unsure && (e.Kind == backend.Precondition || e.Kind == backend.Conflict) {
		return nil
	}
	return fmt.Errorf("cannot try the store's conditions: %w", err)
}
