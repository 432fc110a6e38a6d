package shares

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// A SetID names the shares that were made by one Split. It is random and public.
type SetID [setIDSize]byte

// String returns 32 hex digits.
func (id SetID) String() string { return hex.EncodeToString(id[:]) }

// A Share is one of n. Its secret is in locked memory; Wipe it. It is immutable until then, and safe for concurrent use.
// It prints as its public names only.
type Share struct {
	head        []byte // everything public and common to the set before the commitments (SHARES.md section 3)
	commitments []byte // k times elementSize
	sealed      []byte // the masters
	public      Public
	set         SetID
	n, k, index int
	scalar      *keyagent.Secret
}

// Set returns the id of the share's set.
func (s *Share) Set() SetID { return s.set }

// N returns how many shares the set has.
func (s *Share) N() int { return s.n }

// K returns how many shares of the set open the keyring.
func (s *Share) K() int { return s.k }

// Index returns the number of this share in its set, 1 to N.
func (s *Share) Index() int { return s.index }

// Public returns what the share tells about the keyring in clear; the copy is the caller's. It is proved only when the
// set opens: until then it is a claim.
func (s *Share) Public() Public { return s.public.clone() }

// Wipe wipes the share's secret. A nil Share has nothing to wipe.
func (s *Share) Wipe() {
	if s != nil {
		s.scalar.Wipe()
	}
}

// digest names the set by everything that its shares have in common. Two shares go together if and only if their
// digests are equal: a set id can be claimed by anybody.
func (s *Share) digest() (d [32]byte) {
	h := sha256.New()
	h.Write([]byte(labelSet))
	h.Write(s.head)
	h.Write(s.commitments)
	h.Write(s.sealed)
	h.Sum(d[:0])
	return d
}

// Equal reports whether two shares are the same, in constant time for shares of one set.
func (s *Share) Equal(other *Share) bool {
	if s.index != other.index || s.digest() != other.digest() {
		return false
	}
	same := 0
	err := s.scalar.Use(func(a []byte) {
		if e := other.scalar.Use(func(b []byte) { same = subtle.ConstantTimeCompare(a, b) }); e != nil {
			same = 0
		}
	})
	return err == nil && same == 1
}

func (s Share) redacted() string {
	return fmt.Sprintf("share(%d of %d, %d needed, set %v, redacted)", s.index, s.n, s.k, s.set)
}

// String tells the public names.
func (s Share) String() string { return s.redacted() }

// Format prints String for every verb.
func (s Share) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.redacted()) }

// MarshalJSON returns String as a JSON string.
func (s Share) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", s.redacted()), nil }

// LogValue returns String for log/slog.
func (s Share) LogValue() slog.Value { return slog.StringValue(s.redacted()) }
