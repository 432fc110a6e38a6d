package server

import "github.com/s3-crypt-proxy/s3-crypt-proxy/format"

// KeySource hands out the keyring of this moment.
//
// Ring returns an immutable snapshot: a request takes one when it begins and
// keeps it to its end, so no request ever sees a half-changed or wiped key.
// Without a key it returns format.ErrNoKey.
type KeySource interface {
	Ring() (*format.Keyring, error)
}

// FixedKeys is a KeySource over one keyring that never changes: for tests and
// the demonstration, where the process makes its own random master.
type FixedKeys struct{ Keyring *format.Keyring }

// Ring returns the keyring, or format.ErrNoKey if there is none.
func (k FixedKeys) Ring() (*format.Keyring, error) {
	if k.Keyring == nil {
		return nil, format.ErrNoKey
	}
	return k.Keyring, nil
}
