package main

import (
	"fmt"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// Mode export: the masters come over the socket, for as long as deriving takes;
// what is derived stays here.

// apply takes a ring over; keyagent.Client.Run calls it, never twice at once. On
// an error the keys in use stay.
func (k *keys) apply(ring keyagent.Ring) error {
	if len(ring.Keys) == 0 {
		k.clear(ring.Generation)
		return nil
	}
	next, err := keyring(ring)
	if err != nil {
		return err
	}
	k.take(ring.Generation, next)
	return nil
}

// keyring derives what the proxy needs of each master. The masters stay the
// caller's.
func keyring(ring keyagent.Ring) (*format.Keyring, error) {
	var active *format.Keys
	var older []*format.Keys
	defer func() { // the keyring has copies
		for _, k := range append(older, active) {
			if k != nil {
				k.Wipe()
			}
		}
	}()
	for i, k := range ring.Keys {
		var derived *format.Keys
		var err error
		if useErr := k.Master.Use(func(master []byte) { derived, err = format.DeriveKeys(master) }); useErr != nil {
			err = useErr
		}
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		switch {
		case !k.Active:
			older = append(older, derived)
		case active == nil:
			active = derived
		default:
			derived.Wipe()
			return nil, fmt.Errorf("key %d: there is another active key", i)
		}
	}
	return format.NewKeyring(active, older...)
}
