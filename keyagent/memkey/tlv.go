package memkey

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// Tags of the package's fields, in the order in which they must come (PROTOCOL.md section 6).
const (
	tagEnd        = 0
	tagOp         = 1
	tagGeneration = 2
	tagKey        = 3 // repeated
	tagActive     = 4 // with keys only
	tagPin        = 5 // repeated, ascending by name
	tagShare      = 6
)

const (
	fieldHead    = 3 // tag, u16 length
	keyFieldSize = keyIDSize + kvtSize + masterSize + 1
	bucketIDSize = 16
)

// appendPackage returns p padded to packageUnit. The slice holds the masters: the caller clears it. It is allocated once,
// at its full size, so that no shorter copy stays behind.
func appendPackage(p *Package) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	pins := slices.SortedFunc(slices.Values(p.Pins), func(a, b BucketPin) int { return strings.Compare(a.Name, b.Name) })
	n := fieldHead + 1 + fieldHead + 8 + 1
	for _, k := range p.Keys {
		n += fieldHead + keyFieldSize + len(k.Label)
	}
	if len(p.Keys) != 0 {
		n += fieldHead + keyIDSize
	}
	for _, pin := range pins {
		n += fieldHead + bucketIDSize + len(pin.Name)
	}
	if len(p.Share) != 0 {
		n += fieldHead + len(p.Share)
	}
	padded := (n + packageUnit - 1) / packageUnit * packageUnit
	if padded > MaxPackage {
		return nil, fmt.Errorf("cannot send a package of %d bytes, at most %d: %w", padded, MaxPackage, ErrPackage)
	}
	b := make([]byte, 0, padded)
	b = append(appendField(b, tagOp, 1), byte(p.Op))
	b = binary.BigEndian.AppendUint64(appendField(b, tagGeneration, 8), p.Generation)
	var active format.KeyID
	for _, k := range p.Keys {
		b = appendField(b, tagKey, keyFieldSize+len(k.Label))
		b = append(append(b, k.ID[:]...), k.KVT[:]...)
		var err error
		if used := k.Master.Use(func(key []byte) {
			err = checkNames(k, key)
			b = append(b, key...)
		}); used != nil {
			err = used
		}
		if err != nil {
			clear(b)
			return nil, fmt.Errorf("cannot send key %s: %w: %w", k.ID, err, ErrPackage)
		}
		b = append(append(b, bit(k.Active)), k.Label...)
		if k.Active {
			active = k.ID
		}
	}
	if len(p.Keys) != 0 {
		b = append(appendField(b, tagActive, keyIDSize), active[:]...)
	}
	for _, pin := range pins {
		b = append(appendField(b, tagPin, bucketIDSize+len(pin.Name)), pin.ID[:]...)
		b = append(b, pin.Name...)
	}
	if len(p.Share) != 0 {
		b = append(appendField(b, tagShare, len(p.Share)), p.Share...)
	}
	return b[:padded], nil // the rest of a fresh slice is zeros, tagEnd first
}

func appendField(b []byte, tag byte, n int) []byte {
	return binary.BigEndian.AppendUint16(append(b, tag), uint16(n))
}

// check applies the rules that need no key bytes.
func (p *Package) check() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("cannot send this package: %s: %w", fmt.Sprintf(format, args...), ErrPackage)
	}
	if r := checkShape(p); r != nil {
		return fail("%s", r.Detail)
	}
	for _, k := range p.Keys {
		if k.Master == nil {
			return fail("key %s has no master", k.ID)
		}
	}
	names := make(map[string]bool, len(p.Pins))
	for _, pin := range p.Pins {
		if !validPinName(pin.Name) {
			return fail("%q is no bucket name", pin.Name)
		}
		if names[pin.Name] {
			return fail("bucket %s is there twice", pin.Name)
		}
		names[pin.Name] = true
	}
	return nil
}

// checkShape applies the rules of PROTOCOL.md 6.3, the same at both ends.
func checkShape(p *Package) *Refusal {
	keys, pins, share := len(p.Keys), len(p.Pins), len(p.Share)
	switch p.Op {
	case OpDeliver, OpEnroll:
		if keys == 0 || keys > MaxKeys || pins > MaxPins || share != 0 {
			return refuse(StatusMalformed, "%s with %d keys, %d pins and a share of %d bytes", p.Op, keys, pins, share)
		}
	case OpClear:
		if keys != 0 || pins != 0 || share != 0 {
			return refuse(StatusMalformed, "clear with %d keys, %d pins and a share of %d bytes", keys, pins, share)
		}
	case OpShare:
		if keys != 0 || pins != 0 || share == 0 || share > MaxShare {
			return refuse(StatusMalformed, "share with %d keys, %d pins and a share of %d bytes", keys, pins, share)
		}
	default:
		return refuse(StatusMalformed, "a package for %s", p.Op)
	}
	active := 0
	for i, k := range p.Keys {
		if !validLabel(k.Label) {
			return refuse(StatusMalformed, "the label of key %s is too long or not printable", k.ID)
		}
		if k.Active {
			active++
		}
		for _, other := range p.Keys[:i] {
			if k.ID == other.ID {
				return refuse(StatusDuplicate, "key %s is there twice", k.ID)
			}
		}
	}
	if keys != 0 && active != 1 {
		return refuse(StatusDuplicate, "%d active keys, want exactly one", active)
	}
	return nil
}

