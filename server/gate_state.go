package server

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// keyring is what the gate needs of a ring; *format.Keyring is one. Rings are
// compared by identity, so their dynamic type is a pointer.
type keyring interface {
	format.Ring
	IDs() []format.KeyID
	KVT(id format.KeyID) ([32]byte, bool)
}

// errNoState: the backend says that the state object does not exist.
var errNoState = errors.New("no state object")

// bucketState is a state as it is stored. The key that seals the stored object is
// the bucket's active key (SPEC.md section 11): all proxies see one, whatever
// their rings say, and it changes with the state, by one conditional write.
type bucketState struct {
	format.State
	active format.KeyID
	etag   string
	object []byte // as read
}

// read fetches a bucket's state and opens it.
func (g *gate) read(ctx context.Context, ring keyring, name string) (*bucketState, error) {
	obj, err := g.backend.Get(ctx, name, format.StateKey, backend.GetOptions{})
	switch {
	case backendKind(err) == backend.NotFound:
		return nil, errNoState
	case err != nil:
		return nil, err
	}
	defer obj.Body.Close()
	if obj.Size > maxState {
		return nil, fmt.Errorf("cannot read the state object: %w: it has %d bytes", format.ErrIntegrity, obj.Size)
	}
	st := &bucketState{etag: obj.ETag}
	if st.object, err = io.ReadAll(io.LimitReader(obj.Body, maxState)); err != nil {
		return nil, err
	}
	if st.State, err = format.OpenState(ring, st.object); err != nil {
		return nil, err
	}
	h, err := format.ParseHeader(st.object) // authentic: it has just opened
	if err != nil {
		return nil, err
	}
	st.active = h.KeyID
	return st, nil
}

// verify checks a state against a bucket's name and a ring. The ring must hold
// each key that ever sealed here: a proxy that could read only some of a bucket
// would say so object by object, too late.
func (st *bucketState) verify(ring keyring, name string) (*bucket, error) {
	if !slices.Contains(st.Names, name) {
		return nil, errStateName
	}
	for _, id := range st.recorded() {
		want := st.Keys[id]
		have, ok := ring.KVT(id)
		if !ok {
			return nil, fmt.Errorf("%w: the state records key %s, which is not loaded", errStateKey, id)
		}
		if subtle.ConstantTimeCompare(want[:], have[:]) != 1 {
			return nil, fmt.Errorf("%w: another key than the loaded one has the id %s in the state", errStateKey, id)
		}
	}
	if st.Settings.Segment != format.SegmentSize {
		return nil, errStateLayout
	}
	b := &bucket{id: st.BucketID, blockSize: st.Settings.BlockSize, active: st.active, closing: st.Closing, etag: st.etag, padded: st.Settings.Padding}
	if st.Settings.NameEncryption {
		var err error
		if b.namer, err = format.NewNamer(st.BucketID, st.NameKey); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// asConfigured refuses a bucket that lacks what the configuration says of it by its
// name: who trusts in that must not go on without it.
func (g *gate) asConfigured(b *bucket, name string) error {
	switch {
	case b.namer == nil && g.seals[name]:
		return errStateNames
	case !b.padded && g.pads[name]:
		return errStatePadding
	}
	return nil
}

// recorded are the ids of the state's keys, in order.
func (st *bucketState) recorded() []format.KeyID {
	ids := make([]format.KeyID, 0, len(st.Keys))
	for id := range st.Keys {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b format.KeyID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}
