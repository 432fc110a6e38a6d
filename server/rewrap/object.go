package rewrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/reblock"
)

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
	obj, block, err := r.readBlock(ctx, e.Key)
	switch {
	case backend.KindOf(err) == backend.NotFound:
		return as(Gone, nil)
	case errors.Is(err, backend.ErrRange):
		return as(Unreadable, errEmpty)
	case err != nil:
		return as(Failed, err)
	}
	o.Size = obj.Size
	o.withKey(block)
	where, err := format.NewContext(r.state.BucketID, key)
	if err != nil {
		return as(Unreadable, fmt.Errorf("%w: %w", format.ErrForeign, err)) // no writer could have sealed it
	}
	opener, err := format.OpenBlock(r.ring, where, block, obj.Size)
	switch {
	case err != nil:
		return as(Unreadable, err)
	case *mine != nil && bytes.Equal(block, *mine):
		return as(Rewrapped, nil)
	case opener.KeyID() == r.state.active:
		return as(Current, nil)
	case r.cfg.Survey:
		return as(Older, nil)
	}
	if *mine, err = format.Reblock(r.ring, where, where, block, obj.Size, nil, 0); err != nil {
		return as(Failed, err)
	}
	if err := r.prove(ctx, obj.Size); err != nil {
		return as(Failed, err)
	}
	_, err = r.mover.Move(ctx,
		reblock.Source{Bucket: r.cfg.Bucket, Key: e.Key, Size: obj.Size, BlockSize: len(block), ETag: obj.ETag},
		reblock.Destination{Bucket: r.cfg.Bucket, Key: e.Key, Block: *mine, Cond: backend.Conditions{IfMatch: obj.ETag}})
	switch {
	case err == nil:
		o.KeyID = r.state.active
		return as(Rewrapped, nil)
	case lost(err) || errors.Is(err, reblock.ErrSourceChanged):
		return as(Changed, err)
	}
	return as(Failed, err) // old or new, nobody knows: the next run will see
}

// readBlock fetches what should be an object's block.
func (r *Run) readBlock(ctx context.Context, key string) (*backend.Object, []byte, error) {
	size := int64(r.state.Settings.BlockSize)
	obj, err := r.cfg.Store.Get(ctx, r.cfg.Bucket, key, backend.GetOptions{Range: &backend.Range{First: 0, Last: size - 1}})
	if err != nil {
		return nil, nil, err
	}
	defer obj.Body.Close()
	block := make([]byte, min(size, obj.Length))
	if _, err := io.ReadFull(obj.Body, block); err != nil {
		return nil, nil, err
	}
	return obj, block, nil
}