// checkNames derives the public names of master and compares them with those of k.
func checkNames(k PackageKey, master []byte) error {
	keys, err := format.DeriveKeys(master)
	if err != nil {
		return err
	}
	defer keys.Wipe()
	if keys.ID() != k.ID {
		return fmt.Errorf("its master is that of key %s", keys.ID())
	}
	if keys.KVT() != k.KVT {
		return errors.New("its verification tag is not that of its master")
	}
	return nil
}

func validLabel(s string) bool {
	return len(s) <= MaxLabel && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func validPinName(s string) bool {
	return s != "" && len(s) <= MaxPinName && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x21 || r > 0x7e })
}

// parsePackage reads an opened package, all of b, and clears b. The package is the caller's; on a refusal nothing of it
// is left.
func parsePackage(b []byte) (*Package, *Refusal) {
	defer clear(b)
	p := new(Package)
	if r := p.parse(b); r != nil {
		p.Wipe()
		return nil, r
	}
	return p, nil
}

func (p *Package) parse(b []byte) *Refusal {
	if len(b) == 0 || len(b) > MaxPackage || len(b)%packageUnit != 0 {
		return refuse(StatusMalformed, "a package of %d bytes", len(b))
	}
	c := cursor{b: b}
	var active *format.KeyID
	last, seen := byte(tagEnd), 0
	for {
		tag := c.u8()
		if tag == tagEnd {
			break // also at the end of b: then bad is set
		}
		value := c.take(int(c.u16()))
		repeats := tag == tagKey || tag == tagPin
		if c.bad || tag < last || tag == last && !repeats {
			return refuse(StatusMalformed, "field %d is out of order or too long", tag)
		}
		last, seen = tag, seen|1<<min(tag, 31)
		if r := p.field(tag, value, &active); r != nil {
			return r
		}
	}
	if seen&(1<<tagOp|1<<tagGeneration) != 1<<tagOp|1<<tagGeneration {
		return refuse(StatusMalformed, "op or generation is missing")
	}
	if c.bad || len(c.b) >= packageUnit || slices.ContainsFunc(c.b, func(b byte) bool { return b != 0 }) {
		return refuse(StatusMalformed, "wrong padding")
	}
	if r := checkShape(p); r != nil {
		return r
	}
	if (active != nil) != (len(p.Keys) != 0) {
		return refuse(StatusDuplicate, "an active key is named: %t, with %d keys", active != nil, len(p.Keys))
	}
	for _, k := range p.Keys {
		if k.Active && k.ID != *active {
			return refuse(StatusDuplicate, "key %s is active, but %s is named", k.ID, *active)
		}
	}
	return p.takeNames()
}

// field reads one field; the order is the caller's business.
func (p *Package) field(tag byte, value []byte, active **format.KeyID) *Refusal {
	c := cursor{b: value}
	switch tag {
	case tagOp:
		p.Op = Op(c.u8())
	case tagGeneration:
		p.Generation = c.u64()
	case tagKey:
		return p.takeKey(value)
	case tagActive:
		*active = new(format.KeyID)
		c.fill((*active)[:])
	case tagPin:
		var pin BucketPin
		c.fill(pin.ID[:])
		pin.Name = string(c.take(len(c.b)))
		if len(p.Pins) == MaxPins || !validPinName(pin.Name) {
			return refuse(StatusMalformed, "too many pins, or a pin without a bucket name")
		}
		if n := len(p.Pins); n > 0 && p.Pins[n-1].Name >= pin.Name {
			return refuse(StatusMalformed, "pin %s is out of order", pin.Name)
		}
		p.Pins = append(p.Pins, pin)
	case tagShare:
		if len(value) == 0 || len(value) > MaxShare {
			return refuse(StatusMalformed, "a share of %d bytes", len(value))
		}
		p.Share = slices.Clone(c.take(len(value)))
	default:
		return refuse(StatusMalformed, "unknown field %d", tag)
	}
	if !c.done() {
		return refuse(StatusMalformed, "field %d has %d bytes", tag, len(value))
	}
	return nil
}

func (p *Package) takeKey(value []byte) *Refusal {
	if len(p.Keys) == MaxKeys || len(value) < keyFieldSize || len(value) > keyFieldSize+MaxLabel {
		return refuse(StatusMalformed, "too many keys, or a key of %d bytes", len(value))
	}
	c := cursor{b: value}
	var k PackageKey
	c.fill(k.ID[:])
	c.fill(k.KVT[:])
	master := c.take(masterSize)
	k.Active = c.flag()
	if c.bad {
		return refuse(StatusMalformed, "key %s has a state that is neither 0 nor 1", k.ID)
	}
	k.Label = string(c.b)
	var err error
	k.Master, err = keyagent.NewSecret(master) // clears master
	if err != nil {
		if errors.Is(err, keyagent.ErrBadSecret) {
			return refuse(StatusKeyMismatch, "key %s: %v", k.ID, err)
		}
		return refuse(StatusFailed, "key %s: %v", k.ID, err)
	}
	p.Keys = append(p.Keys, k)
	return nil
}

// takeNames checks every KID and KVT against its master.
func (p *Package) takeNames() *Refusal {
	for _, k := range p.Keys {
		var err error
		if used := k.Master.Use(func(key []byte) { err = checkNames(k, key) }); used != nil {
			err = used
		}
		if err != nil {
			return refuse(StatusKeyMismatch, "key %s: %v", k.ID, err)
		}
	}
	return nil
}
