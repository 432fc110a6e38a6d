package format

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// TestRandomObjects: objects of random sizes, sealed and opened in random batches, come back to the byte, and equal the reference's.
func TestRandomObjects(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	for range 60 {
		size := r.IntN(6 << 16)
		suite := Suite(1 + r.IntN(2))
		L := blockSizes[r.IntN(4)]
		in := vectorInput(suite, L, size)
		in.tlv = refTLV(size)
		s, err := newSealer(ring, where, Meta{PlainSize: int64(size)}, SealOptions{Suite: suite, BlockSize: L}, vectorEntropy())
		if err != nil {
			t.Fatal(err)
		}
		object := make([]byte, s.SealedSize())
		copy(object, s.Block())
		for i := 0; i < max(1, (size+SegmentSize-1)/SegmentSize); {
			n := 1 + r.IntN(3)
			slots := object[L+i*Stride:]
			plain := 0
			for k := range n {
				plain += copy(slots[min(k*Stride, len(slots)):], in.plain[min((i+k)*SegmentSize, size):min((i+k+1)*SegmentSize, size)])
			}
			s.SealInPlace(slots, plain, int64(i))
			i += n
		}
		if !bytes.Equal(object, refSeal(in)) {
			t.Fatalf("%d bytes, %s, block of %d: sealed bytes differ from the reference's", size, suite, L)
		}
		if plain, err := openWhole(ring, where, L, object); err != nil || !bytes.Equal(plain, in.plain) {
			t.Fatalf("%d bytes, %s, block of %d: %v", size, suite, L, err)
		}
	}
}

// TestFreshObjects: two sealings of one plaintext share no secret and no sealed byte pattern, and both open.
func TestFreshObjects(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	seal := func() []byte {
		s, err := NewSealer(ring, where, Meta{PlainSize: 100}, SealOptions{})
		if err != nil {
			t.Fatal(err)
		}
		object := make([]byte, s.SealedSize())
		n := copy(object, s.Block())
		if got := s.SealInPlace(object[n:], 100, 0); n+got != len(object) {
			t.Fatalf("sealed %d bytes", got)
		}
		return object
	}
	a, b := seal(), seal()
	if len(a) != DefaultBlockSize+116 {
		t.Errorf("%d bytes", len(a))
	}
	if bytes.Equal(a[18:34], b[18:34]) || bytes.Equal(a[34:50], b[34:50]) || bytes.Equal(a[54:86], b[54:86]) || bytes.Equal(a[1024:1040], b[1024:1040]) {
		t.Error("two objects share OID, salt, commitment or body")
	}
	openedA, errA := openBlock(ring, where, a[:DefaultBlockSize], int64(len(a)))
	openedB, errB := openBlock(ring, where, b[:DefaultBlockSize], int64(len(b)))
	if errA != nil || errB != nil || openedA.oek == openedB.oek || openedA.oek == [32]byte{} || openedB.oek == [32]byte{} {
		t.Error("object keys are not random")
	}
	for _, o := range [][]byte{a, b} {
		if plain, err := openWhole(ring, where, DefaultBlockSize, o); err != nil || !bytes.Equal(plain, make([]byte, 100)) {
			t.Error(err)
		}
	}
}

func TestSealerRefuses(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	f := func(ring Ring, where Context, opt SealOptions, want error) {
		t.Helper()
		s, err := NewSealer(ring, where, Meta{}, opt)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%v, %v", s, err)
		}
	}
	f(ring, Context{}, SealOptions{}, nil)
	f(ring, where, SealOptions{Suite: 3}, ErrUnsupported)
	f(ring, where, SealOptions{BlockSize: 500}, ErrUnsupported)
	f(ring, where, SealOptions{BlockSize: -1}, ErrUnsupported)
	f((*Keyring)(nil), where, SealOptions{}, ErrNoKey)
}

