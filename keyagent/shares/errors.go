package shares

import (
	"encoding/hex"
	"errors"
	"fmt"
)

var (
	// ErrKeyring says that a keyring breaks the rules of Keyring, or does not fit a share.
	ErrKeyring = errors.New("not a usable keyring")

	// ErrFormat says that bytes are not a share of this version, or a damaged one: a length, a check or an encoding.
	ErrFormat = errors.New("not a share, or a damaged one")

	// ErrCommitment says that a share is well formed but its secret is not the one that its set committed to.
	ErrCommitment = errors.New("the share does not belong to its set: its secret does not match the commitments")

	// ErrMixed says that shares are of different sets.
	ErrMixed = errors.New("the shares are of different sets")

	// ErrTooFew says that there are fewer than k different shares.
	ErrTooFew = errors.New("not enough different shares")

	// ErrSameAdmin says that an administrator gave a second share of a set. k shares are k people.
	ErrSameAdmin = errors.New("this administrator has given another share of this set already")

	// ErrSet says that k good shares did not open the keyring: the set was broken when it was made.
	ErrSet = errors.New("the shares are good, the keyring they seal is not: the set was made wrong")

	// ErrBusy says that the collector holds shares of MaxAdmins administrators.
	ErrBusy = errors.New("too many administrators have a share here")

	// ErrClosed says that the collector is closed.
	ErrClosed = errors.New("the collector is closed")
)

// A ShareError says which share was refused and why. Errors of Combine and Collector.Add are ShareErrors whenever one
// share is to blame.
type ShareError struct {
	Index int      // of the share, 1 to n; 0 if it could not be read
	Set   SetID    // of the share; zero if it could not be read
	Admin [32]byte // who gave it; zero outside the collector
	Err   error    // wraps one of the package's errors
}

// Error names the share and the administrator; it has nothing secret.
func (e *ShareError) Error() string {
	what := "share"
	if e.Index > 0 {
		what = fmt.Sprintf("share %d of set %v", e.Index, e.Set)
	}
	if e.Admin != [32]byte{} {
		what += " from administrator " + hex.EncodeToString(e.Admin[:8])
	}
	return fmt.Sprintf("cannot take %s: %v", what, e.Err)
}

// Unwrap returns Err.
func (e *ShareError) Unwrap() error { return e.Err }
