package rewrap

import (
	"errors"
	"testing"
)

// TestNoncurrentVersionsKeepTheirKeyInUse: rewrapping leaves the old version under the
// old key, which must not be called unused while it is there.
func TestNoncurrentVersionsKeepTheirKeyInUse(t *testing.T) {
	f := rotated(t, 5)
	f.versioned = true
	f.put(t, "m", sealedParts(t, ringOf(t, 'A'), "m", 5<<20))
	a, cfg := keyID(t, 'A'), Config{Store: f, Ring: ringOf(t, 'B', 'A'), Bucket: name}
	report, err := run(t.Context(), t, f)
	if err != nil || !report.Clean() || report.Kinds.Rewrapped.Objects != 6 {
		t.Fatalf("%v %+v", err, report)
	}
	if k := report.key(a); k.Objects != 0 || k.Noncurrent.Objects != 6 || k.Retirable {
		t.Errorf("%+v", k)
	}
	if _, err := Retire(t.Context(), cfg, a); !errors.Is(err, ErrInUse) {
		t.Errorf("retired: %v", err)
	}
	// One version is left, of an object that was deleted.
	if err := f.Delete(t.Context(), name, "a0000"); err != nil {
		t.Fatal(err)
	}
	for _, v := range f.history {
		if v.key == "a0000" {
			f.history = []old{v}
			break
		}
	}
	if _, err := Retire(t.Context(), cfg, a); !errors.Is(err, ErrInUse) {
		t.Errorf("retired: %v", err)
	}
	f.history = nil
	if _, err := Retire(t.Context(), cfg, a); err != nil {
		t.Errorf("with no version left: %v", err)
	}
}

// TestVersionsThatAreNotSeenKeepEveryKey: what the store does not show may be there.
func TestVersionsThatAreNotSeenKeepEveryKey(t *testing.T) {
	for what, change := range map[string]func(*fake){
		"whether there are any": func(f *fake) { f.hides["GetBucketVersioning"] = "AccessDenied" },
		"which there are":       func(f *fake) { f.hides["ListObjectVersions"] = "AccessDenied" },
		"what is in one": func(f *fake) {
			f.before = func(_ int, op, key string) error {
				if op == "Get" && key == "gone" {
					return errBusy
				}
				return nil
			}
		},
		"a version of a later format": func(f *fake) {
			data := sealed(t, ringOf(t, 'B'), "gone", nil)
			data[5] = 9
			f.history[0].data = data
		},
	} {
		f := rotated(t, 0)
		f.versioned = true
		f.put(t, "gone", sealed(t, ringOf(t, 'B'), "gone", nil))
		if err := f.Delete(t.Context(), name, "gone"); err != nil {
			t.Fatal(err)
		}
		if report, err := run(t.Context(), t, f); err != nil || !report.key(keyID(t, 'A')).Retirable {
			t.Fatalf("seen: %v %+v", err, report)
		}
		change(f)
		report, err := run(t.Context(), t, f)
		if err != nil || report.key(keyID(t, 'A')).Retirable || !report.NoncurrentHidden && report.NoncurrentUnseen != 1 {
			t.Errorf("%s: %v %+v", what, err, report)
		}
	}
}

func TestVersionsKeysAreBounded(t *testing.T) {
	v := versions{keys: map[string]Count{}}
	data := sealed(t, ringOf(t, 'A'), "k", nil)
	for i := range maxKeys + 7 {
		data[10], data[11] = byte(i), byte(i>>8)
		v.add(block{block: data[:512]}, 1)
	}
	v.add(block{block: []byte("not sealed")}, 1)
	if len(v.keys) != maxKeys || v.further.Objects != 7 || v.unseen != 0 {
		t.Errorf("%d keys, %d further, %d unseen", len(v.keys), v.further.Objects, v.unseen)
	}
	v.add(block{block: data[:20]}, 1)
	if v.unseen != 1 {
		t.Error("a version of which nobody knows the key")
	}
}
