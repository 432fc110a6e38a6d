package rewrap

import (
	"bytes"
	"context"
	"fmt"
	"maps"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// Retire takes key id out of the bucket's state, so that a ring without it is
// served again. It surveys the bucket first and changes nothing unless that was a
// whole walk that found the key retirable; report is that survey's. An upload that
// began before the rotation and ends after the walk would still be under the key:
// it stays readable only with a ring that has it, so the master must be kept.
//
// cfg is as for Prepare; Survey is implied. Errors: those of Prepare and Walk,
// ErrInUse, ErrKeys if the ring's active key is not the bucket's.
func Retire(ctx context.Context, cfg Config, id format.KeyID) (report Report, err error) {
	cfg.Survey = true
	r, err := Prepare(ctx, cfg)
	if err != nil {
		return report, err
	}
	// A ring that would make another key active may be one that is behind: with it a
	// proxy would record the key again.
	if active, err := cfg.Ring.Active(); err != nil || active != r.state.active {
		return report, fmt.Errorf("cannot retire key %s: %w: the bucket's active key is %s, the ring's is %s", id, ErrKeys, r.state.active, active)
	}
	if report, err = r.Walk(ctx); err != nil {
		return report, err
	}
	for _, k := range report.Keys {
		if k.ID == id.String() && k.Retirable {
			return report, r.retire(ctx, id)
		}
	}
	return report, fmt.Errorf("cannot retire key %s: %w", id, ErrInUse)
}

// retire replaces exactly the state that the walk began with.
func (r *Run) retire(ctx context.Context, id format.KeyID) error {
	next := r.state.State
	next.Keys = maps.Clone(next.Keys)
	delete(next.Keys, id)
	object, err := format.SealState(r.ring, next)
	if err != nil {
		return fmt.Errorf("cannot retire key %s: %w", id, err)
	}
	if r.state.etag == "" {
		return fmt.Errorf("cannot retire key %s: %w: the state has no ETag", id, ErrNoConditions)
	}
	ctx, r.end = context.WithCancelCause(ctx)
	defer r.end(nil)
	r.sweep(ctx)
	if err := r.prove(ctx, false); err != nil {
		return fmt.Errorf("cannot retire key %s: %w", id, err)
	}
	_, err = r.cfg.Store.Put(ctx, r.cfg.Bucket, format.StateKey, bytes.NewReader(object), int64(len(object)), backend.Conditions{IfMatch: r.state.etag})
	// What counts is what the store keeps, be an answer lost or a race.
	st, rerr := readState(ctx, r.cfg.Store, r.cfg.Ring, r.cfg.Bucket)
	if rerr != nil {
		return fmt.Errorf("cannot retire key %s: %w", id, rerr)
	}
	if _, still := st.Keys[id]; !still {
		return nil
	}
	if err == nil || lost(err) {
		err = ErrRotated
	}
	return fmt.Errorf("cannot retire key %s: %w", id, err)
}
