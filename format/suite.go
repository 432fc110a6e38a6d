package format

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// Suite names the AEAD of an object's body. It lies inside the commitment, so a backend cannot change it. The block itself is always sealed
// with XChaCha20-Poly1305. Readers accept every suite.
type Suite uint8

// The suite bytes of SPEC.md section 4.
const (
	XChaCha20Poly1305 Suite = 1
	AES256GCM         Suite = 2
)

// String returns the name that ParseSuite takes, or "suite(N)".
func (s Suite) String() string {
	switch s {
	case XChaCha20Poly1305:
		return "xchacha20-poly1305"
	case AES256GCM:
		return "aes-256-gcm"
	}
	return fmt.Sprintf("suite(%d)", uint8(s))
}

// ParseSuite is the inverse of String. It is case-sensitive and knows no aliases.
func ParseSuite(name string) (Suite, error) {
	for _, s := range [...]Suite{XChaCha20Poly1305, AES256GCM} {
		if name == s.String() {
			return s, nil
		}
	}
	return 0, fmt.Errorf("cannot parse suite %q: want %s or %s", name, XChaCha20Poly1305, AES256GCM)
}

func (s Suite) valid() bool { return s == XChaCha20Poly1305 || s == AES256GCM }

// nonceSize is N of SPEC.md section 8, in bytes; 0 for an unknown suite.
func (s Suite) nonceSize() int {
	switch s {
	case XChaCha20Poly1305:
		return chacha20poly1305.NonceSizeX
	case AES256GCM:
		return 12
	}
	return 0
}

// newAEAD keeps a copy of key. An error means that the platform forbids the suite (FIPS 140-only mode).
func (s Suite) newAEAD(key []byte) (cipher.AEAD, error) {
	switch s {
	case XChaCha20Poly1305:
		return chacha20poly1305.NewX(key)
	case AES256GCM:
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	}
	return nil, fmt.Errorf("%w: %s", ErrUnsupported, s)
}
