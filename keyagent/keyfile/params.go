package keyfile

import (
	"fmt"
	"testing"

	"golang.org/x/crypto/argon2"
)

// Params is the cost of one guess at a passphrase: Argon2id version 0x13 (RFC 9106).
type Params struct {
	Time    uint32 // passes
	Memory  uint32 // KiB
	Threads uint8
}

// Standard is what every file is written with: 256 MiB and 3 passes, above RFC 9106's second recommendation.
func Standard() Params { return Params{Time: 3, Memory: 256 << 10, Threads: 4} }

// LowCost is for tests, which open hundreds of files. Outside of a test binary (testing.Testing) no function of this
// package seals with it or opens what was sealed with it.
func LowCost() Params { return Params{Time: 1, Memory: 8, Threads: 1} }

// check refuses what is out of bounds, before anything is allocated for it.
func (p Params) check(lowCost bool) error {
	if lowCost && p == LowCost() {
		return nil
	}
	switch {
	case p.Time < minTime || p.Time > maxTime:
		return fmt.Errorf("Argon2id with %d passes, want %d to %d: %w", p.Time, minTime, maxTime, ErrFormat)
	case p.Memory < minMemory || p.Memory > maxMemory:
		return fmt.Errorf("Argon2id with %d KiB, want %d to %d: %w", p.Memory, minMemory, maxMemory, ErrFormat)
	case p.Threads < minThreads || p.Threads > maxThreads:
		return fmt.Errorf("Argon2id with %d lanes, want %d to %d: %w", p.Threads, minThreads, maxThreads, ErrFormat)
	}
	return nil
}

// lowCostAllowed is false in every binary that go build makes: the linker sets it for go test only.
func lowCostAllowed() bool { return testing.Testing() }

// key derives a key of 32 bytes, which the caller clears. p is checked.
func (p Params) key(passphrase []byte, salt *[saltSize]byte) []byte {
	return argon2.IDKey(passphrase, salt[:], p.Time, p.Memory, p.Threads, keySize)
}
