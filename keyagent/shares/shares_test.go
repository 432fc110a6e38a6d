package shares

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// stream is a reader of known bytes: SHA-256(name ‖ 0), SHA-256(name ‖ 1), …
type stream struct {
	name  string
	count uint64
	rest  []byte
}

func (s *stream) Read(p []byte) (int, error) {
	for i := range p {
		if len(s.rest) == 0 {
			sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(s.name), s.count))
			s.rest = sum[:]
			s.count++
		}
		p[i] = s.rest[0]
		s.rest = s.rest[1:]
	}
	return len(p), nil
}

// testMaster is the master number i; never zero.
func testMaster(i int) [masterSize]byte { return sha256.Sum256(fmt.Appendf(nil, "test master %d", i)) }

func testKey(t testing.TB, i int, active bool, label string) Key {
	t.Helper()
	m := testMaster(i)
	master, err := keyagent.NewSecret(m[:])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(master.Wipe)
	id, kvt, err := names(master)
	if err != nil {
		t.Fatal(err)
	}
	return Key{ID: id, KVT: kvt, Master: master, Active: active, Label: label}
}

func testRing(t testing.TB) *Keyring {
	t.Helper()
	return &Keyring{
		Generation: 7,
		Keys:       []Key{testKey(t, 1, false, "2025"), testKey(t, 2, true, "nach Umzug – 2026")},
		Pins:       []Pin{{"pbs-zurich", format.BucketID{1, 2, 3}}, {"pbs-bern", format.BucketID{4, 5, 6}}},
	}
}

func testSplit(t testing.TB, ring *Keyring, n, k int) []*Share {
	t.Helper()
	out, err := Split(ring, n, k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range out {
			s.Wipe()
		}
	})
	return out
}

// knownSplit is testSplit with known randomness.
func knownSplit(t testing.TB, name string, ring *Keyring, n, k int) []*Share {
	t.Helper()
	out, err := split(&stream{name: name}, ring, n, k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range out {
			s.Wipe()
		}
	})
	return out
}

func wire(t testing.TB, s *Share) []byte {
	t.Helper()
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustParse(t testing.TB, b []byte) *Share {
	t.Helper()
	s, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Wipe)
	return s
}

// sameRing fails unless got is want with its pins sorted; the masters are compared too.
func sameRing(t testing.TB, got, want *Keyring) {
	t.Helper()
	if got.Generation != want.Generation || len(got.Keys) != len(want.Keys) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i, key := range got.Keys {
		w := want.Keys[i]
		if key.ID != w.ID || key.KVT != w.KVT || key.Active != w.Active || key.Label != w.Label {
			t.Errorf("key %d: the names are not those that were split", i)
		}
		if !key.Master.Equal(w.Master) {
			t.Errorf("key %d: another master came back", i)
		}
	}
	pins := slices.Clone(want.Pins)
	slices.SortFunc(pins, func(a, b Pin) int { return strings.Compare(a.Name, b.Name) })
	if !slices.Equal(got.Pins, pins) {
		t.Errorf("pins %v, want %v", got.Pins, pins)
	}
}

// subsets yields all sets of k of the shares.
func subsets(all []*Share, k int) (out [][]*Share) {
	for mask := range uint(1) << len(all) {
		if bits.OnesCount(mask) != k {
			continue
		}
		var set []*Share
		for i, s := range all {
			if mask>>i&1 == 1 {
				set = append(set, s)
			}
		}
		out = append(out, set)
	}
	return out
}

func wiped(s *keyagent.Secret) bool {
	return errors.Is(s.Use(func([]byte) {}), keyagent.ErrWiped)
}

type failingReader struct{ after int }

func (r *failingReader) Read(p []byte) (int, error) {
	if r.after < len(p) {
		return 0, io.ErrUnexpectedEOF
	}
	r.after -= len(p)
	for i := range p {
		p[i] = 1
	}
	return len(p), nil
}
