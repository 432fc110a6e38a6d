package format

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var uploadTime = time.UnixMilli(1767225600123).UTC()

func testUpload(t testing.TB, ring UploadRing, where Context, suite Suite) *Upload {
	t.Helper()
	u, err := newUpload(ring, where, UploadOptions{Suite: suite, BackendID: "backend-1", Created: uploadTime}, vectorEntropy(), [24]byte(counting(0xc0, 24)))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// sealedPart seals a whole part.
func sealedPart(s *PartSealer, plain []byte) []byte {
	out := append(s.Head(), make([]byte, s.SealedSize()-54)...)
	slots := out[54:]
	for i := 0; i*SegmentSize < len(plain); i++ {
		copy(slots[i*Stride:], plain[i*SegmentSize:min((i+1)*SegmentSize, len(plain))])
	}
	s.SealInPlace(slots, len(plain), 0)
	return out
}

// openSealedPart opens a whole stored part.
func openSealedPart(o *PartOpener, stored []byte) ([]byte, error) {
	if err := o.CheckHead(stored[:54]); err != nil {
		return nil, err
	}
	sealed := bytes.Clone(stored[54:])
	if err := o.OpenInPlace(sealed, 0); err != nil {
		return nil, err
	}
	plain := make([]byte, 0, o.PlainSize())
	for at := 0; at < len(sealed); at += Stride {
		plain = append(plain, sealed[at:min(at+Stride, len(sealed))-TagSize]...)
	}
	return plain, nil
}

// openMultipart reads what a GET reads first.
func openMultipart(ring Ring, where Context, L int, stored []byte) (*Multipart, error) {
	if _, err := ParseHeader(stored); err != nil {
		return nil, err
	}
	t, err := OpenTail(ring, where, stored[:54], stored[max(0, len(stored)-L):], int64(len(stored)))
	if err != nil {
		return nil, err
	}
	off, n := t.Table()
	return t.OpenTable(stored[off : off+n])
}

// openWholeMultipart is how a reader opens a whole stored multipart object, everything checked.
func openWholeMultipart(ring Ring, where Context, L int, stored []byte) ([]byte, error) {
	m, err := openMultipart(ring, where, L, stored)
	if err != nil {
		return nil, err
	}
	off, n := m.Filler()
	if err := m.CheckFiller(stored[off:off+n], 0); err != nil {
		return nil, err
	}
	var plain []byte
	for i := range m.Parts() {
		o, err := m.OpenPart(i)
		if err != nil {
			return nil, err
		}
		p := m.Part(i)
		b, err := openSealedPart(o, stored[p.SealedOffset:p.SealedOffset+p.SealedSize()])
		if err != nil {
			return nil, err
		}
		plain = append(plain, b...)
	}
	return plain, nil
}

// openAny dispatches on the class, as every reader must.
func openAny(ring Ring, where Context, L int, stored []byte) ([]byte, error) {
	if h, err := ParseHeader(stored); err == nil && h.Class == ClassPart {
		return openWholeMultipart(ring, where, L, stored)
	}
	return openWhole(ring, where, L, stored)
}

// completeUpload sends parts in the order of the permutation, through the ETags, as clients do, and returns the stored object.
func completeUpload(t testing.TB, ring UploadRing, u *Upload, L int, parts []refPart, order []int, fixed bool) []byte {
	t.Helper()
	stored, list := map[int][]byte{}, make([]DonePart, len(parts))
	for _, i := range order {
		p := parts[i]
		again, err := OpenUpload(ring, u.Where(), u.Token()) // another process each time
		if err != nil {
			t.Fatal(err)
		}
		s, err := again.NewPart(p.number, int64(p.plain))
		if fixed {
			s, err = again.newPart(p.number, int64(p.plain), [16]byte(p.salt))
		}
		if err != nil {
			t.Fatal(err)
		}
		stored[p.number] = sealedPart(s, refContent(p.seed, p.plain))
		etag, err := s.ETag(fmt.Sprintf("backend-%d", p.number), "")
		if err != nil {
			t.Fatal(err)
		}
		list[i] = DonePart{p.number, etag}
	}
	plan, err := u.PlanComplete(list)
	if err != nil {
		t.Fatal(err)
	}
	var object []byte
	for _, p := range plan.Parts {
		if p.ETag != fmt.Sprintf("backend-%d", p.Number) || p.Number >= plan.Final || len(stored[p.Number]) < MinPartSize {
			t.Fatalf("backend part %+v, final %d", p, plan.Final)
		}
		object = append(object, stored[p.Number]...)
	}
	if plan.Staged != nil {
		if plan.Staged.Number != plan.Final || plan.Staged.SealedSize() != int64(len(stored[plan.Final])) {
			t.Fatalf("staged %+v, final %d", plan.Staged, plan.Final)
		}
		object = append(object, stored[plan.Final]...)
	}
	meta := Meta{ContentType: vectorType}
	end, err := plan.SealEnd(ring, meta, L)
	if fixed {
		end, err = plan.sealEnd(ring, meta, L, [16]byte(counting(0x70, 16)), [16]byte(counting(0x10, 16)))
	}
	if err != nil || int64(len(end)) != plan.EndSize(L) {
		t.Fatalf("%d bytes of end, %v", len(end), err)
	}
	if int64(len(object)+len(end)) != plan.SealedSize(L) || plan.SealedSize(L) != SealedSize(L, plan.PlainSize()) {
		t.Fatalf("%d stored bytes, the law says %d", len(object)+len(end), plan.SealedSize(L))
	}
	return append(object, end...)
}

// TestUploadInAnyOrder: parts of random legal sizes and numbers, in any order, each by a process that has only the token, make an object of the
// size law, equal to the reference's, that opens to the byte.
func TestUploadInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	for round := range 6 {
		var numbers, sizes []int
		number := 0
		for range 1 + r.IntN(3) {
			number += 1 + r.IntN(3000)
			numbers, sizes = append(numbers, number), append(sizes, unitPlain+r.IntN(3)*r.IntN(100000))
		}
		if round%2 == 0 {
			numbers, sizes = append(numbers, []int{number + 1, 10000}[r.IntN(2)]), append(sizes, r.IntN(3)*r.IntN(100000))
		}
		L, suite := blockSizes[r.IntN(4)], Suite(1+r.IntN(2))
		in := multipartInput(suite, L, numbers, sizes)
		object := completeUpload(t, ring, testUpload(t, ring, where, suite), L, in.parts, r.Perm(len(sizes)), true)
		if !bytes.Equal(object, in.seal()) {
			t.Fatalf("%v of %v bytes: the object differs from the reference's", numbers, sizes)
		}
		if got, err := openWholeMultipart(ring, where, L, object); err != nil || !bytes.Equal(got, in.content()) {
			t.Fatalf("%v of %v bytes: %v", numbers, sizes, err)
		}
	}
}

