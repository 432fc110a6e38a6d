package keyagent

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// A Key is one master key of a ring.
type Key struct {
	Label  string  // for people; at most MaxLabel bytes of printable UTF-8, may be empty, is not secret
	Master *Secret // owned by whoever owns the Key
	Active bool    // new objects are sealed under it; exactly one of a ring
}

// A Ring is a snapshot of the keys at one generation, in the order in which they were loaded. A Ring without keys is
// cleared if its Generation is above zero, and never loaded if it is zero. Generations grow within one Holder and start
// again with the next one: they order changes, they do not name key sets.
type Ring struct {
	Generation uint64
	Keys       []Key
}

// Wipe wipes every master of the ring. It is for the owner of the ring, once the masters have served.
func (r Ring) Wipe() {
	for _, k := range r.Keys {
		k.Master.Wipe()
	}
}

// checkKeys applies the rules that every ring with keys obeys, on both sides of the socket.
func checkKeys(keys []Key) error {
	if len(keys) == 0 {
		return fmt.Errorf("no key: %w", ErrBadRing)
	}
	if len(keys) > MaxKeys {
		return fmt.Errorf("%d keys, at most %d: %w", len(keys), MaxKeys, ErrBadRing)
	}
	active := 0
	for i, k := range keys {
		if err := checkLabel(k.Label); err != nil {
			return fmt.Errorf("key %d: %w: %w", i, err, ErrBadRing)
		}
		if k.Master == nil {
			return fmt.Errorf("key %d has no master: %w", i, ErrBadRing)
		}
		if !k.Master.Equal(k.Master) {
			return fmt.Errorf("key %d: %w: %w", i, ErrWiped, ErrBadRing)
		}
		if k.Active {
			active++
		}
		for j, other := range keys[:i] {
			if k.Master.Equal(other.Master) {
				return fmt.Errorf("keys %d and %d are the same: %w", j, i, ErrBadRing)
			}
		}
	}
	if active != 1 {
		return fmt.Errorf("%d active keys, want exactly one: %w", active, ErrBadRing)
	}
	return nil
}

// checkLabel keeps labels safe to print in a terminal and a log.
func checkLabel(label string) error {
	if len(label) > MaxLabel {
		return fmt.Errorf("label of %d bytes, at most %d", len(label), MaxLabel)
	}
	if !utf8.ValidString(label) {
		return fmt.Errorf("label is not UTF-8")
	}
	for _, r := range label {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("label has the unprintable character %U", r)
		}
	}
	return nil
}
