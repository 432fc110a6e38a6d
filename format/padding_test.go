package format

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

var paddingSizes = []int{0, 1, 2, 9, 100, 65535, 65537, 131072, 140_000, 1<<20 + 1, 5<<20 + 1}

// paddedInput is vectorInput with the padded flag.
func paddedInput(suite Suite, L, n int) refInput {
	in := vectorInput(suite, L, n)
	in.padded = true
	return in
}

func paddingVectors() (out []vector) {
	for _, n := range paddingSizes {
		out = append(out, paddedInput(XChaCha20Poly1305, 512, n).vector(fmt.Sprintf("padded/xchacha20-poly1305/512/%d", n)))
	}
	return append(out, paddedInput(AES256GCM, 1024, 140_000).vector("padded/aes-256-gcm/1024/140000"))
}

func paddingNegatives() (out []negative) {
	add := func(name, want string, in refInput, edit func([]byte)) {
		stored := refSeal(in)
		edit(stored)
		v := in.vector(name)
		if len(stored) > vectorSmall {
			panic(name)
		}
		sum := refVectorSum(stored)
		out = append(out, negative{Name: "padding/" + name, Error: want, Masters: []string{v.Master}, BucketID: v.BucketID, Key: v.Key, BlockLen: v.BlockLen,
			StoredLen: len(stored), StoredSHA256: sum, StoredHex: fmt.Sprintf("%x", stored), stored: stored})
	}
	same := func([]byte) {}
	const L = 512
	// 1000 bytes are padded to 1024.
	with := func(padding ...byte) refInput {
		in := paddedInput(XChaCha20Poly1305, L, 1000)
		in.padding = padding
		return in
	}
	add("first-byte", "ErrIntegrity", with(append([]byte{1}, make([]byte, 23)...)...), same)
	add("last-byte", "ErrIntegrity", with(append(make([]byte, 23), 0x80)...), same)
	add("none", "ErrIntegrity", with([]byte{}...), same)
	add("short", "ErrIntegrity", with(make([]byte, 23)...), same)
	add("long", "ErrIntegrity", with(make([]byte, 25)...), same)
	add("flag-taken-away", "ErrCommit", paddedInput(XChaCha20Poly1305, L, 1000), func(b []byte) { b[9] = 0 })
	add("flag-given", "ErrCommit", vectorInput(XChaCha20Poly1305, L, 1024), func(b []byte) { b[9] = 1 })
	in := paddedInput(XChaCha20Poly1305, L, 1000)
	in.padded, in.padding = false, make([]byte, 24)
	add("without-the-flag", "ErrIntegrity", in, same)
	add("other-flag", "ErrUnsupported", paddedInput(XChaCha20Poly1305, L, 1000), func(b []byte) { b[9] = 3 })
	add("class-1", "ErrUnsupported", paddedInput(XChaCha20Poly1305, L, 1000), func(b []byte) { b[6] = 1 })
	add("class-2", "ErrUnsupported", paddedInput(XChaCha20Poly1305, L, 1000), func(b []byte) { b[6] = 2 })
	add("flip", "ErrIntegrity", paddedInput(XChaCha20Poly1305, L, 1000), func(b []byte) { b[L+1003] ^= 1 })
	return out
}

// TestPaddedSizeLaw: Padmé as the text has it, against a count; never less, at most 12 % more, monotone, and stable.
func TestPaddedSizeLaw(t *testing.T) {
	last := int64(0)
	for p := int64(0); p < 300_000; p++ {
		got := PaddedSize(p)
		if want := int64(refPadded(int(p))); got != want {
			t.Fatalf("%d: %d, want %d", p, got, want)
		}
		if got < p || got > p+p*12/100 || got < last || PaddedSize(got) != got {
			t.Fatalf("%d: %d after %d", p, got, last)
		}
		last = got
	}
	for _, p := range []int64{64<<10 + 1, 5<<20 - 1, 1<<30 + 1, 4<<30 - 1, 1<<40 + 12345, MaxPlainSize - 1, MaxPlainSize} {
		if got := PaddedSize(p); got < p || got > MaxPlainSize || (got-p)*32 > p {
			t.Errorf("%d: %d", p, got)
		}
	}
}

