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

// pieces of an object that the store puts together: bytes from here in front, a range
// of the source, bytes from here at the end. Every one but the last has minPart.
type pieces struct {
	front, back []byte
	first, last int64 // stored bytes of the source, last is behind them
}

// parts lets the store make a large object of pieces. Every piece is bound to the
// ETag that the block was read under.
func (m *Mover) parts(ctx context.Context, from Source, to Destination, p pieces) (w backend.Written, err error) {
	if err := m.cfg.Spend(ctx, int64(len(p.front)+len(p.back))); err != nil {
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
	source := backend.CopySource{Bucket: from.Bucket, Key: from.Key, Version: from.Version, IfMatch: from.ETag}
	var parts []backend.Part
	upload := func(b []byte) error {
		if len(b) == 0 {
			return nil
		}
		n := len(parts) + 1
		tag, err := store.UploadPart(ctx, to.Bucket, to.Key, id, n, bytes.NewReader(b), int64(len(b)))
		parts = append(parts, backend.Part{N: n, ETag: tag})
		return err
	}
	if err := upload(p.front); err != nil {
		return w, err
	}
	for at := p.first; at < p.last; {
		end := min(at+copyPart, p.last)
		if p.last-end < minPart {
			end = p.last // no crumb behind the last cut
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
	if err := upload(p.back); err != nil {
		return w, err
	}
	if p.first < p.last {
		if err := Unchanged(ctx, store, source, from.Size); err != nil {
			return w, fmt.Errorf("cannot move: %w", err)
		}
	}
	return store.CompleteUpload(ctx, to.Bucket, to.Key, id, parts, to.Cond)
}

// Reader is what Unchanged needs of a store.
type Reader interface {
	Get(ctx context.Context, bucket, key string, opt backend.GetOptions) (*backend.Object, error)
}

// Unchanged returns nil if a source of so many stored bytes still is the object of
// source.IfMatch. Not every store honours a condition on a copy: what it copied before
// this was of that object, as no two sealed objects have one ETag. Else ErrSourceChanged,
// or the store's error.
func Unchanged(ctx context.Context, store Reader, source backend.CopySource, size int64) error {
	obj, err := store.Get(ctx, source.Bucket, source.Key, backend.GetOptions{Range: &backend.Range{}, IfMatch: source.IfMatch, Version: source.Version})
	switch kind := backend.KindOf(err); {
	case kind == backend.Precondition || kind == backend.NotFound:
		return fmt.Errorf("%w: %w", ErrSourceChanged, err)
	case err != nil:
		return err
	}
	obj.Body.Close()
	if obj.ETag != source.IfMatch || obj.Size != size {
		return ErrSourceChanged
	}
	return nil
}

// abort removes an upload's parts, also when the move was cancelled.
func (m *Mover) abort(ctx context.Context, to Destination, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	if err := m.cfg.Store.AbortUpload(ctx, to.Bucket, to.Key, id); err != nil {
		m.cfg.Left(err)
	}
}
