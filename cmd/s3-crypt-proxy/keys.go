package main

import (
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
	ring server.Keyring
	at   time.Time
}

// keys is the server's key source: the keyring of what the key holder pushed
// last. keys_export.go and keys_agent.go make it, one for each memkey.mode. Safe
// for concurrent use; the zero keys has none.
type keys struct {
	current atomic.Pointer[loaded]
	log     zerolog.Logger
	mode    string                              // of the configuration
	asked   func(took time.Duration, err error) // mode agent: after each derivation; nil = nobody counts
	holder  atomic.Pointer[keyagent.Client]     // whom they come from; nil = not made yet
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

// ProbeKeys makes the keys of a block that is nowhere: in mode agent that asks
// the key holder.
func (k *keys) ProbeKeys() (mode string, err error) {
	mode = "mode " + k.mode
	ring, err := k.Ring()
	if err != nil {
		return mode, err
	}
	where, err := format.NewContext(format.BucketID{0: 1}, "probe")
	if err != nil {
		return mode, err
	}
	id, err := ring.Active()
	if err != nil {
		return mode, err
	}
	var head [54]byte // no block begins with it
	copy(head[10:], id[:])
	_, err = ring.BlockKeys(id, head, where)
	if err == nil && !k.supplied() {
		mode += "; memkey-server is away or has no key: deliver one before this proxy restarts"
	}
	return mode, err
}

// supplied says whether the key holder could give the keys again.
func (k *keys) supplied() bool {
	client := k.holder.Load()
	return client != nil && client.Supplied()
}

// clear takes the keys away; requests that began go on with the ring they have.
func (k *keys) clear(generation uint64) {
	if k.current.Swap(nil) != nil {
		k.log.Warn().Uint64("generation", generation).Msg("keys cleared: requests are refused until there is a key")
	}
}

// take puts a keyring into use.
func (k *keys) take(generation uint64, next server.Keyring) {
	if now := k.current.Load(); now != nil && sameKeys(now.ring, next) {
		return // the same ring again, after a reconnect
	}
	k.current.Store(&loaded{ring: next, at: time.Now()})
	ids := next.IDs()
	k.log.Info().Str("mode", k.mode).Uint64("generation", generation).Stringer("key_id", ids[0]).Int("older_keys", len(ids)-1).Msg("keys loaded")
}

// sameKeys compares by the verification tags, which tell masters apart even if
// their ids collide.
func sameKeys(a, b server.Keyring) bool {
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
