package format

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func testNamer(t testing.TB, bucket BucketID, key NameKey) *Namer {
	t.Helper()
	n, err := NewNamer(bucket, key)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func vectorNamer(t testing.TB) *Namer {
	t.Helper()
	return testNamer(t, vectorBucket(), NameKey(counting(0x60, 32)))
}

// TestNamesDifferByPlaceAndBucket: a component tells nothing about the same component elsewhere, but is the same in its own place every time.
func TestNamesDifferByPlaceAndBucket(t *testing.T) {
	seen := map[string]string{}
	add := func(what string, n *Namer, name string) {
		t.Helper()
		stored, err := n.Seal(name)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := n.Seal(name); again != stored {
			t.Errorf("%s: sealed twice to different names", what)
		}
		last := stored[strings.LastIndex(stored, "/")+1:]
		if other, ok := seen[last]; ok {
			t.Errorf("%s and %s have one component", what, other)
		}
		seen[last] = what
	}
	n := vectorNamer(t)
	for _, name := range []string{"a", "/a", "//a", "a/a", "a//a", "b/a", "a/a/a"} {
		add(name, n, name)
	}
	add("another key", testNamer(t, vectorBucket(), NameKey{1}), "a")
	add("another bucket", testNamer(t, BucketID{1}, NameKey(counting(0x60, 32))), "a")
}

// TestNamePrefixes: what begins with a prefix that ends in a slash does so on both sides.
func TestNamePrefixes(t *testing.T) {
	n := vectorNamer(t)
	name, err := n.Seal("ds/.chunks//x/y")
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "ds/", "ds/.chunks/", "ds/.chunks//", "ds/.chunks//x/"} {
		if p, err := n.Seal(prefix); err != nil || !strings.HasPrefix(name, p) || strings.Count(p, "/") != strings.Count(prefix, "/") {
			t.Errorf("%q: %q, %v", prefix, p, err)
		}
	}
	if p, _ := n.Seal("ds/.chun/"); strings.HasPrefix(name, p) {
		t.Error("a prefix that ends within a component is one on the other side")
	}
}

// TestNameLimits: what does not fit S3's limit is refused, to the byte, and nothing long costs more than its check.
func TestNameLimits(t *testing.T) {
	n := vectorNamer(t)
	f := func(name string, ok bool) {
		t.Helper()
		stored, err := n.Seal(name)
		if (err == nil) != ok || err != nil && !errors.Is(err, ErrNameTooLong) || len(stored) > MaxKeySize {
			t.Errorf("%d bytes: %d bytes, %v", len(name), len(stored), err)
		}
		if err == nil {
			if back, err := n.Open(stored); err != nil || back != name {
				t.Errorf("%d bytes do not open: %v", len(name), err)
			}
		}
	}
	f(longestName, true)
	f(longestName+"n", false)
	f(longestName+"/", false)
	f(strings.Repeat("/", MaxKeySize), true)
	f(strings.Repeat("/", MaxKeySize+1), false)
	f(strings.Repeat("n/", 42), true) // 42 components of 23 characters, 42 slashes: 1,008
	f(strings.Repeat("n/", 42)+"n", false)
	f(strings.Repeat("n", 1<<20), false)
	f(strings.Repeat("/", 1<<20)+"n", false)
	// 175 bytes are the longest component whose sealed form is a file name of 255.
	if stored, _ := n.Seal(strings.Repeat("n", 175)); len(stored) != 255 {
		t.Errorf("175 bytes become %d", len(stored))
	}
}

// TestNamerRefusesNothingness: a key or bucket id that was never set is an error and not a key.
func TestNamerRefusesNothingness(t *testing.T) {
	if _, err := NewNamer(BucketID{}, NameKey{1}); err == nil {
		t.Error("a zero bucket id was taken")
	}
	if _, err := NewNamer(BucketID{1}, NameKey{}); err == nil {
		t.Error("a zero key was taken")
	}
}

// TestNameEveryBit: no stored name but the one opens, whatever bit is changed.
func TestNameEveryBit(t *testing.T) {
	n := vectorNamer(t)
	stored, err := n.Seal("ds/.chunks/00")
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(stored) * 8 {
		b := []byte(stored)
		b[i/8] ^= 1 << (i % 8)
		if got, err := n.Open(string(b)); err == nil {
			t.Errorf("bit %d changed: opens to %q", i, got)
		} else if !errors.Is(err, ErrName) {
			t.Error(err)
		}
	}
}

// TestNamesDoNotPrint: neither the key nor the namer shows itself.
func TestNamesDoNotPrint(t *testing.T) {
	key := NameKey([]byte("0123456789abcdefghijklmnopqrstuv"))
	n := testNamer(t, vectorBucket(), key)
	s := State{NameKey: key}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		text := fmt.Sprintf(verb+verb+verb+verb, key, n, *n, s)
		if strings.Contains(text, "0123456789") || strings.Contains(text, "303132333435") || strings.Contains(text, "0x30, 0x31") || strings.Contains(text, "48 49 50") {
			t.Errorf("%s shows the key: %s", verb, text)
		}
	}
	if _, err := key.MarshalJSON(); err == nil {
		t.Error("the key encodes to JSON")
	}
}

func FuzzName(f *testing.F) {
	n := testNamer(f, vectorBucket(), NameKey(counting(0x60, 32)))
	for _, v := range nameVectors() {
		for _, p := range v.Names {
			f.Add(p.Plain)
			f.Add(p.Stored)
		}
		for _, s := range v.Refused {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, name string) {
		stored, err := n.Seal(name)
		if err != nil {
			if !errors.Is(err, ErrNameTooLong) {
				t.Fatal(err)
			}
		} else {
			if back, err := n.Open(stored); err != nil || back != name {
				t.Fatalf("%q sealed to %q, which opens to %q, %v", name, stored, back, err)
			}
			if len(stored) > MaxKeySize || strings.Count(stored, "/") != strings.Count(name, "/") {
				t.Fatalf("%q sealed to %q", name, stored)
			}
			// Any change is found.
			if b := []byte(stored); len(strings.Trim(stored, "/")) > 0 {
				i := rand.IntN(len(b))
				if b[i] != '/' {
					b[i] ^= 1 << rand.IntN(8)
					if got, err := n.Open(string(b)); err == nil {
						t.Fatalf("%q opens to %q", b, got)
					}
				}
			}
		}
		// What opens is what was sealed: one stored name for each plain one.
		if plain, err := n.Open(name); err == nil {
			if again, err := n.Seal(plain); err != nil || again != name {
				t.Fatalf("%q opens to %q, which seals to %q, %v", name, plain, again, err)
			}
		} else if !errors.Is(err, ErrName) {
			t.Fatal(err)
		}
	})
}
