package format

import (
	"errors"
	"flag"
	"math/rand/v2"
	"testing"
)

var long = flag.Bool("long", false, "ten million random sizes and tampers instead of a sample")

// TestSizeLaw: E is what SPEC.md writes, strictly increasing, and its inverse exact, for all P < 2^20.
func TestSizeLaw(t *testing.T) {
	limit := int64(1 << 20)
	if testing.Short() {
		limit = 1 << 18
	}
	last := int64(-1)
	for p := range limit {
		e := SealedSize(512, p)
		if e != refSealedSize(512, p) || e <= last {
			t.Fatalf("SealedSize(512, %d) = %d, after %d; want %d", p, e, last, refSealedSize(512, p))
		}
		if got, ok := PlainSize(512, e); !ok || got != p {
			t.Fatalf("PlainSize(512, %d) = %d, %v; want %d", e, got, ok, p)
		}
		for foreign := max(last+1, 0); foreign < e; foreign++ {
			if got, ok := PlainSize(512, foreign); ok {
				t.Fatalf("PlainSize(512, %d) = %d, want foreign", foreign, got)
			}
		}
		last = e
	}
}

// checkSize holds the law and its inverse to the reference at plain size p, and the inverse at the stored sizes near E(p).
func checkSize(t *testing.T, blockSize int, p int64) {
	t.Helper()
	e := SealedSize(blockSize, p)
	if e != refSealedSize(blockSize, p) {
		t.Fatalf("SealedSize(%d, %d) = %d, want %d", blockSize, p, e, refSealedSize(blockSize, p))
	}
	if e != int64(blockSize)+bodySize(p)+Filler(p) {
		t.Fatalf("parts of %d do not add up", p)
	}
	checkInverse(t, blockSize, e)
}

func checkInverse(t *testing.T, blockSize int, e int64) {
	t.Helper()
	want, wantOK := refPlainSize(blockSize, e)
	if got, ok := PlainSize(blockSize, e); ok != wantOK || ok && got != want {
		t.Fatalf("PlainSize(%d, %d) = %d, %v; want %d, %v", blockSize, e, got, ok, want, wantOK)
	}
}

// TestSizeEdges: ±40 around multiples of the segment and of the filler unit, for all block sizes, plain and stored.
func TestSizeEdges(t *testing.T) {
	around := func(center int64) {
		for d := int64(-40); d <= 40; d++ {
			for _, L := range blockSizes {
				if p := center + d; p >= 0 && p <= MaxPlainSize {
					checkSize(t, L, p)
				}
				if center <= MaxPlainSize {
					checkInverse(t, L, refSealedSize(L, center)+d)
					checkInverse(t, L, refSealedSize(L, center)-512+d)
				}
			}
		}
	}
	for _, k := range []int64{0, 1, 2, 3, 79, 80, 81, 159, 160, 161, 1 << 10, 1 << 16, MaxPlainSize / SegmentSize} {
		around(k * SegmentSize)
	}
	for _, k := range []int64{1, 2, 3, 9997, 9998, 9999, 10000, 10001, 1 << 17} {
		around(k * fillerUnit)
	}
	around(MaxPlainSize)
}

// TestSizeRandom: random plain and stored sizes up to 5 TiB, of every magnitude.
func TestSizeRandom(t *testing.T) {
	n := 200_000
	if *long {
		n = 10_000_000
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		L := blockSizes[r.IntN(len(blockSizes))]
		p := r.Int64N(MaxPlainSize+1) >> r.IntN(43)
		checkSize(t, L, p)
		checkInverse(t, L, SealedSize(L, p)+r.Int64N(1200)-600)
	}
}