// TestPaddedObjectsOfOneSize: what the backend sees of sizes in one class is equal.
func TestPaddedObjectsOfOneSize(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	sizes := map[int64]int{}
	for n := int64(65_600); n < 67_584; n++ {
		s, err := NewSealer(ring, where, Meta{PlainSize: n}, SealOptions{Padded: true})
		if err != nil {
			t.Fatal(err)
		}
		if s.PlainSize() != n || s.PaddedSize() != PaddedSize(n) || s.SealedSize() != SealedSize(DefaultBlockSize, PaddedSize(n)) {
			t.Fatalf("%d: %d, %d, %d", n, s.PlainSize(), s.PaddedSize(), s.SealedSize())
		}
		sizes[s.SealedSize()]++
	}
	if len(sizes) != 1 {
		t.Errorf("%d sizes, want 1: %v", len(sizes), sizes)
	}
}

// TestSealerMakesThePadding: whatever lies in the slots behind the client's last byte, zeroes are sealed.
func TestSealerMakesThePadding(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	for _, n := range []int{1000, SegmentSize + 1, 2*SegmentSize - 3, 40*SegmentSize + 5} {
		s, err := NewSealer(ring, where, Meta{PlainSize: int64(n)}, SealOptions{BlockSize: 512, Padded: true})
		if err != nil {
			t.Fatal(err)
		}
		object := append(bytes.Clone(s.Block()), bytes.Repeat([]byte{0xee}, int(s.SealedSize())-512)...)
		plain, at := vectorPlain(n), 512
		for i, rest := int64(0), s.PaddedSize(); rest > 0; i, rest = i+1, rest-SegmentSize {
			plain = plain[copy(object[at:], plain[:min(len(plain), SegmentSize)]):]
			at += s.SealInPlace(object[at:], int(min(rest, SegmentSize)), i)
		}
		clear(object[at:])
		got, err := openWhole(ring, where, 512, object)
		if err != nil || !bytes.Equal(got, vectorPlain(n)) {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// TestPaddingOfARangeIsChecked: also a reader of one segment notices padding that is not zero.
func TestPaddingOfARangeIsChecked(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	const n = 40*SegmentSize + 5
	in := paddedInput(XChaCha20Poly1305, 512, n)
	in.padding = make([]byte, refPadded(n)-n)
	if len(in.padding) < 100 {
		t.Fatal("no padding to speak of")
	}
	in.padding[50] = 1
	stored := refSeal(in)
	o, err := OpenBlock(ring, where, stored[:512], int64(len(stored)))
	if err != nil {
		t.Fatal(err)
	}
	f := func(off, count int64, want error) {
		t.Helper()
		span, err := Cover(512, o.PaddedSize(), off, count)
		if err != nil {
			t.Fatal(err)
		}
		sealed := bytes.Clone(stored[span.Offset:][:span.Length])
		if err := o.OpenInPlace(sealed, span.First); !errors.Is(err, want) {
			t.Errorf("%d bytes at %d: %v", count, off, err)
		}
		if want != nil && !bytes.Equal(sealed, make([]byte, len(sealed))) {
			t.Error("bytes are left")
		}
	}
	f(0, 40*SegmentSize, nil)
	f(40*SegmentSize, 5, ErrIntegrity)
	f(39*SegmentSize, SegmentSize+1, ErrIntegrity)
}

// TestPaddedCopies: a copied block keeps the flag and the body.
func TestPaddedCopies(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	to := testContext(t, vectorBucket(), "elsewhere")
	stored := refSeal(paddedInput(AES256GCM, 512, 1000))
	block, err := Reblock(ring, where, to, stored[:512], int64(len(stored)), nil, 1024)
	if err != nil {
		t.Fatal(err)
	}
	got, err := openWhole(ring, to, 1024, append(block, stored[512:]...))
	if err != nil || !bytes.Equal(got, vectorPlain(1000)) {
		t.Errorf("%v", err)
	}
}