// TestFreshUpload: with real randomness, a part that is sent again shares neither salt nor key, and an object made of the second attempt opens.
func TestFreshUpload(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	u, err := NewUpload(ring, where, UploadOptions{BackendID: "b", Created: uploadTime})
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewUpload(ring, where, UploadOptions{BackendID: "b", Created: uploadTime})
	if err != nil || u.oid == v.oid || u.oek == v.oek || u.etagKey == v.etagKey || u.token == v.token || u.oek == [32]byte{} {
		t.Fatal("two uploads share something", err)
	}
	a, errA := u.NewPart(1, 100)
	b, errB := u.NewPart(1, 100)
	if errA != nil || errB != nil || a.salt == b.salt || a.body.base == b.body.base {
		t.Fatal("two attempts share something")
	}
	plain := vectorPlain(100)
	if x, y := sealedPart(a, plain), sealedPart(b, plain); bytes.Equal(x[54:], y[54:]) || bytes.Equal(x[34:50], y[34:50]) {
		t.Error("two attempts have one ciphertext")
	}
	in := multipartInput(AES256GCM, 512, nil, []int{unitPlain, 9})
	object := completeUpload(t, ring, u, 512, in.parts, []int{1, 0, 0, 1}, false)
	if got, err := openWholeMultipart(ring, where, 512, object); err != nil || !bytes.Equal(got, in.content()) {
		t.Fatal(err)
	}
}