// TestSizeVectors: the rows of sizes.json, foreign sizes included, and sizes no peer should be able to break anything with.
func TestSizeVectors(t *testing.T) {
	for _, v := range sizeVectors() {
		p, ok := PlainSize(v.BlockLen, v.Stored)
		if ok != (v.Plain != nil) || ok && p != *v.Plain {
			t.Errorf("PlainSize(%d, %d) = %d, %v", v.BlockLen, v.Stored, p, ok)
		}
	}
	for _, stored := range []int64{-1, -1 << 63, 1<<63 - 1, refSealedSize(512, MaxPlainSize) + 1, refSealedSize(512, MaxPlainSize+5)} {
		if p, ok := PlainSize(512, stored); ok {
			t.Errorf("PlainSize(512, %d) = %d", stored, p)
		}
	}
	if got := SealedSize(512, 1<<62); got <= 1<<62 {
		t.Errorf("SealedSize(512, 2^62) = %d", got)
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	f()
}

func TestSizeBugsPanic(t *testing.T) {
	mustPanic(t, "block size", func() { SealedSize(100, 1) })
	mustPanic(t, "negative", func() { SealedSize(512, -1) })
	mustPanic(t, "huge", func() { SealedSize(512, 1<<62+1) })
	mustPanic(t, "inverse with block size", func() { PlainSize(1000, 1) })
	mustPanic(t, "cover with block size", func() { _, _ = Cover(0, 1, 0, 1) })
	mustPanic(t, "cover of nothing", func() { _, _ = Cover(512, -1, 0, 1) })
}

// TestCover: every (off, n) that matters over objects of 0 to 3 segments + 2 bytes delivers exactly that slice of the plain bytes, from whole
// segments and no others.
func TestCover(t *testing.T) {
	edges := func(size int64) (out []int64) {
		for k := int64(0); k <= size/SegmentSize+1; k++ {
			for d := int64(-2); d <= 2; d++ {
				out = append(out, k*SegmentSize+d)
			}
		}
		return append(out, size-1, size, size+1, 12345, 100_000)
	}
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	for _, size := range []int{0, 1, 2, 65535, 65536, 65537, 131071, 131072, 131073, 196607, 196608, 196609, 196610} {
		plain := make([]byte, size)
		for i := range plain {
			plain[i] = byte(i ^ i>>8 ^ i>>16*31)
		}
		object, err := sealObject(ring, where, Meta{}, SealOptions{Suite: AES256GCM, BlockSize: 512}, plain, vectorEntropy())
		if err != nil {
			t.Fatal(err)
		}
		o, err := OpenBlock(ring, where, object[:512], int64(len(object)))
		if err != nil {
			t.Fatal(err)
		}
		opened := map[[2]int64][]byte{} // plain bytes of segments First … Last
		for _, off := range edges(int64(size)) {
			for _, n := range edges(int64(size)) {
				span, err := Cover(512, int64(size), off, n)
				valid := off >= 0 && n > 0 && off+n <= int64(size) || size == 0 && off == 0 && n == 0
				if valid != (err == nil) {
					t.Fatalf("Cover(512, %d, %d, %d): %v", size, off, n, err)
				}
				if err != nil {
					if !errors.Is(err, ErrRange) {
						t.Fatalf("Cover(512, %d, %d, %d): %v is not ErrRange", size, off, n, err)
					}
					continue
				}
				if span.First != off/SegmentSize || size > 0 && span.Last != (off+n-1)/SegmentSize || span.N != n || span.Skip >= SegmentSize {
					t.Fatalf("Cover(512, %d, %d, %d) = %+v", size, off, n, span)
				}
				segments := [2]int64{span.First, span.Last}
				if opened[segments] == nil {
					sealed := append([]byte(nil), object[span.Offset:span.Offset+span.Length]...)
					if err := o.OpenInPlace(sealed, span.First); err != nil {
						t.Fatalf("Cover(512, %d, %d, %d) = %+v: %v", size, off, n, span, err)
					}
					all := []byte{}
					for at := 0; at < len(sealed); at += Stride {
						all = append(all, sealed[at:min(at+Stride, len(sealed))-TagSize]...)
					}
					opened[segments] = all
				}
				got := opened[segments][span.Skip:][:span.N]
				if string(got) != string(plain[off:off+n]) {
					t.Fatalf("Cover(512, %d, %d, %d) = %+v delivers other bytes", size, off, n, span)
				}
			}
		}
	}
}

// TestCoverEverywhere: spans of random ranges of objects up to 5 TiB hold the range and no segment more, and overflow nowhere.
func TestCoverEverywhere(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200_000 {
		L := blockSizes[r.IntN(len(blockSizes))]
		size := 1 + r.Int64N(MaxPlainSize)>>r.IntN(40)
		off := r.Int64N(size)
		n := 1 + r.Int64N(size-off)>>r.IntN(30)
		n = min(n, size-off)
		s, err := Cover(L, size, off, n)
		if err != nil {
			t.Fatal(err)
		}
		first, end := s.First*SegmentSize, min((s.Last+1)*SegmentSize, size)
		if first+s.Skip != off || off+n > end || off+n <= s.Last*SegmentSize || s.Skip < 0 || s.Skip >= SegmentSize || s.N != n ||
			s.Offset != int64(L)+s.First*Stride || s.Length != end-first+TagSize*(s.Last-s.First+1) || s.Offset+s.Length > SealedSize(L, size) {
			t.Fatalf("Cover(%d, %d, %d, %d) = %+v", L, size, off, n, s)
		}
	}
	for _, c := range [][2]int64{{-1, 1}, {0, -1}, {1, 1<<63 - 1}, {1<<63 - 1, 1}, {1<<63 - 1, 1<<63 - 1}, {-1 << 63, -1 << 63}, {0, 101}, {100, 1}, {99, 2}, {0, 0}} {
		if s, err := Cover(512, 100, c[0], c[1]); !errors.Is(err, ErrRange) {
			t.Errorf("Cover(512, 100, %d, %d) = %+v, %v", c[0], c[1], s, err)
		}
	}
}
