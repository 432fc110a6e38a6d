package main

import (
	"errors"
	"fmt"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/remote"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server"
)

// Mode agent: the masters, and what is derived of them for all objects, stay with
// the key holder. Here are the names of the keys; the keys of a block come over
// the socket when they are needed.

// applyNames takes the names of a ring over; keyagent.Client.Watch calls it, never
// twice at once. On an error the keys in use stay.
func (k *keys) applyNames(ask remote.Asker, names keyagent.Names) error {
	if len(names.Keys) == 0 {
		k.clear(names.Generation)
		return nil
	}
	next, err := remote.NewRing(ask, names, k.asked)
	if err != nil {
		return err
	}
	k.take(names.Generation, &askedRing{next})
	return nil
}

// askedRing tells a key holder that cannot be asked from one that has no key.
type askedRing struct{ *remote.Ring }

func (r *askedRing) BlockKeys(id format.KeyID, head [54]byte, where format.Context) (format.BlockKeys, error) {
	keys, err := r.Ring.BlockKeys(id, head, where)
	return keys, unavailable(err)
}

func (r *askedRing) UploadKeys(id format.KeyID, salt [24]byte, where format.Context) (format.UploadKeys, error) {
	keys, err := r.Ring.UploadKeys(id, salt, where)
	return keys, unavailable(err)
}

func unavailable(err error) error {
	for _, reason := range []error{keyagent.ErrUnavailable, keyagent.ErrBusy, keyagent.ErrBadRequest} {
		if errors.Is(err, reason) {
			return fmt.Errorf("%w: %w", server.ErrKeysUnavailable, err)
		}
	}
	return err
}
