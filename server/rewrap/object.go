package rewrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/reblock"
)

// errFolder: the store gives all folder markers one ETag, so none can be replaced without
// the risk of losing what a client writes in its place meanwhile.
var errFolder = errors.New("it is a folder marker")

var errEmpty = fmt.Errorf("%w: the object is empty", format.ErrForeign)

// object brings one object under the active key.
func (r *Run) object(ctx context.Context, e backend.Entry) Outcome {
	key, err := r.state.name(e.Key)
	if err != nil {
		return Outcome{Key: e.Key, Size: e.Size, Kind: Unreadable, Err: err}
	}
	var o Outcome
	var mine []byte // the block of the last try: a lost answer may hide a success
	for range maxTries {
		var again bool
		o, again = r.try(ctx, e, key, &mine)
		if !again {
			break
		}
	}
	return o
}

// try reads the block and replaces it; key is the client's name of the object. again:
// the object is another one now.
func (r *Run) try(ctx context.Context, e backend.Entry, key string, mine *[]byte) (o Outcome, again bool) {
	o = Outcome{Key: key, Size: e.Size}
	as := func(kind Kind, err error) (Outcome, bool) {
		o.Kind, o.Err = kind, err
		return o, kind == Changed
	}
	b, err := r.readBlock(ctx, e.Key, "")
	switch {
	case backend.KindOf(err) == backend.NotFound:
		return as(Gone, nil)
	case errors.Is(err, backend.ErrRange):
		return as(Unreadable, errEmpty)
	case errors.Is(err, reblock.ErrSourceChanged):
		return as(Changed, err)
	case errors.Is(err, format.ErrUnsupported):
		o.Size = b.obj.Size
		return as(Unreadable, err)
	case err != nil:
		return as(Failed, err)
	}
	o.Size = b.obj.Size
	o.withKey(b.block)
	where, err := format.NewContext(r.state.BucketID, key)
	if err != nil {
		return as(Unreadable, fmt.Errorf("%w: %w", format.ErrForeign, err)) // no writer could have sealed it
	}
	id, err := b.open(r.ring, where)
	switch {
	case err != nil:
		return as(Unreadable, err)
	case *mine != nil && bytes.Equal(b.block, *mine):
		return as(Rewrapped, nil)
	case id == r.state.active:
		return as(Current, nil)
	case r.cfg.Survey:
		return as(Older, nil)
	}
	if b.folder {
		return as(Held, errFolder)
	}
	if *mine, err = b.reblock(r.ring, where); err != nil {
		return as(Failed, err)
	}
	parts := b.multipart() || b.obj.Size > whole
	if err := r.prove(ctx, parts); errors.Is(err, ErrNoConditions) {
		return as(Held, err)
	} else if err != nil {
		return as(Failed, err)
	}
	with, err := r.attributes(ctx, e.Key, b.obj, parts)
	switch {
	case errors.Is(err, reblock.ErrSourceChanged):
		return as(Changed, err)
	case errors.Is(err, errNotKept):
		return as(Held, err)
	case err != nil:
		return as(Failed, err)
	}
	if b.obj.Hint != nil && !b.multipart() {
		with.BlockHint = backend.Hint(*mine)
	}
	move := r.mover.Move
	if b.multipart() {
		move = r.mover.MoveTail
	}
	_, err = move(ctx,
		reblock.Source{Bucket: r.cfg.Bucket, Key: e.Key, Size: b.obj.Size, BlockSize: len(b.block), ETag: b.obj.ETag},
		reblock.Destination{Bucket: r.cfg.Bucket, Key: e.Key, Block: *mine, Cond: backend.Conditions{IfMatch: b.obj.ETag, Attributes: with}})
	switch {
	case err == nil:
		o.KeyID = r.state.active
		if !r.locked(ctx, e.Key, with) {
			return as(Failed, errLockLost)
		}
		return as(Rewrapped, nil)
	case lost(err) || errors.Is(err, reblock.ErrSourceChanged):
		return as(Changed, err)
	case refused(err, with):
		return as(Held, fmt.Errorf("%w: %w", errLocked, err))
	}
	return as(Failed, err) // old or new, nobody knows: the next run will see
}
