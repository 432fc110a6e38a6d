package memkey

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// A Fingerprint is the SHA-256 of an identity in its role (PROTOCOL.md 4.2): the same key has different fingerprints as a
// server and as an admin.
type Fingerprint [32]byte

// ServerFingerprint is the fingerprint of a server's identity.
func ServerFingerprint(public ed25519.PublicKey) Fingerprint { return fingerprint('S', public) }

// AdminFingerprint is the fingerprint of an admin's identity.
func AdminFingerprint(public ed25519.PublicKey) Fingerprint { return fingerprint('A', public) }

func fingerprint(role byte, public ed25519.PublicKey) Fingerprint {
	var in [len(labelIdentity) + 2 + ed25519.PublicKeySize]byte
	b := append(append(in[:0], labelIdentity...), 0, role)
	return sha256.Sum256(append(b, public...))
}

// ParseFingerprint reads 64 hex digits of either case.
func ParseFingerprint(text string) (Fingerprint, error) {
	var fp Fingerprint
	if len(text) != 2*len(fp) {
		return fp, fmt.Errorf("cannot read a fingerprint of %d characters: want 64 hex digits", len(text))
	}
	if _, err := hex.Decode(fp[:], []byte(text)); err != nil {
		return Fingerprint{}, errors.New("cannot read a fingerprint: want hex digits only")
	}
	return fp, nil
}

// String returns 64 hex digits.
func (fp Fingerprint) String() string { return hex.EncodeToString(fp[:]) }
