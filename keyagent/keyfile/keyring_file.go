package keyfile

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

const (
	keyringFixed = 1 + 8 + 8 + 1 + 1 + 2
	keyFixed     = 8 + 32 + keyagent.KeySize + 1 + 1
	pinFixed     = 1 + 16
)

// Seal makes the file of a key ring. Ring and passphrase stay the caller's. Errors: ErrKeyring, ErrPassphrase for an
// empty or absurdly long passphrase, ErrFormat for parameters out of bounds.
func Seal(k *Keyring, passphrase []byte, p Params) ([]byte, error) {
	plain, err := k.encode()
	if err != nil {
		return nil, fmt.Errorf("cannot seal the key ring: %w", err)
	}
	defer clear(plain)
	file, err := seal(kindKeyring, plain, passphrase, p, lowCostAllowed())
	if err != nil {
		return nil, fmt.Errorf("cannot seal the key ring: %w", err)
	}
	return file, nil
}

// Open opens what Seal made. The caller owns the ring and wipes it. Errors: ErrPassphrase, ErrFormat.
func Open(file, passphrase []byte) (*Keyring, error) {
	plain, err := open(kindKeyring, file, passphrase, lowCostAllowed())
	if err != nil {
		return nil, fmt.Errorf("cannot open the key ring: %w", err)
	}
	defer clear(plain)
	k, err := decodeKeyring(plain)
	if err != nil {
		return nil, fmt.Errorf("cannot open the key ring: %w", err)
	}
	return k, nil
}

// encode returns the plain form (doc.go, "Layout"), which the caller clears. It is sized beforehand: a slice that grows
// leaves copies of keys behind.
func (k *Keyring) encode() ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	size := keyringFixed
	for _, key := range k.Keys {
		size += keyFixed + len(key.Label)
	}
	for _, pin := range k.Pins {
		size += pinFixed + len(pin.Name)
	}
	b := make([]byte, 0, size)
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, k.Generation)
	b = binary.BigEndian.AppendUint64(b, uint64(k.Created.Unix()))
	b = append(b, flag(k.Pending), byte(len(k.Keys)))
	for _, key := range k.Keys {
		b = append(b, key.ID[:]...)
		b = append(b, key.KVT[:]...)
		if err := key.Master.Use(func(m []byte) { b = append(b, m...) }); err != nil {
			clear(b)
			return nil, err
		}
		b = append(b, flag(key.Active), byte(len(key.Label)))
		b = append(b, key.Label...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(k.Pins)))
	for _, pin := range k.Pins {
		b = append(b, byte(len(pin.Name)))
		b = append(b, pin.Name...)
		b = append(b, pin.ID[:]...)
	}
	if len(b) != size {
		panic("BUG: the plain key ring has another size than computed")
	}
	return b, nil
}

func flag(on bool) byte {
	if on {
		return 1
	}
	return 0
}

// decodeKeyring reads what encode wrote, and nothing else. It clears the masters in plain as it goes.
func decodeKeyring(plain []byte) (_ *Keyring, err error) {
	r := reader{rest: plain}
	k := new(Keyring)
	defer func() {
		if err != nil {
			k.Wipe()
		}
	}()
	if v := r.u8(); v != version {
		return nil, fmt.Errorf("plain version %d, this release knows %d: %w", v, version, ErrFormat)
	}
	k.Generation = r.u64()
	k.Created = time.Unix(int64(r.u64()), 0).UTC()
	k.Pending = r.flag()
	n := int(r.u8())
	if n > keyagent.MaxKeys {
		return nil, fmt.Errorf("%d keys, at most %d: %w", n, keyagent.MaxKeys, ErrFormat)
	}
	for range n {
		var key memkey.PackageKey
		r.into(key.ID[:])
		r.into(key.KVT[:])
		bytes := r.take(keyagent.KeySize)
		key.Active = r.flag()
		key.Label = string(r.take(int(r.u8())))
		if r.short {
			return nil, fmt.Errorf("it ends too early: %w", ErrFormat)
		}
		if key.Master, err = keyagent.NewSecret(bytes); err != nil {
			return nil, err
		}
		k.Keys = append(k.Keys, key)
	}
	p := int(r.u16())
	if p > memkey.MaxPins {
		return nil, fmt.Errorf("%d bucket pins, at most %d: %w", p, memkey.MaxPins, ErrFormat)
	}
	for range p {
		var pin memkey.BucketPin
		pin.Name = string(r.take(int(r.u8())))
		r.into(pin.ID[:])
		if r.short {
			break
		}
		k.Pins = append(k.Pins, pin)
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	if err := k.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrFormat)
	}
	return k, nil
}

// reader takes fields off plain bytes; after the first one that is not there, short is true and all fields are zero.
type reader struct {
	rest  []byte
	short bool
	wrong bool // a flag that is neither 0 nor 1
}

func (r *reader) take(n int) []byte {
	if r.short || n > len(r.rest) {
		r.short = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) into(dst []byte) { copy(dst, r.take(len(dst))) }

func (r *reader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) flag() bool {
	b := r.u8()
	r.wrong = r.wrong || b > 1
	return b == 1
}

func (r *reader) end() error {
	switch {
	case r.short:
		return fmt.Errorf("it ends too early: %w", ErrFormat)
	case r.wrong:
		return fmt.Errorf("a flag is neither 0 nor 1: %w", ErrFormat)
	case len(r.rest) > 0:
		return fmt.Errorf("%d bytes too many: %w", len(r.rest), ErrFormat)
	}
	return nil
}
