package remote

import (
	"errors"
	"fmt"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// Asker derives at the agent; *keyagent.Client is one. It is safe for concurrent use.
type Asker interface {
	Derive(id [8]byte, request []byte) ([]byte, error)
}

// Ring is a ring whose masters are at the key agent.
type Ring struct {
	ask     Asker
	keys    []keyagent.KeyName // active first
	observe func(time.Duration, error)
}

// NewRing makes the ring of names, which must not be empty. observe, if not nil, is told how long each derivation took
// and how it ended; it is called from many goroutines.
func NewRing(ask Asker, names keyagent.Names, observe func(time.Duration, error)) (*Ring, error) {
	r := &Ring{ask: ask, observe: observe}
	for _, k := range names.Keys {
		if k.Active {
			r.keys = append([]keyagent.KeyName{k}, r.keys...)
		} else {
			r.keys = append(r.keys, k)
		}
	}
	if len(r.keys) == 0 || !r.keys[0].Active {
		return nil, fmt.Errorf("cannot make a ring: there is no active key: %w", format.ErrNoKey)
	}
	if r.observe == nil {
		r.observe = func(time.Duration, error) {}
	}
	return r, nil
}

// Active returns the id of the active key.
func (r *Ring) Active() (format.KeyID, error) { return r.keys[0].ID, nil }

// IDs returns the ids of all keys, the active one first, in a slice of the caller's own.
func (r *Ring) IDs() []format.KeyID {
	ids := make([]format.KeyID, len(r.keys))
	for i := range r.keys {
		ids[i] = r.keys[i].ID
	}
	return ids
}

// KVT returns the key verification tag of key id and whether the ring has that key.
func (r *Ring) KVT(id format.KeyID) ([32]byte, bool) {
	for i := range r.keys {
		if r.keys[i].ID == id {
			return r.keys[i].KVT, true
		}
	}
	return [32]byte{}, false
}

// BlockKeys implements format.Ring.
func (r *Ring) BlockKeys(id format.KeyID, head [headSize]byte, where format.Context) (format.BlockKeys, error) {
	answer, err := r.derive(id, blockKind, head[:], where)
	if err != nil {
		return format.BlockKeys{}, err
	}
	defer clear(answer)
	return parseBlockKeys(answer)
}

// UploadKeys implements format.UploadRing.
func (r *Ring) UploadKeys(id format.KeyID, salt [saltSize]byte, where format.Context) (format.UploadKeys, error) {
	answer, err := r.derive(id, uploadKind, salt[:], where)
	if err != nil {
		return format.UploadKeys{}, err
	}
	defer clear(answer)
	return parseUploadKeys(answer)
}

func (r *Ring) derive(id format.KeyID, kind byte, param []byte, where format.Context) ([]byte, error) {
	if _, ok := r.KVT(id); !ok {
		return nil, fmt.Errorf("%w: %s", format.ErrKeyUnknown, id)
	}
	request, err := appendRequest(kind, param, where)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	answer, err := r.ask.Derive(id, request)
	r.observe(time.Since(began), err)
	switch {
	case errors.Is(err, keyagent.ErrUnknownKey):
		return nil, fmt.Errorf("%w: %s: %w", format.ErrKeyUnknown, id, err)
	case err != nil:
		// Whatever it is, there is no key now; the client tries again.
		return nil, fmt.Errorf("%w: %w", format.ErrNoKey, err)
	}
	return answer, nil
}

// Format prints the ids whatever the verb.
func (r *Ring) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "remote.Ring%v", r.IDs()) }
