package keyagent

import "errors"

var (
	// ErrWiped says that a Secret was used after its Wipe.
	ErrWiped = errors.New("the secret is wiped")

	// ErrBadSecret says that the given bytes cannot be a key: not KeySize long, or all zero.
	ErrBadSecret = errors.New("not a usable key")

	// ErrBadRing says that Load got a set of keys that no ring may have; the holder is unchanged.
	ErrBadRing = errors.New("not a usable key ring")

	// ErrRefused says that the agent told the client to go away; the text has the agent's reason.
	ErrRefused = errors.New("the key agent refuses")

	// ErrProtocol says that the other side broke LOCAL.md.
	ErrProtocol = errors.New("protocol violation")

	// ErrSocketInUse says that Listen found a living process on the socket.
	ErrSocketInUse = errors.New("another process answers on the socket")
)
