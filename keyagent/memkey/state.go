package memkey

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// A KeyState is what may be told about a key: its public names.
type KeyState struct {
	ID     format.KeyID
	KVT    [32]byte
	Active bool
}

// A State is what the agent tells a listed admin in M2. Keys and Active are those in memory: none unless Loaded. The
// generation and the digest are those of the pins and outlive a restart.
type State struct {
	Generation uint64
	Active     format.KeyID // zero without keys
	Keys       []KeyState   // at most MaxKeys
	PinsDigest [32]byte     // opaque here
	Loaded     bool
}

// A Receipt is what the agent says in M4 about the keyring after the operation. No keys: cleared, or waiting for shares.
type Receipt struct {
	Generation uint64
	Active     format.KeyID // zero without keys
	Keys       []KeyState   // at most MaxKeys
	AuditSeq   uint64
	AuditHead  [32]byte // of the audit log with this operation in it; the admin's witness
}

// checkKeyStates: no id twice, exactly one active key, and active is its id; without keys active is zero.
func checkKeyStates(keys []KeyState, active format.KeyID) error {
	if len(keys) > MaxKeys {
		return fmt.Errorf("%d keys, at most %d", len(keys), MaxKeys)
	}
	found := 0
	for i, k := range keys {
		for _, other := range keys[:i] {
			if k.ID == other.ID {
				return fmt.Errorf("key %s is there twice", k.ID)
			}
		}
		if k.Active {
			found++
			if k.ID != active {
				return fmt.Errorf("key %s is active, but %s is named", k.ID, active)
			}
		}
	}
	if len(keys) == 0 && active != (format.KeyID{}) {
		return errors.New("an active key without keys")
	}
	if len(keys) != 0 && found != 1 {
		return fmt.Errorf("%d active keys, want exactly one", found)
	}
	return nil
}

func appendKeyStates(b []byte, keys []KeyState) []byte {
	b = append(b, byte(len(keys)))
	for _, k := range keys {
		b = append(append(append(b, k.ID[:]...), k.KVT[:]...), bit(k.Active))
	}
	return b
}

// takeKeyStates takes a count and that many keys.
func (c *cursor) takeKeyStates() []KeyState {
	n := int(c.u8())
	if n > MaxKeys || n*keyInfoSize > len(c.b) {
		c.bad = true
		return nil
	}
	if n == 0 {
		return nil
	}
	keys := make([]KeyState, n)
	for i := range keys {
		c.fill(keys[i].ID[:])
		c.fill(keys[i].KVT[:])
		keys[i].Active = c.flag()
	}
	return keys
}

func bit(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// flag takes a byte that must be 0 or 1.
func (c *cursor) flag() bool {
	b := c.u8()
	if b > 1 {
		c.bad = true
	}
	return b == 1
}

// appendState appends the state as it stands in M2, without its length.
func appendState(b []byte, s State) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("cannot tell the state: %w", err)
	}
	b = append(b, bit(s.Loaded))
	b = binary.BigEndian.AppendUint64(b, s.Generation)
	b = append(append(b, s.Active[:]...), s.PinsDigest[:]...)
	return appendKeyStates(b, s.Keys), nil
}

func (s State) check() error {
	if s.Loaded != (len(s.Keys) != 0) {
		return fmt.Errorf("loaded is %t with %d keys", s.Loaded, len(s.Keys))
	}
	return checkKeyStates(s.Keys, s.Active)
}

// parseState reads the state of an M2, all of b.
func parseState(b []byte) (State, error) {
	c := cursor{b: b}
	var s State
	s.Loaded = c.flag()
	s.Generation = c.u64()
	c.fill(s.Active[:])
	c.fill(s.PinsDigest[:])
	s.Keys = c.takeKeyStates()
	if !c.done() {
		return State{}, errors.New("cannot read the state: wrong length or flag")
	}
	if err := s.check(); err != nil {
		return State{}, fmt.Errorf("cannot read the state: %w", err)
	}
	return s, nil
}
