package memkey

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
)

// A Signer is an Ed25519 identity: a file, an ssh-agent. Sign returns the 64-byte signature of RFC 8032 (pure Ed25519)
// over message, which it must not keep. It is called from several goroutines.
type Signer interface {
	Public() ed25519.PublicKey
	Sign(message []byte) ([]byte, error)
}

// keySigner keeps the key where no reflecting printer gets, also not one that finds the signer in another type's field.
type keySigner struct {
	public ed25519.PublicKey
	sign   func(message []byte) []byte
}

// NewSigner returns the identity with the given 32-byte seed, which it copies. It never prints its
// key.
func NewSigner(seed []byte) (Signer, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("cannot make an identity: the seed has %d bytes, want %d", len(seed), ed25519.SeedSize)
	}
	key := ed25519.NewKeyFromSeed(seed)
	return &keySigner{
		public: key.Public().(ed25519.PublicKey),
		sign:   func(message []byte) []byte { return ed25519.Sign(key, message) },
	}, nil
}

func (s *keySigner) Public() ed25519.PublicKey { return s.public }

func (s *keySigner) Sign(message []byte) ([]byte, error) { return s.sign(message), nil }

// Format prints no key, whatever the verb.
func (s *keySigner) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "identity(redacted)") }

// MarshalJSON refuses: an identity has no business in a document.
func (s *keySigner) MarshalJSON() ([]byte, error) {
	return nil, errors.New("cannot encode an identity: it is secret")
}

// sign makes a signature over label ‖ 00 ‖ parts and checks it: an identity behind a socket may answer anything.
func sign(s Signer, label string, parts ...[]byte) ([]byte, error) {
	message := labelled(label, parts...)
	sig, err := s.Sign(message)
	if err != nil {
		return nil, fmt.Errorf("cannot sign %s: %w", label, err)
	}
	if len(sig) != sigSize {
		return nil, fmt.Errorf("cannot sign %s: the signature has %d bytes, want %d", label, len(sig), sigSize)
	}
	return sig, nil
}

// verify checks a signature over label ‖ 00 ‖ parts.
func verify(public ed25519.PublicKey, sig []byte, label string, parts ...[]byte) bool {
	return len(public) == ed25519.PublicKeySize && ed25519.Verify(public, labelled(label, parts...), sig)
}