// TestPartRefuses: numbers and sizes at both sides of their limits.
func TestPartRefuses(t *testing.T) {
	u := testUpload(t, testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey), XChaCha20Poly1305)
	for _, c := range []struct {
		number int
		size   int64
		staged bool
		want   error
	}{
		{0, 1, false, ErrPartNumber}, {-1, 1, false, ErrPartNumber}, {10001, 1, false, ErrPartNumber}, {1, MaxPartSize + 1, false, ErrTooLarge},
		{1, -1, false, ErrTooLarge}, {1, 1<<63 - 1, false, ErrTooLarge}, {1, 0, true, nil}, {1, MinPartSize - 1, true, nil},
		{1, MinPartSize, false, nil}, {9999, MaxPartSize, false, nil}, {10000, MaxPartSize, true, nil}, {10000, 0, true, nil},
	} {
		s, err := u.NewPart(c.number, c.size)
		var p *PartError
		if !errors.Is(err, c.want) || err == nil && (s.Staged() != c.staged || s.PlainSize() != c.size) || err != nil && (!errors.As(err, &p) || p.Number != c.number) {
			t.Errorf("part %d of %d bytes: %v, %v", c.number, c.size, s, err)
		}
	}
	s, err := u.NewPart(1, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, backend := range []string{"", "\"", "a b", "a\n", "\x7f", "\xc3\xa4", string(make([]byte, 129))} {
		if etag, err := s.ETag(backend, ""); err == nil {
			t.Errorf("backend ETag %q gives %s", backend, etag)
		}
	}
	mustPanic(t, "another size", func() { s.SealInPlace(make([]byte, 100), 4, 0) })
	o, err := u.OpenPart(PartETag{Number: 1, PlainSize: 3, salt: s.salt})
	if err != nil {
		t.Fatal(err)
	}
	stored := sealedPart(s, []byte("abc"))
	if got, err := openSealedPart(o, stored); err != nil || string(got) != "abc" {
		t.Errorf("%q, %v", got, err)
	}
	for i := range stored {
		bad := bytes.Clone(stored)
		bad[i] ^= 1
		if _, err := openSealedPart(o, bad); !errors.Is(err, ErrIntegrity) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	for _, n := range []int{0, 53, 55} {
		if o.CheckHead(make([]byte, n)) == nil {
			t.Errorf("a header of %d bytes", n)
		}
	}
}

// TestPartAllocations: sealing and opening a part allocate once per call, planning once per list.
func TestPartAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	ring := testRing(t, vectorMaster())
	u := testUpload(t, ring, testContext(t, vectorBucket(), vectorKey), AES256GCM)
	s, err := u.NewPart(1, 64*SegmentSize)
	if err != nil {
		t.Fatal(err)
	}
	o, err := u.OpenPart(PartETag{Number: 1, PlainSize: 64 * SegmentSize, salt: s.salt})
	if err != nil {
		t.Fatal(err)
	}
	slots := make([]byte, 64*Stride)
	if n := testing.AllocsPerRun(20, func() {
		s.SealInPlace(slots, 64*SegmentSize, 0)
		if o.OpenInPlace(slots, 0) != nil {
			panic("does not open")
		}
	}); n > 2 {
		t.Errorf("%v allocations for 64 segments, both ways", n)
	}
	etag, err := s.ETag("0123456789abcdef0123456789abcdef", "")
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(50, func() {
		if _, err := u.VerifyETag(1, etag); err != nil {
			panic(err)
		}
	}); n > 4 {
		t.Errorf("%v allocations to verify an ETag", n)
	}
	if n := testing.AllocsPerRun(50, func() {
		if _, err := OpenUpload(ring, u.where, u.token); err != nil {
			panic(err)
		}
	}); n > 12 {
		t.Errorf("%v allocations to open a token", n)
	}
}
