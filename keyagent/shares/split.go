package shares

import (
	"crypto/rand"
	"fmt"
	"io"
)

// Split makes n shares of ring, any k of which open it: MinK <= k <= n <= MaxN. The ring stays the caller's; the shares
// are the caller's to wipe. It fails with ErrKeyring for a ring that breaks its rules or that does not fit MaxSize.
func Split(ring *Keyring, n, k int) ([]*Share, error) {
	return split(rand.Reader, ring, n, k)
}

// split draws the set's id, then the coefficients from a_0 on (SHARES.md section 4).
func split(random io.Reader, ring *Keyring, n, k int) ([]*Share, error) {
	if err := checkNK(n, k); err != nil {
		return nil, fmt.Errorf("cannot split a keyring %w", err)
	}
	if err := ring.check(); err != nil {
		return nil, fmt.Errorf("cannot split a keyring: %w", err)
	}
	public := ring.public()
	var set SetID
	if _, err := io.ReadFull(random, set[:]); err != nil {
		return nil, fmt.Errorf("cannot draw a set id: %w", err)
	}
	p, err := drawPolynomial(random, k)
	if err != nil {
		return nil, fmt.Errorf("cannot split a keyring: %w", err)
	}
	defer p.wipe()
	commitments, err := p.commit()
	if err != nil {
		return nil, fmt.Errorf("cannot split a keyring: %w", err)
	}
	head := appendHead(nil, set, n, k, public)
	sealed, err := seal(p[0], set, head, commitments, ring)
	if err != nil {
		return nil, fmt.Errorf("cannot split a keyring: %w", err)
	}
	var out []*Share
	for i := 1; i <= n; i++ {
		s := &Share{head: head, commitments: commitments, sealed: sealed, public: public, set: set, n: n, k: k, index: i}
		if s.size() > MaxSize {
			return nil, fmt.Errorf("cannot split a keyring: a share has %d bytes, at most %d: %w", s.size(), MaxSize, ErrKeyring)
		}
		if s.scalar, err = lock(p.at(i)); err == nil {
			out = append(out, s)
			err = s.Verify()
		}
		if err != nil {
			for _, s := range out {
				s.Wipe()
			}
			return nil, fmt.Errorf("cannot split a keyring: share %d: %w", i, err)
		}
	}
	return out, nil
}
