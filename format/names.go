package format

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// NameKey is the secret of a bucket under which its object names are sealed (SPEC.md section 18): random, kept in the bucket's sealed state, the
// same for the bucket's whole life.
type NameKey [32]byte

// Format keeps the key out of every print.
func (NameKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "format.NameKey(redacted)") }

// MarshalJSON refuses: the key belongs into a sealed state and nowhere else.
func (NameKey) MarshalJSON() ([]byte, error) {
	return nil, errors.New("cannot encode a name key: it is secret")
}

// nameEncoding has one spelling for each byte string. Its decoder skips line breaks, which component lengths give away.
var nameEncoding = base64.RawURLEncoding.Strict()

const nameTag = 16 // bytes of the synthetic IV in front of a sealed component

// Namer seals and opens the object names of one bucket: each component between slashes for itself, deterministically and authenticated, under the
// plain path before it. The slashes stay, so a listing below a prefix that ends in one, and a listing with the delimiter "/", mean the same on both
// sides. Immutable and safe for concurrent use.
type Namer struct {
	mac   [32]byte
	block cipher.Block
}

// NewNamer derives the keys of a bucket's names.
func NewNamer(bucket BucketID, key NameKey) (*Namer, error) {
	if bucket == (BucketID{}) || key == (NameKey{}) {
		return nil, errors.New("cannot derive keys of names: the bucket id or the name key is zero")
	}
	prk := extract(bucket[:], key[:])
	defer clear(prk[:])
	var okm [64]byte
	defer clear(okm[:])
	expand(okm[:], &prk, []byte(labelName))
	block, err := aes.NewCipher(okm[32:])
	if err != nil {
		return nil, fmt.Errorf("cannot derive keys of names: %w", err)
	}
	return &Namer{mac: [32]byte(okm[:32]), block: block}, nil
}

// Seal returns the stored name of an object, or of a prefix that ends in "/": the empty name and empty components stay empty. ErrNameTooLong if the
// stored name has more than MaxKeySize bytes.
func (n *Namer) Seal(name string) (string, error) {
	var b strings.Builder
	for at := 0; ; {
		component, _, more := strings.Cut(name[at:], "/")
		if component != "" {
			if len(name) > MaxKeySize || b.Len()+nameEncoding.EncodedLen(nameTag+len(component)) > MaxKeySize {
				return "", fmt.Errorf("%w: its %d bytes become more than %d", ErrNameTooLong, len(name), MaxKeySize)
			}
			b.WriteString(n.sealComponent(name[:at], component))
		}
		if !more {
			break
		}
		b.WriteByte('/')
		at += len(component) + 1
	}
	if b.Len() > MaxKeySize {
		return "", fmt.Errorf("%w: its %d bytes become more than %d", ErrNameTooLong, len(name), MaxKeySize)
	}
	return b.String(), nil
}

// Open is the inverse of Seal. ErrName for whatever Seal never made, in this place of this bucket.
func (n *Namer) Open(stored string) (string, error) {
	if len(stored) > MaxKeySize {
		return "", fmt.Errorf("%w: it has %d bytes", ErrName, len(stored))
	}
	plain := make([]byte, 0, len(stored))
	for {
		component, rest, more := strings.Cut(stored, "/")
		if component != "" {
			var err error
			if plain, err = n.openComponent(plain, component); err != nil {
				return "", err
			}
		}
		if !more {
			return string(plain), nil
		}
		plain = append(plain, '/')
		stored = rest
	}
}

// sealComponent seals one component behind the plain path that ends where it begins.
func (n *Namer) sealComponent(parent, component string) string {
	raw := make([]byte, nameTag+len(component))
	copy(raw, n.tag(parent, component))
	cipher.NewCTR(n.block, raw[:nameTag]).XORKeyStream(raw[nameTag:], []byte(component))
	return nameEncoding.EncodeToString(raw)
}

// openComponent appends the plain component to its plain parent path.
func (n *Namer) openComponent(parent []byte, component string) ([]byte, error) {
	raw, err := nameEncoding.DecodeString(component)
	if err != nil || len(raw) <= nameTag || nameEncoding.EncodedLen(len(raw)) != len(component) {
		return nil, fmt.Errorf("%w: a component is not of a sealed name's form", ErrName)
	}
	cipher.NewCTR(n.block, raw[:nameTag]).XORKeyStream(raw[nameTag:], raw[nameTag:])
	plain := string(raw[nameTag:])
	if subtle.ConstantTimeCompare(n.tag(string(parent), plain), raw[:nameTag]) != 1 || strings.Contains(plain, "/") {
		return nil, fmt.Errorf("%w: a component does not open", ErrName)
	}
	return append(parent, plain...), nil
}

// tag is the synthetic IV: a PRF of the place and the component.
func (n *Namer) tag(parent, component string) []byte {
	msg := make([]byte, hmacBlock, hmacBlock+2+len(parent)+len(component))
	msg = append(msg, byte(len(parent)>>8), byte(len(parent)))
	msg = append(append(msg, parent...), component...)
	sum := hmacSum(n.mac[:], msg)
	return sum[:nameTag]
}

// Format keeps the keys out of every print.
func (Namer) Format(f fmt.State, _ rune) { fmt.Fprint(f, "format.Namer(redacted)") }
