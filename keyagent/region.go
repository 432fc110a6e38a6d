package keyagent

import (
	"encoding/binary"
	"fmt"
)

// A region is the block of memory that carries the masters of one ring from the agent to one client, as a file
// descriptor. Its layout (LOCAL.md 5):
//
//	0   "KEYRING1"                    8
//	8   generation, big endian        8    that of the RING message it came with
//	16  per key: master              32
//	             ^master             32    every bit inverted
const (
	regionMagic  = "KEYRING1"
	regionFixed  = len(regionMagic) + 8
	regionPerKey = 2 * KeySize
)

func regionSize(keys int) int { return regionFixed + keys*regionPerKey }

// fillRegion writes keys, which it borrows, to b of regionSize(len(keys)) bytes.
func fillRegion(b []byte, generation uint64, keys []Key) error {
	copy(b, regionMagic)
	binary.BigEndian.PutUint64(b[len(regionMagic):], generation)
	for i, k := range keys {
		slot := b[regionSize(i):regionSize(i+1)]
		err := k.Master.Use(func(key []byte) {
			moveKey(slot[:KeySize], key)
			for j, v := range key {
				slot[KeySize+j] = ^v
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readRegion makes the ring of head from b, whose length is regionSize(len(head.labels)). The ring is the caller's, who
// wipes it. On error there is no ring, in no case a part of one: the inverted copy shows bytes that were cleared,
// exchanged or half written.
func readRegion(b []byte, head ringHead) (ring Ring, err error) {
	if len(b) != regionSize(len(head.labels)) || string(b[:len(regionMagic)]) != regionMagic {
		return Ring{}, fmt.Errorf("not a key region: %w", ErrProtocol)
	}
	if g := binary.BigEndian.Uint64(b[len(regionMagic):]); g != head.generation {
		return Ring{}, fmt.Errorf("key region of generation %d came with ring %d: %w", g, head.generation, ErrProtocol)
	}
	ring.Generation = head.generation
	defer func() {
		if err != nil {
			ring.Wipe()
			ring = Ring{}
		}
	}()
	for i, label := range head.labels {
		slot := b[regionSize(i):regionSize(i+1)]
		var differ byte
		for j, v := range slot[:KeySize] {
			differ |= ^v ^ slot[KeySize+j]
		}
		if differ != 0 {
			return ring, fmt.Errorf("key %d of the region is damaged: %w", i, ErrProtocol)
		}
		master, err := copySecret(slot[:KeySize])
		if err != nil {
			return ring, fmt.Errorf("key %d of the region: %w", i, err)
		}
		ring.Keys = append(ring.Keys, Key{Label: label, Master: master, Active: i == head.active})
	}
	if err := checkKeys(ring.Keys); err != nil {
		return ring, fmt.Errorf("key region: %w", err)
	}
	return ring, nil
}
