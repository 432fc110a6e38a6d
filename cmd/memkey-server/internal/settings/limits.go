package settings

import "time"

const (
	// maxFile is far above any memkey.yaml; the file is read before anything of it is trusted.
	maxFile = 64 << 10

	// maxProblems is what a person reads of a file that is something else altogether.
	maxProblems = 20

	// maxShown cuts values in errors.
	maxShown = 60

	// seedHex is the length of an Ed25519 seed in hex digits.
	seedHex = 64

	// minTimeout and maxTimeout bound security.challenge_timeout: a person may have to touch a hardware key meanwhile, and
	// the ephemeral key of a session must not live long.
	minTimeout = time.Second
	maxTimeout = 10 * time.Minute

	// maxLockout keeps a mistyped unit from locking an office out for good.
	maxLockout = 24 * time.Hour

	// maxSkew is where a clock is not wrong but absent: security.no_clock is for that.
	maxSkew = 24 * time.Hour

	// maxUsers bounds server.unix_socket_uids.
	maxUsers = 16
)
