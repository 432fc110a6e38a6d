package keyagent

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
)

// A KeyName is what may be known of a key by a process that does not hold it: its public id, its public verification
// tag, and its label.
type KeyName struct {
	ID     [nameIDSize]byte
	KVT    [32]byte
	Label  string
	Active bool
}

// Names is the ring at one generation without its secrets. No keys at a generation above zero means cleared.
type Names struct {
	Generation uint64
	Keys       []KeyName
}

const (
	nameIDSize = 8
	nameFixed  = nameIDSize + 32
)

// A Deriver knows what this package does not: how keys are named and what is derived from them. Both methods borrow
// master during the call only, must not change it, and are called from several goroutines at once.
type Deriver interface {
	// Name gives the public id and verification tag of a master.
	Name(master []byte) (id [nameIDSize]byte, kvt [32]byte, err error)
	// Derive answers one request, whose form is the caller's business, with at most MaxAnswer bytes.
	Derive(master, request []byte) (answer []byte, err error)
}

// nameCache holds the ids of the keys of one generation, in their order, so that a request need not derive them all.
type nameCache struct {
	mu         sync.Mutex
	generation uint64
	ids        [][nameIDSize]byte
}

// find gives the index of the key with an id, -1 if there is none. It borrows keys.
func (c *nameCache) find(d Deriver, generation uint64, keys []Key, id [nameIDSize]byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation != generation {
		names, err := namesOf(d, generation, keys)
		if err != nil {
			return -1, err
		}
		c.generation, c.ids = generation, c.ids[:0]
		for _, n := range names.Keys {
			c.ids = append(c.ids, n.ID)
		}
	}
	for i := range c.ids {
		if c.ids[i] == id {
			return i, nil
		}
	}
	return -1, nil
}

// namesOf names all keys of a ring, which it borrows.
func namesOf(d Deriver, generation uint64, keys []Key) (Names, error) {
	n := Names{Generation: generation}
	for _, k := range keys {
		name := KeyName{Label: k.Label, Active: k.Active}
		var err error
		if useErr := k.Master.Use(func(master []byte) { name.ID, name.KVT, err = d.Name(master) }); useErr != nil {
			err = useErr
		}
		if err != nil {
			return Names{}, fmt.Errorf("cannot name a key: %w", err)
		}
		n.Keys = append(n.Keys, name)
	}
	return n, nil
}

// nameKeys waits for a generation above after and names its keys.
func (s *session) nameKeys(ctx context.Context, after uint64) (names Names, err error) {
	err = s.holder.await(ctx, after, func(generation uint64, keys []Key) (err error) {
		names, err = namesOf(s.deriver, generation, keys)
		return err
	})
	return names, err
}

// appendNames writes NAMES (LOCAL.md 4.6).
func appendNames(dst []byte, n Names) []byte {
	active := byte(noActive)
	for i, k := range n.Keys {
		if k.Active {
			active = byte(i)
		}
	}
	body := binary.BigEndian.AppendUint64(nil, n.Generation)
	body = append(body, byte(len(n.Keys)), active)
	for _, k := range n.Keys {
		body = append(body, k.ID[:]...)
		body = append(body, k.KVT[:]...)
		body = append(body, byte(len(k.Label)))
		body = append(body, k.Label...)
	}
	return appendFrame(dst, msgNames, body...)
}

// parseNames reads NAMES. Two keys of one id, or of one tag, are refused.
func parseNames(body []byte) (Names, error) {
	if len(body) < ringFixed {
		return Names{}, fmt.Errorf("NAMES of %d bytes: %w", len(body), ErrProtocol)
	}
	n := Names{Generation: binary.BigEndian.Uint64(body)}
	count, active := int(body[8]), int(body[9])
	switch {
	case n.Generation == 0:
		return Names{}, fmt.Errorf("NAMES without a generation: %w", ErrProtocol)
	case count > MaxKeys:
		return Names{}, fmt.Errorf("NAMES with %d keys, at most %d: %w", count, MaxKeys, ErrProtocol)
	case count == 0 && active != noActive, count > 0 && active >= count:
		return Names{}, fmt.Errorf("NAMES of %d keys with active key %d: %w", count, active, ErrProtocol)
	}
	rest := body[ringFixed:]
	for i := range count {
		if len(rest) < nameFixed+1 || len(rest) < nameFixed+1+int(rest[nameFixed]) {
			return Names{}, fmt.Errorf("NAMES ends within a key: %w", ErrProtocol)
		}
		k := KeyName{Active: i == active, Label: string(rest[nameFixed+1:][:rest[nameFixed]])}
		copy(k.ID[:], rest)
		copy(k.KVT[:], rest[nameIDSize:])
		if err := checkLabel(k.Label); err != nil {
			return Names{}, fmt.Errorf("NAMES with a bad label: %w: %w", err, ErrProtocol)
		}
		for _, other := range n.Keys {
			if other.ID == k.ID || other.KVT == k.KVT {
				return Names{}, fmt.Errorf("NAMES with one key twice: %w", ErrProtocol)
			}
		}
		n.Keys = append(n.Keys, k)
		rest = rest[nameFixed+1+len(k.Label):]
	}
	if len(rest) != 0 {
		return Names{}, fmt.Errorf("%d bytes after the NAMES: %w", len(rest), ErrProtocol)
	}
	return n, nil
}
