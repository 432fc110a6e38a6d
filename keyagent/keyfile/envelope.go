package keyfile

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	magic     = "MKSEALED"
	version   = 1
	kdfArgon2 = 1

	saltSize  = 16
	keySize   = chacha20poly1305.KeySize
	nonceSize = chacha20poly1305.NonceSizeX
	tagSize   = chacha20poly1305.Overhead

	headerSize = 8 + 1 + 1 + 1 + 4 + 4 + 1 + saltSize + nonceSize + 4
)

// kind tells files apart, so that an identity is never opened as a key ring. It is authenticated with the header.
type kind uint8

const (
	kindKeyring  kind = 1
	kindIdentity kind = 2
)

func (k kind) String() string {
	switch k {
	case kindKeyring:
		return "key ring"
	case kindIdentity:
		return "identity"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// header is the fixed front of a file (doc.go, "Layout"). All of it is the additional data of the AEAD.
type header struct {
	kind   kind
	params Params
	salt   [saltSize]byte
	nonce  [nonceSize]byte
	length uint32 // of the sealed part, tag included
}

func (h *header) bytes() []byte {
	b := make([]byte, 0, headerSize)
	b = append(b, magic...)
	b = append(b, version, byte(h.kind), kdfArgon2)
	b = binary.BigEndian.AppendUint32(b, h.params.Time)
	b = binary.BigEndian.AppendUint32(b, h.params.Memory)
	b = append(b, h.params.Threads)
	b = append(b, h.salt[:]...)
	b = append(b, h.nonce[:]...)
	return binary.BigEndian.AppendUint32(b, h.length)
}

// parseHeader checks everything that can be checked without the passphrase; the lengths fit file exactly.
func parseHeader(file []byte, want kind, lowCost bool) (*header, error) {
	if len(file) < headerSize || string(file[:8]) != magic {
		return nil, ErrFormat
	}
	if len(file) > MaxFile {
		return nil, fmt.Errorf("%d bytes, at most %d: %w", len(file), MaxFile, ErrFormat)
	}
	if file[8] != version || file[10] != kdfArgon2 {
		return nil, fmt.Errorf("version %d, key derivation %d: this release knows %d and %d: %w", file[8], file[10], version, kdfArgon2, ErrFormat)
	}
	h := &header{kind: kind(file[9])}
	if h.kind != want {
		return nil, fmt.Errorf("it is for a %v, want a %v: %w", h.kind, want, ErrFormat)
	}
	rest := file[11:]
	h.params = Params{binary.BigEndian.Uint32(rest), binary.BigEndian.Uint32(rest[4:]), rest[8]}
	if err := h.params.check(lowCost); err != nil {
		return nil, err
	}
	rest = rest[9:]
	copy(h.salt[:], rest)
	copy(h.nonce[:], rest[saltSize:])
	h.length = binary.BigEndian.Uint32(rest[saltSize+nonceSize:])
	if h.length < tagSize || int64(h.length) != int64(len(file)-headerSize) {
		return nil, fmt.Errorf("%d sealed bytes in a file of %d: %w", h.length, len(file), ErrFormat)
	}
	return h, nil
}

// seal encrypts plain under passphrase. Both stay the caller's; plain is not copied anywhere but into the result's
// ciphertext.
func seal(k kind, plain, passphrase []byte, p Params, lowCost bool) ([]byte, error) {
	if err := p.check(lowCost); err != nil {
		return nil, err
	}
	if err := checkPassphrase(passphrase); err != nil {
		return nil, err
	}
	if headerSize+len(plain)+tagSize > MaxFile {
		return nil, fmt.Errorf("%d bytes are too many for a file: %w", len(plain), ErrKeyring)
	}
	h := header{kind: k, params: p, length: uint32(len(plain) + tagSize)}
	_, _ = rand.Read(h.salt[:]) // never fails: crypto/rand ends the process instead
	_, _ = rand.Read(h.nonce[:])
	head := h.bytes()
	key := p.key(passphrase, &h.salt)
	defer clear(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic("BUG: " + err.Error()) // the length is right
	}
	out := make([]byte, headerSize, headerSize+len(plain)+tagSize)
	copy(out, head)
	return aead.Seal(out, h.nonce[:], plain, head), nil
}

// open returns the plain bytes, which the caller clears.
func open(k kind, file, passphrase []byte, lowCost bool) ([]byte, error) {
	h, err := parseHeader(file, k, lowCost)
	if err != nil {
		return nil, err
	}
	if err := checkPassphrase(passphrase); err != nil {
		return nil, err
	}
	key := h.params.key(passphrase, &h.salt)
	defer clear(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	plain, err := aead.Open(nil, h.nonce[:], file[headerSize:], file[:headerSize])
	if err != nil {
		return nil, ErrPassphrase
	}
	return plain, nil
}

func checkPassphrase(passphrase []byte) error {
	if len(passphrase) == 0 || len(passphrase) > MaxPassphrase {
		return fmt.Errorf("a passphrase of %d bytes, want 1 to %d: %w", len(passphrase), MaxPassphrase, ErrPassphrase)
	}
	return nil
}
