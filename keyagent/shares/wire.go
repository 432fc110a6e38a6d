package shares

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cloudflare/circl/group"
)

const (
	magic   = "MKSHARE\x00"
	version = 1
)

// appendHead appends the part that is public and the same in every share of a set, up to the commitments.
func appendHead(b []byte, set SetID, n, k int, p Public) []byte {
	b = append(append(append(b, magic...), version), set[:]...)
	b = append(b, byte(n), byte(k))
	b = binary.BigEndian.AppendUint64(b, p.Generation)
	b = append(b, byte(len(p.Keys)))
	for _, key := range p.Keys {
		active := byte(0)
		if key.Active {
			active = 1
		}
		b = append(append(append(b, key.ID[:]...), key.KVT[:]...), active, byte(len(key.Label)))
		b = append(b, key.Label...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.Pins)))
	for _, pin := range p.Pins {
		b = append(append(b, byte(len(pin.Name))), pin.Name...)
		b = append(b, pin.ID[:]...)
	}
	return b
}

// size returns the length of a share's wire form.
func (s *Share) size() int {
	return len(s.head) + len(s.commitments) + len(s.sealed) + 1 + scalarSize + checkSize
}

// MarshalBinary returns the wire form, at most MaxSize bytes. It is secret and the caller's, who clears it. It fails
// with keyagent.ErrWiped after Wipe.
func (s *Share) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, s.size())
	b = append(append(append(b, s.head...), s.commitments...), s.sealed...)
	b = append(b, byte(s.index))
	if err := s.scalar.Use(func(scalar []byte) { b = append(b, scalar...) }); err != nil {
		return nil, fmt.Errorf("cannot encode share %d of set %v: %w", s.index, s.set, err)
	}
	check := sum(b)
	return append(b, check[:]...), nil
}

// sum is the check at the end of the wire form. It finds damage, nothing else: whoever changes a share on purpose can
// compute it. It covers the secret, so it is as secret as the share.
func sum(b []byte) (check [checkSize]byte) {
	h := sha256.New()
	h.Write([]byte(labelCheck))
	h.Write(b)
	var full [sha256.Size]byte
	h.Sum(full[:0])
	copy(check[:], full[:])
	return check
}

// Parse reads one share in its wire form, all of b, which stays the caller's and is neither kept nor changed. It checks
// form and damage (ErrFormat); whether the secret belongs to the set is Verify's business. The caller wipes the share.
func Parse(b []byte) (*Share, error) {
	s, scalar, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("cannot read a share of %d bytes: %w: %w", len(b), ErrFormat, err)
	}
	if s.scalar, err = lock(scalar); err != nil {
		return nil, fmt.Errorf("cannot keep a share: %w", err)
	}
	return s, nil
}

// parse returns the share without its secret, and the secret, which lock or wipeScalar has to end.
func parse(b []byte) (*Share, group.Scalar, error) {
	if len(b) < minSize || len(b) > MaxSize {
		return nil, nil, fmt.Errorf("want %d to %d bytes", minSize, MaxSize)
	}
	if string(b[:len(magic)]) != magic {
		return nil, nil, errors.New("it does not begin like one")
	}
	if b[len(magic)] != version {
		return nil, nil, fmt.Errorf("version %d: this release knows %d", b[len(magic)], version)
	}
	body := b[:len(b)-checkSize]
	if want := sum(body); subtle.ConstantTimeCompare(want[:], b[len(body):]) != 1 {
		return nil, nil, errors.New("its check is wrong: a typing or copying error")
	}
	c := cursor{b: body[len(magic)+1:]}
	s := new(Share)
	copy(s.set[:], c.take(setIDSize))
	s.n, s.k = int(c.u8()), int(c.u8())
	if err := checkNK(s.n, s.k); err != nil {
		return nil, nil, err
	}
	if err := s.public.take(&c); err != nil {
		return nil, nil, err
	}
	headLen := len(body) - len(c.b)
	keys := len(s.public.Keys)
	if len(c.b) != s.k*elementSize+keys*masterSize+tagSize+1+scalarSize {
		return nil, nil, errors.New("its length is wrong")
	}
	// The caller's bytes are not kept; the capacity is exact, so nothing appended to a part can reach the next.
	common := bytes.Clone(body[:len(body)-1-scalarSize])
	s.head = common[:headLen:headLen]
	s.commitments = common[headLen:][: s.k*elementSize : s.k*elementSize]
	s.sealed = common[headLen+s.k*elementSize:]
	c.take(len(common) - headLen)
	s.index = int(c.u8())
	if s.index < 1 || s.index > s.n {
		return nil, nil, fmt.Errorf("its index is %d of %d", s.index, s.n)
	}
	if _, err := parseCommitments(s.commitments); err != nil {
		return nil, nil, err
	}
	scalar, err := parseScalar(c.take(scalarSize))
	if err != nil {
		return nil, nil, err
	}
	return s, scalar, nil
}

func checkNK(n, k int) error {
	if n < MinK || n > MaxN || k < MinK || k > n {
		return fmt.Errorf("%d of %d: want %d <= k <= n <= %d", k, n, MinK, MaxN)
	}
	return nil
}

// take reads the public part, in the one order and form that appendHead writes.
func (p *Public) take(c *cursor) error {
	p.Generation = c.u64()
	keys := int(c.u8())
	if keys > MaxKeys {
		return fmt.Errorf("%d keys, at most %d", keys, MaxKeys)
	}
	for range keys {
		var key PublicKey
		copy(key.ID[:], c.take(len(key.ID)))
		copy(key.KVT[:], c.take(len(key.KVT)))
		active := c.u8()
		if active > 1 {
			return errors.New("a flag is neither 0 nor 1")
		}
		key.Active = active == 1
		key.Label = string(c.take(int(c.u8())))
		p.Keys = append(p.Keys, key)
	}
	pins := int(c.u16())
	if pins*(1+1+len(Pin{}.ID)) > len(c.b) {
		return errors.New("it ends too soon")
	}
	for range pins {
		var pin Pin
		pin.Name = string(c.take(int(c.u8())))
		copy(pin.ID[:], c.take(len(pin.ID)))
		p.Pins = append(p.Pins, pin)
	}
	if c.short {
		return errors.New("it ends too soon")
	}
	return p.check()
}

// A cursor reads b from the front. After a read beyond the end everything is zero and short is set.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.short, c.b = true, nil
		return nil
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) u8() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}
