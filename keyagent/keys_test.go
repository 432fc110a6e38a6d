package keyagent

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
)

// testKey gives a master that a number determines.
func testKey(n int) []byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("test key"), uint64(n)))
	return sum[:]
}

func newTestSecret(t testing.TB, key []byte) *Secret {
	t.Helper()
	s, err := NewSecret(bytes.Clone(key))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testRing gives the keys of the load of number n: 1 to 4 keys, all determined by n.
func testRing(n int) ([]Key, error) {
	count := 1 + n%4
	keys := make([]Key, 0, count)
	for i := range count {
		s, err := NewSecret(testKey(n*100 + i))
		if err != nil {
			Ring{Keys: keys}.Wipe()
			return nil, err
		}
		keys = append(keys, Key{Label: fmt.Sprintf("load %d key %d", n, i), Master: s, Active: i == n%count})
	}
	return keys, nil
}

// checkTestRing tells the number of the load that ring is, 0 if it is cleared, and an error if it is not exactly one.
func checkTestRing(ring Ring) (int, error) {
	if len(ring.Keys) == 0 {
		return 0, nil
	}
	var n int
	if _, err := fmt.Sscanf(ring.Keys[0].Label, "load %d key 0", &n); err != nil {
		return 0, err
	}
	if len(ring.Keys) != 1+n%4 {
		return n, fmt.Errorf("load %d has %d keys", n, len(ring.Keys))
	}
	for i, k := range ring.Keys {
		if want := fmt.Sprintf("load %d key %d", n, i); k.Label != want {
			return n, fmt.Errorf("key %q, want %q", k.Label, want)
		}
		if k.Active != (i == n%len(ring.Keys)) {
			return n, fmt.Errorf("key %q: active %t", k.Label, k.Active)
		}
		equal := false
		if err := k.Master.Use(func(b []byte) { equal = bytes.Equal(b, testKey(n*100+i)) }); err != nil || !equal {
			return n, fmt.Errorf("key %q has wrong bytes (%v)", k.Label, err)
		}
	}
	return n, nil
}
