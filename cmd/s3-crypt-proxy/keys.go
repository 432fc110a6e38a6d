package main

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/admin"
)

// loaded is one keyring in use; immutable. A ring that was replaced is not wiped:
// requests hold it to their end, and one that sealed with wiped keys would be lost.
type loaded struct {
	ring *format.Keyring
	at   time.Time
}

// keys is the server's key source: the keyring of the last ring that the key
// holder pushed. Safe for concurrent use; the zero keys has none.
type keys struct {
	current atomic.Pointer[loaded]
	log     zerolog.Logger
}

// Ring returns the keyring of this moment, or format.ErrNoKey.
func (k *keys) Ring() (server.Keyring, error) {
	if l := k.current.Load(); l != nil {
		return l.ring, nil
	}
	return nil, format.ErrNoKey
}

// KeyStatus tells about the active key.
func (k *keys) KeyStatus() admin.KeyStatus {
	l := k.current.Load()
	if l == nil {
		return admin.KeyStatus{}
	}
	return admin.KeyStatus{Loaded: true, ID: l.ring.IDs()[0].String(), LoadedAt: l.at}
}

// apply takes a ring over; keyagent.Client calls it, never twice at once. On an
// error the keys in use stay.
func (k *keys) apply(ring keyagent.Ring) error {
	if len(ring.Keys) == 0 {
		if k.current.Swap(nil) != nil {
			k.log.Warn().Uint64("generation", ring.Generation).Msg("keys cleared: requests are refused until there is a key")
		}
		return nil
	}
	next, err := keyring(ring)
	if err != nil {
		return err
	}
	if now := k.current.Load(); now != nil && sameKeys(now.ring, next) {
		return nil // the same ring again, after a reconnect
	}
	k.current.Store(&loaded{ring: next, at: time.Now()})
	ids := next.IDs()
	k.log.Info().Uint64("generation", ring.Generation).Stringer("key_id", ids[0]).Int("older_keys", len(ids)-1).Msg("keys loaded")
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

// sameKeys compares by the verification tags, which tell masters apart even if
// their ids collide.
func sameKeys(a, b *format.Keyring) bool {
	if !slices.Equal(a.IDs(), b.IDs()) {
		return false
	}
	for _, id := range a.IDs() {
		tagA, _ := a.KVT(id)
		if tagB, ok := b.KVT(id); !ok || tagA != tagB {
			return false
		}
	}
	return true
}
