package vault

import (
	"crypto/subtle"
	"fmt"
	"runtime"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// checkNames recomputes id and verification tag from every master and compares them with those sent.
func checkNames(keys []memkey.PackageKey) *memkey.Refusal {
	for i, k := range keys {
		id, kvt, err := derive(k.Master)
		if err != nil {
			return refuse(memkey.StatusMalformed, "key %d: %v", i+1, err)
		}
		same := subtle.ConstantTimeCompare(id[:], k.ID[:]) & subtle.ConstantTimeCompare(kvt[:], k.KVT[:])
		if same != 1 {
			return refuse(memkey.StatusKeyMismatch, "key %d is sent as %s and is %s", i+1, k.ID, id)
		}
	}
	return nil
}

// derive computes the public names of a master. Hashing leaves the master in dead stack frames: so it runs on a stack of
// its own, which is grown before, so that it does not move, and overwritten after.
func derive(master *keyagent.Secret) (id format.KeyID, kvt [32]byte, err error) {
	if master == nil {
		return id, kvt, fmt.Errorf("no master: %w", keyagent.ErrWiped)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		overwriteStack()
		id, kvt, err = names(master)
		overwriteStack()
	}()
	<-done
	return id, kvt, err
}

//go:noinline
func names(master *keyagent.Secret) (id format.KeyID, kvt [32]byte, err error) {
	var keys *format.Keys
	if useErr := master.Use(func(b []byte) { keys, err = format.DeriveKeys(b) }); useErr != nil {
		return id, kvt, useErr
	}
	if err != nil {
		return id, kvt, err
	}
	defer keys.Wipe()
	return keys.ID(), keys.KVT(), nil
}

//go:noinline
func overwriteStack() {
	var frame [stackScrub]byte
	clear(frame[:])
	runtime.KeepAlive(&frame)
}
