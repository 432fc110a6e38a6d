package shares

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/cloudflare/circl/group"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// All labels (SHARES.md section 4). Each ends with a zero byte.
const (
	labelKey   = "memkey/2 share key\x00"
	labelAAD   = "memkey/2 share keyring\x00"
	labelSet   = "memkey/2 share set\x00"
	labelCheck = "memkey/2 share check\x00"
)

// sealKey derives key and nonce from the shared scalar. Each set has its own scalar and id, so the pair is used once.
func sealKey(scalar group.Scalar, set SetID) (okm []byte, err error) {
	ikm, err := scalar.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("cannot encode a scalar: %w", err)
	}
	defer clear(ikm)
	return hkdf.Key(sha256.New, ikm, set[:], labelKey, keySize+nonceSize)
}

// aad is what the seal authenticates: all that is public, with the set's id, n and k in front.
func aad(head, commitments []byte) []byte {
	return append(append([]byte(labelAAD), head...), commitments...)
}

// seal seals the masters, one after the other.
func seal(scalar group.Scalar, set SetID, head, commitments []byte, ring *Keyring) ([]byte, error) {
	okm, err := sealKey(scalar, set)
	if err != nil {
		return nil, err
	}
	defer clear(okm)
	plain := make([]byte, 0, len(ring.Keys)*masterSize+tagSize) // sealed in place
	for _, key := range ring.Keys {
		if err := key.Master.Use(func(m []byte) { plain = append(plain, m...) }); err != nil {
			clear(plain)
			return nil, fmt.Errorf("cannot seal key %v: %w", key.ID, err)
		}
	}
	a, err := chacha20poly1305.NewX(okm[:keySize])
	if err != nil {
		clear(plain)
		return nil, fmt.Errorf("cannot seal: %w", err)
	}
	return a.Seal(plain[:0], okm[keySize:], plain, aad(head, commitments)), nil
}

// open is the inverse of seal: the keyring of s with the masters that scalar opens, checked against their names.
func open(scalar group.Scalar, s *Share) (*Keyring, error) {
	okm, err := sealKey(scalar, s.set)
	if err != nil {
		return nil, err
	}
	defer clear(okm)
	a, err := chacha20poly1305.NewX(okm[:keySize])
	if err != nil {
		return nil, fmt.Errorf("cannot open: %w", err)
	}
	buf := make([]byte, 0, len(s.sealed))
	defer clear(buf[:cap(buf)])
	plain, err := a.Open(buf, okm[keySize:], s.sealed, aad(s.head, s.commitments))
	if err != nil {
		return nil, ErrSet
	}
	ring := &Keyring{Generation: s.public.Generation, Pins: s.Public().Pins}
	for i, name := range s.public.Keys {
		master, err := keyagent.NewSecret(plain[i*masterSize : (i+1)*masterSize])
		if err != nil {
			ring.Wipe()
			return nil, fmt.Errorf("%w: key %d: %w", ErrSet, i+1, err)
		}
		key := Key{ID: name.ID, KVT: name.KVT, Master: master, Active: name.Active, Label: name.Label}
		ring.Keys = append(ring.Keys, key)
		id, kvt, err := names(master)
		if err == nil && (id != name.ID || kvt != name.KVT) {
			err = fmt.Errorf("%w: key %d is not the one that the shares name", ErrSet, i+1)
		}
		if err != nil {
			ring.Wipe()
			return nil, err
		}
	}
	return ring, nil
}
