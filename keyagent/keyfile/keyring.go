package keyfile

import (
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// A Keyring is the administrator's copy of the master keys: what a package to the agent is made of.
//
// It has 1 to keyagent.MaxKeys keys, all different, exactly one of them active, each with the ID and KVT that belong to
// its master; labels are printable. Generation is at least 1.
type Keyring struct {
	Generation uint64
	Created    time.Time // of the first key; whole seconds, UTC
	Pending    bool      // this generation has not been confirmed by a server
	Keys       []memkey.PackageKey
	Pins       []memkey.BucketPin
}

// NewKey makes the public parts of a master and puts them together. The key owns master from then on, also when NewKey
// fails.
func NewKey(master *keyagent.Secret, active bool, label string) (memkey.PackageKey, error) {
	key := memkey.PackageKey{Master: master, Active: active, Label: label}
	var derived *format.Keys
	var err error
	if useErr := master.Use(func(m []byte) { derived, err = format.DeriveKeys(m) }); useErr != nil {
		err = useErr
	}
	if err == nil {
		err = checkText("label", label, keyagent.MaxLabel)
	}
	if err != nil {
		master.Wipe()
		return memkey.PackageKey{}, fmt.Errorf("cannot take a master key: %w", err)
	}
	key.ID, key.KVT = derived.ID(), derived.KVT()
	derived.Wipe()
	return key, nil
}

// Active returns the key that new objects are sealed under.
func (k *Keyring) Active() *memkey.PackageKey {
	for i := range k.Keys {
		if k.Keys[i].Active {
			return &k.Keys[i]
		}
	}
	return nil
}

// Package makes a package of the whole ring with handles of its own on the masters: the caller wipes both.
func (k *Keyring) Package(op memkey.Op) (*memkey.Package, error) {
	p := &memkey.Package{Op: op, Generation: k.Generation, Pins: append([]memkey.BucketPin(nil), k.Pins...)}
	for _, key := range k.Keys {
		master, err := key.Master.Clone()
		if err != nil {
			p.Wipe()
			return nil, fmt.Errorf("cannot make a package: key %v: %w", key.ID, err)
		}
		key.Master = master
		p.Keys = append(p.Keys, key)
	}
	return p, nil
}

// Rotate puts master in as the active key of the next generation, which is pending; the others only open from now on.
// The ring owns master from then on, also when Rotate fails, and is unchanged then.
func (k *Keyring) Rotate(master *keyagent.Secret, label string) error {
	if len(k.Keys) >= keyagent.MaxKeys {
		master.Wipe()
		return fmt.Errorf("cannot add a key: the ring has %d keys already: %w", len(k.Keys), ErrKeyring)
	}
	if k.Pending {
		master.Wipe()
		return fmt.Errorf("cannot add a key: generation %d is not confirmed yet: %w", k.Generation, ErrKeyring)
	}
	key, err := NewKey(master, true, label)
	if err != nil {
		return err
	}
	next := Keyring{Generation: k.Generation + 1, Created: k.Created, Pending: true, Pins: k.Pins, Keys: []memkey.PackageKey{key}}
	for _, old := range k.Keys {
		old.Active = false
		next.Keys = append(next.Keys, old)
	}
	if err := next.check(); err != nil {
		master.Wipe()
		return err
	}
	*k = next
	return nil
}

// AddOld puts master in as a key that only opens, without a new generation: to put a ring together again from paper.
// The ring owns master from then on, also when AddOld fails, and is unchanged then.
func (k *Keyring) AddOld(master *keyagent.Secret, label string) error {
	key, err := NewKey(master, false, label)
	if err != nil {
		return err
	}
	next := *k
	next.Keys = append(append([]memkey.PackageKey(nil), k.Keys...), key)
	next.Pending = true
	if err := next.check(); err != nil {
		master.Wipe()
		return err
	}
	*k = next
	return nil
}

// Wipe wipes every master of the ring.
func (k *Keyring) Wipe() {
	if k == nil {
		return
	}
	for _, key := range k.Keys {
		key.Master.Wipe()
	}
}

// check applies the rules of Keyring's text.
func (k *Keyring) check() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrKeyring)
	}
	if k.Generation == 0 {
		return fail("generation 0")
	}
	if len(k.Keys) == 0 || len(k.Keys) > keyagent.MaxKeys {
		return fail("%d keys, want 1 to %d", len(k.Keys), keyagent.MaxKeys)
	}
	active := 0
	for i, key := range k.Keys {
		if err := checkKey(key); err != nil {
			return fail("key %d: %v", i+1, err)
		}
		if key.Active {
			active++
		}
		for j := range i {
			if k.Keys[j].ID == key.ID {
				return fail("keys %d and %d have the id %v", j+1, i+1, key.ID)
			}
		}
	}
	if active != 1 {
		return fail("%d active keys, want exactly one", active)
	}
	if len(k.Pins) > memkey.MaxPins {
		return fail("%d bucket pins, at most %d", len(k.Pins), memkey.MaxPins)
	}
	for i, pin := range k.Pins {
		if !validPin(pin.Name) {
			return fail("bucket pin %d has the name %q", i+1, pin.Name)
		}
		for _, other := range k.Pins[:i] {
			if other.Name == pin.Name {
				return fail("bucket pin %q is there twice", pin.Name)
			}
		}
	}
	return nil
}

// checkKey proves that the public parts belong to the master.
func checkKey(key memkey.PackageKey) error {
	if err := checkText("label", key.Label, keyagent.MaxLabel); err != nil {
		return err
	}
	if key.Master == nil {
		return errors.New("no master")
	}
	var derived *format.Keys
	var err error
	if useErr := key.Master.Use(func(m []byte) { derived, err = format.DeriveKeys(m) }); useErr != nil {
		err = useErr
	}
	if err != nil {
		return err
	}
	defer derived.Wipe()
	if derived.ID() != key.ID || derived.KVT() != key.KVT {
		return fmt.Errorf("the master is not that of id %v", key.ID)
	}
	return nil
}

// validPin is the protocol's rule for the name in a memkey.BucketPin.
func validPin(name string) bool {
	for _, c := range []byte(name) {
		if c < 0x21 || c > 0x7e {
			return false
		}
	}
	return name != "" && len(name) <= memkey.MaxPinName
}

// checkText keeps labels and names safe to print in a terminal and a log.
func checkText(what, text string, most int) error {
	if len(text) > most {
		return fmt.Errorf("%s of %d bytes, at most %d", what, len(text), most)
	}
	if !utf8.ValidString(text) {
		return fmt.Errorf("%s is not UTF-8", what)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%s has the unprintable character %U", what, r)
		}
	}
	return nil
}