// TestSealInPlaceBugs: lengths that do not fit PlainSize panic before a byte is sealed.
func TestSealInPlaceBugs(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	f := func(size int64, slots, plain int, first int64) {
		t.Helper()
		s, err := NewSealer(ring, where, Meta{PlainSize: size}, SealOptions{})
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, slots)
		mustPanic(t, fmt.Sprintf("%d bytes at segment %d of %d in %d", plain, first, size, slots), func() { s.SealInPlace(buf, plain, first) })
		if !bytes.Equal(buf, make([]byte, slots)) {
			t.Error("bytes were sealed")
		}
	}
	const S = SegmentSize
	f(100, 2*Stride, 99, 0)
	f(100, 2*Stride, 101, 0)
	f(100, 2*Stride, 0, 0)
	f(100, 2*Stride, 100, 1)
	f(100, 2*Stride, 100, -1)
	f(100, 115, 100, 0)
	f(0, Stride, 1, 0)
	f(0, 15, 0, 0)
	f(0, Stride, 0, 1)
	f(S, 2*Stride, 0, 1)
	f(2*S, 3*Stride, S+1, 0)
	f(2*S, 3*Stride, S-1, 0)
	f(2*S, 3*Stride, 2*S, 1)
	f(2*S, 2*Stride-1, 2*S, 0)
	f(2*S, 2*Stride, 0, 1)
	f(2*S+1, 3*Stride, 1, 1)
	f(2*S+1, 3*Stride, -1, 0)
}

// TestOpenInPlaceRefuses: ranges that are not whole segments of the object, as a peer may send them, are errors and touch nothing.
func TestOpenInPlaceRefuses(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	f := func(size, sealed int, first int64) {
		t.Helper()
		o := testOpener(t, ring, where, size)
		buf := bytes.Repeat([]byte{7}, sealed)
		if err := o.OpenInPlace(buf, first); !errors.Is(err, ErrIntegrity) {
			t.Errorf("%d sealed bytes at segment %d of %d: %v", sealed, first, size, err)
		}
		if !bytes.Equal(buf, bytes.Repeat([]byte{7}, sealed)) {
			t.Errorf("%d sealed bytes at segment %d of %d: the buffer was touched", sealed, first, size)
		}
	}
	const S = SegmentSize
	f(100, 0, 0)
	f(100, 115, 0)
	f(100, 117, 0)
	f(100, 116, 1)
	f(100, 116, -1)
	f(100, 116, 1<<62)
	f(0, 15, 0)
	f(0, 17, 0)
	f(0, 16, 1)
	f(2*S, Stride-1, 0)
	f(2*S, Stride+1, 0)
	f(2*S, 2*Stride-1, 0)
	f(2*S, 2*Stride+1, 0)
	f(2*S, 2*Stride, 1)
	f(2*S, Stride, 2)
	f(2*S+1, 10, 2)
	f(2*S+1, 18, 2)
}

