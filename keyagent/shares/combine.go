package shares

import (
	"fmt"
)

// Combine opens the keyring of k or more different shares of one set; the same share twice counts once. The shares stay
// the caller's. Every share is verified first: a bad one fails the call with a *ShareError that names it. Without blame:
// ErrTooFew, ErrSet. The keyring is the caller's to wipe.
func Combine(shares []*Share) (*Keyring, error) {
	if len(shares) == 0 {
		return nil, fmt.Errorf("cannot combine no shares: %w", ErrTooFew)
	}
	first := shares[0]
	digest := first.digest()
	var use []*Share
	var seen [MaxN + 1]bool
	for _, s := range shares {
		if s.digest() != digest {
			return nil, s.fault(ErrMixed)
		}
		if err := s.Verify(); err != nil {
			return nil, err
		}
		if !seen[s.index] {
			seen[s.index] = true
			use = append(use, s)
		}
	}
	if len(use) < first.k {
		return nil, fmt.Errorf("cannot combine: %d of %d needed: %w", len(use), first.k, ErrTooFew)
	}
	return combine(use[:first.k])
}

// combine opens the keyring of exactly k verified shares of one set with different indexes.
func combine(shares []*Share) (*Keyring, error) {
	scalar, err := recoverScalar(shares)
	if err != nil {
		return nil, fmt.Errorf("cannot combine: %w", err)
	}
	defer wipeScalar(scalar)
	ring, err := open(scalar, shares[0])
	if err != nil {
		return nil, fmt.Errorf("cannot combine: %w", err)
	}
	return ring, nil
}
