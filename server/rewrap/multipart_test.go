package rewrap

import (
	"bytes"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// sealedParts is a whole stored object that was uploaded in parts.
func sealedParts(t testing.TB, ring *format.Keyring, key string, sizes ...int) []byte {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	where, err := format.NewContext(bucketID, key)
	must(err)
	u, err := format.NewUpload(ring, where, format.UploadOptions{BackendID: "b", Created: writtenAt})
	must(err)
	var object []byte
	var list []format.DonePart
	for i, n := range sizes {
		s, err := u.NewPart(i+1, int64(n))
		must(err)
		part := append(s.Head(), make([]byte, s.SealedSize()-int64(len(s.Head())))...)
		s.SealInPlace(part[len(s.Head()):], n, 0)
		object = append(object, part...)
		etag, err := s.ETag("b", "")
		must(err)
		list = append(list, format.DonePart{Number: i + 1, ETag: etag})
	}
	plan, err := u.PlanComplete(list)
	must(err)
	end, err := plan.SealEnd(ring, format.Meta{ContentType: "text/" + key, WrittenAt: writtenAt}, 512)
	must(err)
	return append(object, end...)
}

// tailKey opens an object's tail and part table, and tells the tail's key.
func tailKey(t testing.TB, key string, data []byte) format.KeyID {
	t.Helper()
	where, err := format.NewContext(bucketID, key)
	if err != nil {
		t.Fatal(err)
	}
	tail, err := format.OpenTail(ringOf(t, 'B', 'A'), where, data[:partHeader], data[len(data)-512:], int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	at, n := tail.Table()
	if _, err := tail.OpenTable(data[at : at+n]); err != nil {
		t.Fatal(err)
	}
	return tail.KeyID()
}

// TestMultipartObjectsGetANewTail: all that is before the tail stays where it is, and
// does not pass through here.
func TestMultipartObjectsGetANewTail(t *testing.T) {
	f, before := rotated(t, 2), map[string][]byte{}
	for key, sizes := range map[string][]int{"m-one": {5 << 20}, "m-two": {5 << 20, 1000}, "m-three": {5<<20 + 1, 6 << 20, 7 << 20}} {
		before[key] = sealedParts(t, ringOf(t, 'A'), key, sizes...)
		f.put(t, key, before[key])
	}
	f.put(t, "m-done", sealedParts(t, ringOf(t, 'B'), "m-done", 5<<20))
	survey, err := run(t.Context(), t, f, func(c *Config) { c.Survey = true })
	if err != nil || survey.Kinds.Older.Objects != 5 || survey.key(keyID(t, 'A')).Objects != 5 || survey.key(keyID(t, 'B')).Objects != 3 {
		t.Fatalf("%v %+v", err, survey)
	}
	report, err := run(t.Context(), t, f)
	if err != nil || !report.Clean() || report.Kinds.Rewrapped.Objects != 5 || !report.key(keyID(t, 'A')).Retirable {
		t.Fatalf("%v %+v", err, report)
	}
	for key, old := range before {
		now := f.objects[key].data
		if !bytes.Equal(now[:len(now)-512], old[:len(old)-512]) || bytes.Equal(now, old) {
			t.Errorf("%s: more or less than the tail was changed", key)
		}
		if tailKey(t, key, now) != keyID(t, 'B') {
			t.Errorf("%s is under another key", key)
		}
	}
	if report, err = run(t.Context(), t, f); err != nil || report.Kinds.Rewrapped.Objects != 0 || report.Kinds.Current.Objects != 8 {
		t.Errorf("the second run: %v %+v", err, report.Kinds)
	}
	if len(f.uploads) != 0 {
		t.Errorf("%d uploads are left", len(f.uploads))
	}
}

func TestMultipartObjectsThatDoNotOpenAreLeft(t *testing.T) {
	f := rotated(t, 1)
	whole := sealedParts(t, ringOf(t, 'A'), "m", 5<<20)
	damaged := map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)-512] },
		"tail":    func(b []byte) []byte { b[len(b)-100] ^= 1; return b },
		"head":    func(b []byte) []byte { b[20] ^= 1; return b },
		"foreign": func(b []byte) []byte { return append(b, 0) },
		"small":   func(b []byte) []byte { return b[:300] },
	}
	for key, spoil := range damaged {
		f.put(t, key, spoil(bytes.Clone(whole)))
	}
	want := f.copy()
	report, err := run(t.Context(), t, f)
	if err != nil || report.Kinds.Unreadable.Objects != int64(len(damaged)) || report.Kinds.Rewrapped.Objects != 1 || report.key(keyID(t, 'A')).Retirable {
		t.Errorf("%v %+v", err, report)
	}
	for key := range damaged {
		if f.objects[key].etag != want.objects[key].etag {
			t.Errorf("%s was written", key)
		}
	}
}

// TestMultipartObjectThatChangesIsNeverMixed replaces the object between the read of
// its head, of its tail, and its move.
func TestMultipartObjectThatChangesIsNeverMixed(t *testing.T) {
	base := newFake()
	base.setState(t, ringOf(t, 'B', 'A'))
	base.put(t, "m", sealedParts(t, ringOf(t, 'A'), "m", 5<<20, 100))
	other := sealedParts(t, ringOf(t, 'A'), "m", 5<<20, 100)
	for n := range 30 {
		f := base.copy()
		f.before = func(i int, _, _ string) error {
			if i == n {
				f.put(t, "m", other)
			}
			return nil
		}
		report, err := run(t.Context(), t, f)
		if err != nil || !report.Complete {
			t.Fatalf("changed before call %d: %v %+v", n, err, report)
		}
		now := f.objects["m"].data
		if tailKey(t, "m", now); n < len(f.calls) && !bytes.Equal(now[:len(now)-512], other[:len(other)-512]) {
			t.Errorf("changed before call %d: what the client wrote is lost", n)
		}
	}
}
