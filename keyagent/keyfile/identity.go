package keyfile

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// An Identity is an administrator's Ed25519 key. Its seed is a keyagent.Secret: it prints redacted, and lives in locked
// memory. Safe for concurrent use.
type Identity struct {
	Name    string    // for people; at most MaxName bytes of printable UTF-8, may be empty
	Created time.Time // whole seconds, UTC

	seed   *keyagent.Secret
	public ed25519.PublicKey
}

const identityFixed = 1 + 8 + ed25519.SeedSize + 1

// NewIdentity makes one from crypto/rand. The caller wipes it.
func NewIdentity(name string, now time.Time) (*Identity, error) {
	seed, err := keyagent.GenerateSecret()
	if err != nil {
		return nil, fmt.Errorf("cannot make an identity: %w", err)
	}
	return newIdentity(name, now, seed)
}

// newIdentity owns seed, also when it fails.
func newIdentity(name string, created time.Time, seed *keyagent.Secret) (*Identity, error) {
	if err := checkText("name", name, MaxName); err != nil {
		seed.Wipe()
		return nil, fmt.Errorf("cannot make an identity: %w", err)
	}
	id := &Identity{Name: name, Created: created.UTC().Truncate(time.Second), seed: seed}
	err := id.withKey(func(key ed25519.PrivateKey) {
		id.public = append(ed25519.PublicKey(nil), key[ed25519.SeedSize:]...)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make an identity: %w", err)
	}
	return id, nil
}

// withKey expands the seed for the time of a call.
func (id *Identity) withKey(f func(ed25519.PrivateKey)) error {
	return id.seed.Use(func(seed []byte) {
		key := ed25519.NewKeyFromSeed(seed)
		defer clear(key)
		f(key)
	})
}

// Public returns the public key; it must not be changed.
func (id *Identity) Public() ed25519.PublicKey { return id.public }

// Sign returns the Ed25519 signature (RFC 8032, no prehash) of message, or keyagent.ErrWiped.
func (id *Identity) Sign(message []byte) (signature []byte, err error) {
	err = id.withKey(func(key ed25519.PrivateKey) { signature = ed25519.Sign(key, message) })
	return signature, err
}

// Wipe ends the identity: Sign fails from now on. A nil Identity has nothing to wipe.
func (id *Identity) Wipe() {
	if id != nil {
		id.seed.Wipe()
	}
}

// SealIdentity makes the file of an identity. Identity and passphrase stay the caller's. Errors as Seal.
func SealIdentity(id *Identity, passphrase []byte, p Params) ([]byte, error) {
	plain := make([]byte, 0, identityFixed+len(id.Name))
	plain = append(plain, version)
	plain = binary.BigEndian.AppendUint64(plain, uint64(id.Created.Unix()))
	if err := id.seed.Use(func(seed []byte) { plain = append(plain, seed...) }); err != nil {
		return nil, fmt.Errorf("cannot seal the identity: %w", err)
	}
	defer clear(plain[:cap(plain)])
	plain = append(plain, byte(len(id.Name)))
	plain = append(plain, id.Name...)
	file, err := seal(kindIdentity, plain, passphrase, p, lowCostAllowed())
	if err != nil {
		return nil, fmt.Errorf("cannot seal the identity: %w", err)
	}
	return file, nil
}

// OpenIdentity opens what SealIdentity made. The caller wipes the identity. Errors: ErrPassphrase, ErrFormat.
func OpenIdentity(file, passphrase []byte) (*Identity, error) {
	plain, err := open(kindIdentity, file, passphrase, lowCostAllowed())
	if err != nil {
		return nil, fmt.Errorf("cannot open the identity: %w", err)
	}
	defer clear(plain)
	id, err := decodeIdentity(plain)
	if err != nil {
		return nil, fmt.Errorf("cannot open the identity: %w", err)
	}
	return id, nil
}

// decodeIdentity clears the seed in plain.
func decodeIdentity(plain []byte) (*Identity, error) {
	r := reader{rest: plain}
	if v := r.u8(); v != version {
		return nil, fmt.Errorf("plain version %d, this release knows %d: %w", v, version, ErrFormat)
	}
	created := time.Unix(int64(r.u64()), 0)
	bytes := r.take(ed25519.SeedSize)
	name := string(r.take(int(r.u8())))
	if err := r.end(); err != nil {
		return nil, err
	}
	seed, err := keyagent.NewSecret(bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrFormat)
	}
	id, err := newIdentity(name, created, seed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrFormat)
	}
	return id, nil
}
