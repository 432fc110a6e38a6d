package memkey

import "errors"

// What the client's caller decides on. All are wrapped with the reason; a *Refusal is what the server decided.
var (
	// ErrUnreachable: no answer, or one that is not of this protocol, before anything secret was sent.
	ErrUnreachable = errors.New("the key server cannot be reached")

	// ErrFingerprint: what answers is not the server with the expected fingerprint. Nothing secret was sent to it.
	ErrFingerprint = errors.New("the server is not the expected one")

	// ErrClock: the server refused, and its clock (by the answer's unauthenticated Date) is far from this one.
	ErrClock = errors.New("the clocks of this machine and of the server differ too much")

	// ErrExpired: the session was over when the package arrived.
	ErrExpired = errors.New("the session expired")

	// ErrUnconfirmed: the package was sent, but no valid answer came: whether the server took it is not known.
	ErrUnconfirmed = errors.New("the server did not confirm")

	// ErrPackage: a package that the protocol does not allow; nothing was sent.
	ErrPackage = errors.New("not a package that may be sent")
)
