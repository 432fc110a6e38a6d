package reblock

import (
	"bytes"
	"context"
	"fmt"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// whole stores an object that is in memory.
func (m *Mover) whole(ctx context.Context, to Destination, object []byte) (w backend.Written, err error) {
	if err := m.cfg.Spend(ctx, int64(len(object))); err != nil {
		return w, err
	}
	return m.cfg.Store.Put(ctx, to.Bucket, to.Key, bytes.NewReader(object), int64(len(object)), to.Cond)
}

// parts lets the store move a large object: part 1 is front, the new block and
// the first bytes of the body; the rest is copied where it lies. Every piece is
// bound to the ETag that the block was read under.
func (m *Mover) parts(ctx context.Context, from Source, to Destination, front []byte) (w backend.Written, err error) {
	if err := m.cfg.Spend(ctx, int64(len(front))); err != nil {
		return w, err
	}
	store := m.cfg.Store
	id, err := store.CreateUploadWith(ctx, to.Bucket, to.Key, to.Cond.Attributes)
	if err != nil {
		return w, err
	}
	defer func() {
		if err != nil {
			m.abort(ctx, to, id)
		}
	}()
	tag, err := store.UploadPart(ctx, to.Bucket, to.Key, id, 1, bytes.NewReader(front), int64(len(front)))
	if err != nil {
		return w, err
	}
	source := backend.CopySource{Bucket: from.Bucket, Key: from.Key, Version: from.Version, IfMatch: from.ETag}
	parts := []backend.Part{{N: 1, ETag: tag}}
	for at := int64(from.BlockSize) + minPart; at < from.Size; {
		end := min(at+copyPart, from.Size)
		if from.Size-end < minPart {
			end = from.Size // no crumb behind the last cut
		}
		if err := m.cfg.Spend(ctx, end-at); err != nil {
			return w, err
		}
		n := len(parts) + 1
		tag, err := store.CopyPart(ctx, to.Bucket, to.Key, id, n, source, backend.Range{First: at, Last: end - 1})
		if backend.KindOf(err) == backend.Precondition {
			return w, fmt.Errorf("cannot move: %w: %w", ErrSourceChanged, err)
		}
		if err != nil {
			return w, err
		}
		parts = append(parts, backend.Part{N: n, ETag: tag})
		at = end
	}
	return store.CompleteUpload(ctx, to.Bucket, to.Key, id, parts, to.Cond)
}

// abort removes an upload's parts, also when the move was cancelled.
func (m *Mover) abort(ctx context.Context, to Destination, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	if err := m.cfg.Store.AbortUpload(ctx, to.Bucket, to.Key, id); err != nil {
		m.cfg.Left(err)
	}
}
