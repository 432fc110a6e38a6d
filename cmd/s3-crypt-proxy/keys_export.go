package main

import (
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/export"
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
	next, err := export.Keyring(ring)
	if err != nil {
		return err
	}
	k.take(ring.Generation, next)
	return nil
}
