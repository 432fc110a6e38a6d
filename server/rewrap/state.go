package rewrap

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// bucketState is the bucket's sealed state as a run needs it.
type bucketState struct {
	format.State
	active format.KeyID // the key that seals the state: the bucket's active one
	etag   string
	namer  *format.Namer // nil: names are stored as they are
}

// name is what clients call the object that is stored under a name.
func (st *bucketState) name(stored string) (string, error) {
	if st.namer == nil {
		return stored, nil
	}
	return st.namer.Open(stored)
}

// readState opens the state and compares its keys with the ring's. Keys that the
// ring lacks are no error here: what is under them is reported as unreadable.
func readState(ctx context.Context, store Store, ring Ring, bucket string) (*bucketState, error) {
	fail := func(kind, err error) (*bucketState, error) {
		return nil, fmt.Errorf("cannot open bucket %s: %w: %w", bucket, kind, err)
	}
	obj, err := store.Get(ctx, bucket, format.StateKey, backend.GetOptions{})
	if backend.KindOf(err) == backend.NotFound {
		return fail(ErrState, errors.New("it has none"))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open bucket %s: %w", bucket, err)
	}
	defer obj.Body.Close()
	if obj.Size > maxState {
		return fail(ErrState, fmt.Errorf("it has %d bytes", obj.Size))
	}
	object, err := io.ReadAll(io.LimitReader(obj.Body, maxState))
	if err != nil {
		return nil, fmt.Errorf("cannot open bucket %s: %w", bucket, err)
	}
	st := &bucketState{etag: obj.ETag}
	if st.State, err = format.OpenState(ring, object); errors.Is(err, format.ErrKeyUnknown) {
		return fail(ErrKeys, err)
	} else if err != nil {
		return fail(ErrState, err)
	}
	if !slices.Contains(st.Names, bucket) {
		return fail(ErrState, errors.New("it belongs to another bucket"))
	}
	h, err := format.ParseHeader(object) // authentic: it has just opened
	if err != nil {
		return fail(ErrState, err)
	}
	st.active = h.KeyID
	if st.Settings.NameEncryption {
		if st.namer, err = format.NewNamer(st.BucketID, st.NameKey); err != nil {
			return fail(ErrState, err)
		}
	}
	for id, want := range st.Keys {
		if have, ok := ring.KVT(id); ok && subtle.ConstantTimeCompare(want[:], have[:]) != 1 {
			return fail(ErrKeys, fmt.Errorf("another key than the loaded one has the id %s there", id))
		}
	}
	return st, nil
}

// boundRing is a ring whose active key is the bucket's.
type boundRing struct {
	Ring
	active format.KeyID
}

func (r *boundRing) Active() (format.KeyID, error) { return r.active, nil }
