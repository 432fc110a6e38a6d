package server

import (
	"errors"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// Keyring is one keyring in force: *format.Keyring, whose keys are in this
// process, or one that asks a key agent for the keys of each block.
//
// Its ids, tags and active key never change; so a change of keys, be it of the
// active one alone, makes another Keyring. Two are the same if they are equal as
// interface values, so the dynamic type is a pointer. A keyring that was replaced
// goes on working, or fails with format.ErrKeyUnknown or ErrKeysUnavailable: it
// never gives a wiped, zero or wrong key. Safe for concurrent use.
type Keyring interface {
	format.UploadRing
	// IDs are the ids of all keys, the active one first.
	IDs() []format.KeyID
	// KVT is the verification tag of a key, and whether the keyring has that key.
	KVT(id format.KeyID) ([32]byte, bool)
}

// KeySource hands out the keyring of this moment.
//
// Ring returns an immutable snapshot: a request takes one when it begins and
// keeps it to its end, so no request ever sees a half-changed or wiped key.
// Without a key it returns format.ErrNoKey.
type KeySource interface {
	Ring() (Keyring, error)
}

// A KeyProbe is a KeySource that can tell more than whether it has keys.
type KeyProbe interface {
	// ProbeKeys tells how the keys are held, in a word or two for /readyz, and why
	// no key could be used now.
	ProbeKeys() (mode string, err error)
}

// ErrKeysUnavailable is what a Keyring wraps that could not ask its key agent, or
// not in time. The request is answered 503.
var ErrKeysUnavailable = errors.New("the keys are not available now")

// FixedKeys is a KeySource over one keyring that never changes: for tests and
// the demonstration, where the process makes its own random master.
type FixedKeys struct{ Keyring *format.Keyring }

// Ring returns the keyring, or format.ErrNoKey if there is none.
func (k FixedKeys) Ring() (Keyring, error) {
	if k.Keyring == nil {
		return nil, format.ErrNoKey
	}
	return k.Keyring, nil
}
