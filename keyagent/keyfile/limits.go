package keyfile

import "time"

// Every cap of the package with its reason.
const (
	// MaxFile bounds a file before it is read. The largest key ring (memkey.MaxPins bucket pins with the longest names) has 83 KiB.
	MaxFile = 128 << 10

	// MaxName bounds an identity's name in bytes: one line of the server's list of administrators.
	MaxName = 64

	// MaxPassphrase bounds a passphrase in bytes, so that a wrong file given as one is refused.
	MaxPassphrase = 1024

	// The Argon2id parameters that a file may ask for. The floor is what Standard writes, so that nobody can hand out
	// a file whose passphrase is cheap to guess; the ceiling is what a small workstation can serve without swapping.
	minTime, maxTime       = 3, 16
	minMemory, maxMemory   = 256 << 10, 1 << 20 // KiB
	minThreads, maxThreads = 1, 16

	// agentTime is how long an ssh-agent may take to sign: it may ask a person to confirm.
	agentTime = 2 * time.Minute
)
