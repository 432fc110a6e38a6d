package rewrap

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// In a bucket with sealed names objects are opened, moved and reported under the
// names that clients know, and stay where they are stored; so do padded bodies. What
// was not named by a proxy is reported under its stored name, and left.
func TestSealedNamesAndPaddingStay(t *testing.T) {
	f, a, b := newFake(), ringOf(t, 'A'), ringOf(t, 'B', 'A')
	nameKey := format.NameKey{7}
	st := format.State{CreatedAt: writtenAt, BucketID: bucketID, Names: []string{name}, Keys: map[format.KeyID][32]byte{}, NameKey: nameKey,
		Settings: format.Settings{BlockSize: 512, NameEncryption: true, Padding: true}}
	for _, id := range b.IDs() {
		st.Keys[id], _ = b.KVT(id)
	}
	object, err := format.SealState(b, st)
	if err != nil {
		t.Fatal(err)
	}
	f.put(t, format.StateKey, object)
	namer, err := format.NewNamer(bucketID, nameKey)
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{"a", "dir/a", "dir//deep/file"}
	bodies := map[string][]byte{}
	for _, key := range keys {
		stored, err := namer.Seal(key)
		if err != nil {
			t.Fatal(err)
		}
		data := padded(t, a, key, 70_001)
		bodies[key] = data[512:]
		f.put(t, stored, data)
	}
	f.put(t, "not-a-sealed-name", sealed(t, a, "not-a-sealed-name", nil))

	var told []string
	report, err := run(t.Context(), t, f, func(c *Config) { c.Each = func(o Outcome) { told = append(told, o.Key) } })
	if err != nil || report.Kinds.Rewrapped.Objects != 3 || report.Kinds.Unreadable.Objects != 1 {
		t.Fatalf("%v %+v", err, report.Kinds)
	}
	slices.Sort(told)
	if want := []string{"a", "dir//deep/file", "dir/a", "not-a-sealed-name"}; !slices.Equal(told, want) {
		t.Errorf("told of %q, want %q", told, want)
	}
	if len(report.Trouble) != 1 || report.Trouble[0].Key != "not-a-sealed-name" || !strings.Contains(report.Trouble[0].Reason, "not sealed in this bucket") {
		t.Errorf("%+v", report.Trouble)
	}
	for _, key := range keys {
		stored, _ := namer.Seal(key)
		now := f.objects[stored].data
		where, err := format.NewContext(bucketID, key)
		if err != nil {
			t.Fatal(err)
		}
		o, err := format.OpenBlock(ringOf(t, 'B'), where, now[:512], int64(len(now)))
		if err != nil || o.PlainSize() != 70_001 || o.PaddedSize() != format.PaddedSize(70_001) || !bytes.Equal(now[512:], bodies[key]) {
			t.Errorf("%s: %v", key, err)
		}
	}
	// The next run has nothing to do, and a key is retired with settings and name key kept.
	f.mu.Lock()
	delete(f.objects, "not-a-sealed-name")
	f.mu.Unlock()
	if _, err := Retire(t.Context(), Config{Store: f, Ring: b, Bucket: name, Warn: func(err error) { t.Log(err) }}, keyID(t, 'A')); err != nil {
		t.Fatal(err)
	}
	again, err := format.OpenState(ringOf(t, 'B'), f.objects[format.StateKey].data)
	if err != nil || again.NameKey != nameKey || !again.Settings.NameEncryption || !again.Settings.Padding || len(again.Keys) != 1 {
		t.Errorf("%v %v", err, again.Settings)
	}
}

// padded is a padded stored object of n zero bytes.
func padded(t testing.TB, ring format.Ring, key string, n int64) []byte {
	t.Helper()
	where, err := format.NewContext(bucketID, key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := format.NewSealer(ring, where, format.Meta{PlainSize: n}, format.SealOptions{BlockSize: 512, Padded: true})
	if err != nil {
		t.Fatal(err)
	}
	object := make([]byte, s.SealedSize())
	at := copy(object, s.Block())
	for i, rest := int64(0), s.PaddedSize(); rest > 0; i, rest = i+1, rest-format.SegmentSize {
		at += s.SealInPlace(object[at:], int(min(rest, format.SegmentSize)), i)
	}
	return object
}