func testOpener(t testing.TB, ring Ring, where Context, size int) *Opener {
	t.Helper()
	s, err := NewSealer(ring, where, Meta{PlainSize: int64(size)}, SealOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := OpenBlock(ring, where, s.Block(), s.SealedSize())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestCheckFiller(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	o := testOpener(t, ring, where, 10<<20+5)
	f := func(b []byte, off int64, ok bool) {
		t.Helper()
		if err := o.CheckFiller(b, off); (err == nil) != ok || err != nil && !errors.Is(err, ErrIntegrity) {
			t.Errorf("%d bytes at %d: %v", len(b), off, err)
		}
	}
	zero := make([]byte, 1025)
	f(zero[:1024], 0, true)
	f(zero[:1025], 0, false)
	f(zero[:1024], 1, false)
	f(zero[:1], 1023, true)
	f(nil, 1024, true)
	f(nil, 1025, false)
	f(nil, -1, false)
	f(zero[:1], -1, false)
	f(zero[:1], 1<<63-1, false)
	for i := range 1024 {
		zero[i] = 1
		f(zero[:1024], 0, false)
		zero[i] = 0
	}
}

// TestFailedOpenLeavesZeroes: after a bad segment the plain bytes of the good ones before it are gone as well.
func TestFailedOpenLeavesZeroes(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	for _, suite := range []Suite{XChaCha20Poly1305, AES256GCM} {
		object, err := sealObject(ring, where, Meta{}, SealOptions{Suite: suite, BlockSize: 512}, vectorPlain(3*SegmentSize), vectorEntropy())
		if err != nil {
			t.Fatal(err)
		}
		o, err := OpenBlock(ring, where, object[:512], int64(len(object)))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			sealed := bytes.Clone(object[512:])
			sealed[i*Stride+17] ^= 1
			if err := o.OpenInPlace(sealed, 0); !errors.Is(err, ErrIntegrity) {
				t.Fatal(err)
			}
			if !bytes.Equal(sealed, make([]byte, len(sealed))) {
				t.Errorf("%s: bytes are left after segment %d failed", suite, i)
			}
		}
	}
}

// TestInputNotChanged: nothing but the slots and sealed segments is ever written to, neither before nor behind them.
func TestInputNotChanged(t *testing.T) {
	master := vectorMaster()
	keys, err := DeriveKeys(master)
	if err != nil || !bytes.Equal(master, vectorMaster()) {
		t.Fatal("DeriveKeys changed the master")
	}
	ring, _ := NewKeyring(keys)
	where := testContext(t, vectorBucket(), vectorKey)
	meta := fullMeta()
	meta.User = []Pair{{"Z", "1"}, {"a", "2"}}
	meta.PlainSize = SegmentSize + 5
	s, err := NewSealer(ring, where, meta, SealOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if meta.User[0].Name != "Z" || !bytes.Equal(meta.MD5, counting(1, 16)) || !bytes.Equal(meta.Checksum, counting(2, 33)) {
		t.Error("NewSealer changed the metadata")
	}

	// A guarded buffer with spare capacity behind the slots: an append would write there.
	const guard = 64
	whole := bytes.Repeat([]byte{0xee}, guard+2*Stride+guard)
	slots := whole[guard : guard+Stride+5+TagSize]
	copy(slots, vectorPlain(SegmentSize))
	copy(slots[Stride:], vectorPlain(5))
	if n := s.SealInPlace(slots, SegmentSize+5, 0); n != len(slots) {
		t.Fatalf("sealed %d bytes", n)
	}
	check := func(what string) {
		t.Helper()
		for i, c := range whole {
			if (i < guard || i >= guard+len(slots)) && c != 0xee {
				t.Fatalf("%s wrote at %d", what, i-guard)
			}
		}
	}
	check("SealInPlace")
	block := bytes.Clone(s.Block())
	o, err := OpenBlock(ring, where, block, s.SealedSize())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Reblock(ring, where, where, block, s.SealedSize(), nil, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(block, s.Block()) {
		t.Error("opening changed the block")
	}
	if err := o.OpenInPlace(slots, 0); err != nil {
		t.Fatal(err)
	}
	check("OpenInPlace")
	if !bytes.Equal(slots[:SegmentSize], vectorPlain(SegmentSize)) || !bytes.Equal(slots[Stride:Stride+5], vectorPlain(5)) {
		t.Error("the plain bytes differ")
	}
}

// TestNothingKept: a caller may reuse what it passed in.
func TestNothingKept(t *testing.T) {
	master := vectorMaster()
	keys, _ := DeriveKeys(master)
	ring, _ := NewKeyring(keys)
	clear(master)
	keys.Wipe()
	where := testContext(t, vectorBucket(), vectorKey)
	meta := Meta{MD5: counting(1, 16), User: []Pair{{"a", "1"}}}
	object, err := sealObject(ring, where, meta, SealOptions{BlockSize: 512}, []byte("hello"), vectorEntropy())
	if err != nil {
		t.Fatal(err)
	}
	clear(meta.MD5)
	meta.User[0] = Pair{}
	block := bytes.Clone(object[:512])
	o, err := OpenBlock(ring, where, block, int64(len(object)))
	if err != nil {
		t.Fatal(err)
	}
	clear(block)
	ring.Wipe()
	sealed := bytes.Clone(object[512:])
	if err := o.OpenInPlace(sealed, 0); err != nil || string(sealed[:5]) != "hello" {
		t.Errorf("%q, %v", sealed, err)
	}
	if m := o.Meta(); !bytes.Equal(m.MD5, counting(1, 16)) || m.User[0] != (Pair{"a", "1"}) {
		t.Errorf("%+v", m)
	}
}

// TestConcurrentDisjointRanges seals and opens one object from many goroutines (the race detector watches).
func TestConcurrentDisjointRanges(t *testing.T) {
	const segs = 24
	size := segs*SegmentSize - 77
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	for _, suite := range []Suite{XChaCha20Poly1305, AES256GCM} {
		in := vectorInput(suite, 512, size)
		in.tlv = refTLV(size)
		s, err := newSealer(ring, where, Meta{PlainSize: int64(size)}, SealOptions{Suite: suite, BlockSize: 512}, vectorEntropy())
		if err != nil {
			t.Fatal(err)
		}
		object := make([]byte, s.SealedSize())
		copy(object, s.Block())
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := w * 3; i < w*3+3; i++ {
					slot := object[512+i*Stride : min(512+(i+1)*Stride, len(object))]
					n := copy(slot, in.plain[i*SegmentSize:min((i+1)*SegmentSize, size)])
					s.SealInPlace(slot, n, int64(i))
				}
			})
		}
		wg.Wait()
		if !bytes.Equal(object, refSeal(in)) {
			t.Fatalf("%s: sealed bytes differ from the serial reference's", suite)
		}
		o, err := OpenBlock(ring, where, object[:512], int64(len(object)))
		if err != nil {
			t.Fatal(err)
		}
		sealed := object[512:]
		for w := range 8 {
			wg.Go(func() {
				part := sealed[w*3*Stride : min((w+1)*3*Stride, len(sealed))]
				if err := o.OpenInPlace(part, int64(w*3)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for i := range segs {
			want := in.plain[i*SegmentSize : min((i+1)*SegmentSize, size)]
			if !bytes.Equal(sealed[i*Stride:][:len(want)], want) {
				t.Errorf("%s: segment %d differs", suite, i)
			}
		}
	}
}

// TestAllocationsPerBatch: one small allocation for each call, whatever the number of segments; a sealer takes at most 20.
func TestAllocationsPerBatch(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	for _, suite := range []Suite{XChaCha20Poly1305, AES256GCM} {
		s, err := NewSealer(ring, where, Meta{PlainSize: 1 << 30}, SealOptions{Suite: suite})
		if err != nil {
			t.Fatal(err)
		}
		o, err := OpenBlock(ring, where, s.Block(), s.SealedSize())
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 16*Stride)
		sealed := make([]byte, 16*Stride)
		first := int64(0)
		if n := testing.AllocsPerRun(20, func() { s.SealInPlace(buf, 16*SegmentSize, first); first += 16 }); n > 1 {
			t.Errorf("%s: sealing 16 segments allocates %v times", suite, n)
		}
		clear(buf)
		s.SealInPlace(buf, 16*SegmentSize, first)
		if n := testing.AllocsPerRun(20, func() {
			copy(sealed, buf)
			if err := o.OpenInPlace(sealed, first); err != nil {
				t.Fatal(err)
			}
		}); n > 1 {
			t.Errorf("%s: opening 16 segments allocates %v times", suite, n)
		}
		meta := fullMeta()
		if n := testing.AllocsPerRun(20, func() {
			if _, err := NewSealer(ring, where, meta, SealOptions{Suite: suite}); err != nil {
				t.Fatal(err)
			}
		}); n > 30 {
			t.Errorf("%s: a sealer allocates %v times", suite, n)
		}
	}
}
