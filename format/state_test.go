package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func testState(t testing.TB, ring *Keyring) State {
	t.Helper()
	s := State{
		Version: 2, CreatedAt: time.UnixMilli(1767225600123).UTC(), BucketID: vectorBucket(), Names: []string{"backups"},
		Keys: map[KeyID][32]byte{}, Settings: Settings{BlockSize: 1024, Segment: SegmentSize},
	}
	for _, id := range ring.IDs() {
		s.Keys[id], _ = ring.KVT(id)
	}
	return s
}

func TestStateRoundTrip(t *testing.T) {
	ring := testRing(t, vectorMaster(), counting(1, 32))
	want := testState(t, ring)
	object, err := SealState(ring, want)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := PlainSize(StateBlockSize, int64(len(object))); !ok || p == 0 {
		t.Errorf("%d stored bytes are foreign", len(object))
	}
	got, err := OpenState(ring, object)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	closing := want
	closing.Closing = true
	if object, err = SealState(ring, closing); err != nil {
		t.Fatal(err)
	}
	if got, err := OpenState(ring, object); err != nil || !reflect.DeepEqual(got, closing) {
		t.Errorf("%+v, %v; want %+v", got, err, closing)
	}
	// The zero values that SealState fills in, and names in any order; the caller's State stays as it is.
	lazy := want
	lazy.Version, lazy.Settings.Segment, lazy.Names = 0, 0, []string{"second", "first"}
	object, err = SealState(ring, lazy)
	if err != nil {
		t.Fatal(err)
	}
	got, err = OpenState(ring, object)
	if err != nil || got.Version != 2 || got.Settings.Segment != SegmentSize || got.Names[0] != "first" || lazy.Names[0] != "second" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestStateOfManyKeys: a state of more than one segment, sealed after a rotation, opens.
func TestStateOfManyKeys(t *testing.T) {
	ring := testRing(t, vectorMaster())
	s := testState(t, ring)
	for i := range 2000 {
		var id KeyID
		binary.BigEndian.PutUint64(id[:], uint64(i))
		s.Keys[id] = [32]byte{byte(i)}
	}
	object, err := SealState(ring, s)
	if err != nil {
		t.Fatal(err)
	}
	if len(object) < 2*Stride {
		t.Fatalf("only %d bytes", len(object))
	}
	if got, err := OpenState(ring, object); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%v", err)
	}
	for i := range 20_000 {
		var id KeyID
		binary.BigEndian.PutUint64(id[:], uint64(i))
		s.Keys[id] = [32]byte{byte(i)}
	}
	if _, err := SealState(ring, s); err == nil {
		t.Error("a state beyond MaxStateSize was sealed")
	}
	// A writer with the key may still have made one.
	huge := stateInput(strings.Repeat(" ", MaxStateSize+1))
	if _, err := OpenState(ring, refSeal(huge)); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a state beyond MaxStateSize: %v", err)
	}
}

func TestSealStateRefuses(t *testing.T) {
	ring := testRing(t, vectorMaster())
	f := func(what string, change func(*State)) {
		t.Helper()
		s := testState(t, ring)
		change(&s)
		if object, err := SealState(ring, s); err == nil {
			t.Errorf("%s: sealed %d bytes", what, len(object))
		}
	}
	f("version", func(s *State) { s.Version = 3 })
	f("no time", func(s *State) { s.CreatedAt = time.Time{} })
	f("no bucket id", func(s *State) { s.BucketID = BucketID{} })
	f("no names", func(s *State) { s.Names = nil })
	f("name twice", func(s *State) { s.Names = []string{"backups", "other", "backups"} })
	f("name too short", func(s *State) { s.Names = []string{"ab"} })
	f("name with a slash", func(s *State) { s.Names = []string{"a/b"} })
	f("too many names", func(s *State) {
		for i := range 65 {
			s.Names = append(s.Names, fmt.Sprintf("name-%02d", i))
		}
	})
	f("no keys", func(s *State) { s.Keys = nil })
	f("active key missing", func(s *State) { s.Keys = map[KeyID][32]byte{{1}: {}} })
	f("block size", func(s *State) { s.Settings.BlockSize = 0 })
	f("segment", func(s *State) { s.Settings.Segment = 4096 })
	f("name encryption without a name key", func(s *State) { s.Settings.NameEncryption = true })
	f("name key without name encryption", func(s *State) { s.NameKey = NameKey{1} })
	if _, err := SealState((*Keyring)(nil), testState(t, ring)); !errors.Is(err, ErrNoKey) {
		t.Errorf("no key: %v", err)
	}
}

// TestStateEveryByte flips every byte of a stored state: nothing opens.
func TestStateEveryByte(t *testing.T) {
	ring := testRing(t, vectorMaster())
	object, err := SealState(ring, testState(t, ring))
	if err != nil {
		t.Fatal(err)
	}
	for i := range object {
		edited := bytes.Clone(object)
		edited[i] ^= 1 << (i % 8)
		if _, err := OpenState(ring, edited); err == nil {
			t.Fatalf("byte %d can be flipped", i)
		}
		if _, err := OpenState(ring, object[:i]); err == nil {
			t.Fatalf("%d of %d bytes open", i, len(object))
		}
	}
}

// TestStateIsNoObject: a state opens nowhere else, and no object is taken for a state.
func TestStateIsNoObject(t *testing.T) {
	ring := testRing(t, vectorMaster())
	object, err := SealState(ring, testState(t, ring))
	if err != nil {
		t.Fatal(err)
	}
	where := testContext(t, vectorBucket(), "backup-of-"+StateKey)
	if _, err := openWhole(ring, where, StateBlockSize, object); !errors.Is(err, ErrCommit) {
		t.Errorf("state as object: %v", err)
	}
	ordinary, err := sealObject(ring, where, Meta{}, SealOptions{BlockSize: StateBlockSize}, []byte("{}"), vectorEntropy())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenState(ring, ordinary); !errors.Is(err, ErrCommit) {
		t.Errorf("object as state: %v", err)
	}
}
