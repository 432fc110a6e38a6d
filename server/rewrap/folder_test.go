package rewrap

import (
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// marker stores a folder marker that is sealed under the active key of ring for the key at.
func (f *fake) marker(t testing.TB, ring format.Ring, key, at string) {
	t.Helper()
	object := sealed(t, ring, at, nil)
	where, err := format.NewContext(bucketID, at)
	if err != nil {
		t.Fatal(err)
	}
	block, err := format.FolderBlock(ring, where, object[:len(object)-format.TagSize])
	if err != nil {
		t.Fatal(err)
	}
	f.objects[key] = stored{nil, `"d41d8cd98f00b204e9800998ecf8427e"`, backend.Attributes{BlockHint: backend.Hint(block)}, writtenAt}
}

// TestFolderMarkersAreHeld: they are opened, counted under their key, and never written;
// one that does not open is as unreadable as any object.
func TestFolderMarkersAreHeld(t *testing.T) {
	f := rotated(t, 1)
	f.marker(t, ringOf(t, 'A'), "old/", "old/")
	f.marker(t, ringOf(t, 'B'), "new/", "new/")
	f.marker(t, ringOf(t, 'A'), "moved/", "elsewhere/")
	f.objects["bare/"] = stored{nil, `"x"`, backend.Attributes{}, writtenAt}
	before := f.copy()
	report, err := run(t.Context(), t, f, on(today))
	if err != nil {
		t.Fatal(err)
	}
	if report.Kinds.Held.Objects != 1 || report.Kinds.Unreadable.Objects != 2 || report.Kinds.Rewrapped.Objects != 1 || report.Kinds.Current.Objects != 3 {
		t.Errorf("%+v", report.Kinds)
	}
	if a := report.key(keyID(t, 'A')); a.Objects != 2 || a.Retirable { // old/, and what moved/ claims
		t.Errorf("%+v", a)
	}
	for _, trouble := range report.Trouble {
		if trouble.Key == "old/" && !strings.Contains(trouble.Reason, "folder marker") {
			t.Errorf("%+v", trouble)
		}
	}
	for _, key := range []string{"old/", "new/", "moved/", "bare/"} {
		if f.objects[key].with != before.objects[key].with {
			t.Errorf("%s was written", key)
		}
	}
	survey, err := run(t.Context(), t, f, on(today), func(c *Config) { c.Survey = true })
	if err != nil || survey.Kinds.Older.Objects != 1 {
		t.Errorf("%v %+v", err, survey.Kinds)
	}
	// Written again, it is under the active key, and nothing holds the old one.
	f.marker(t, ringOf(t, 'B'), "old/", "old/")
	delete(f.objects, "moved/")
	delete(f.objects, "bare/")
	if report, err = run(t.Context(), t, f, on(today)); err != nil || !report.Clean() || !report.key(keyID(t, 'A')).Retirable {
		t.Errorf("%v %+v", err, report.Kinds)
	}
}
