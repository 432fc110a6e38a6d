package format

import (
	"errors"
	"fmt"
	"testing"
)

// partsMD5Input is an object with entry 129.
func partsMD5Input(value []byte, more ...any) refInput {
	in := vectorInput(XChaCha20Poly1305, 512, 17)
	in.tlv = refTLV(17, refString(3, vectorType), byte(129), uint16(len(value)), value)
	in.tlv = append(in.tlv, refCat(more...)...)
	return in
}

func partsMD5Vectors() (out []vector) {
	add := func(name string, in refInput) { out = append(out, in.vector("parts-md5/"+name)) }
	add("one", partsMD5Input(refCat(counting(0x80, 16), uint16(1))))
	add("most", partsMD5Input(refCat(counting(0x80, 16), uint16(10000))))
	in := vectorInput(XChaCha20Poly1305, 512, 17)
	in.tlv = refTLV(17, byte(128), uint16(1), byte(7), byte(129), uint16(18), make([]byte, 16), uint16(2), byte(130), uint16(1), byte(8))
	add("between-extensions", in)
	return out
}

func partsMD5Negatives() (out []negative) {
	add := func(name string, in refInput) {
		v := in.vector("parts-md5/" + name)
		out = append(out, negative{Name: v.Name, Error: "ErrIntegrity", Masters: []string{v.Master}, BucketID: v.BucketID, Key: v.Key, BlockLen: v.BlockLen,
			StoredLen: v.StoredLen, StoredSHA256: v.StoredSHA256, StoredHex: v.StoredHex, stored: v.stored})
	}
	for _, n := range []int{0, 16, 17, 19} {
		add(fmt.Sprintf("%d-bytes", n), partsMD5Input(append(counting(0x80, n), 1)[:n]))
	}
	add("no-parts", partsMD5Input(refCat(counting(0x80, 16), uint16(0))))
	add("too-many-parts", partsMD5Input(refCat(counting(0x80, 16), uint16(10001))))
	add("twice", partsMD5Input(refCat(counting(0x80, 16), uint16(1)), byte(129), uint16(18), make([]byte, 16), uint16(1)))
	return out
}

// A number of parts that no upload has is not sealed, and what is sealed stays through
// copies of the block, beside extensions of other writers.
func TestPartsMD5StaysWithTheObject(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), "k")
	for _, n := range []int{-1, MaxParts + 1} {
		if _, err := NewSealer(ring, where, Meta{PartsMD5: PartsMD5{Parts: n}}, SealOptions{}); !errors.Is(err, ErrMetadataInvalid) {
			t.Errorf("%d parts: %v", n, err)
		}
	}
	if _, err := NewSealer(ring, where, Meta{PartsMD5: PartsMD5{Sum: [16]byte{1}}}, SealOptions{}); !errors.Is(err, ErrMetadataInvalid) {
		t.Errorf("no parts: %v", err)
	}
	want := Meta{PartsMD5: PartsMD5{[16]byte(counting(9, 16)), 3}, extensions: []entry{{128, []byte("a")}, {200, []byte("b")}}}
	s, err := NewSealer(ring, where, want, SealOptions{})
	if err != nil {
		t.Fatal(err)
	}
	block, err := Reblock(ring, where, where, s.Block(), s.SealedSize(), func(m *Meta) { m.ContentType = "text/plain" }, DefaultBlockSize)
	if err != nil {
		t.Fatal(err)
	}
	o, err := OpenBlock(ring, where, block, s.SealedSize())
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Meta(); got.PartsMD5 != want.PartsMD5 || len(got.extensions) != 2 || got.extensions[0].typ != 128 || got.extensions[1].typ != 200 {
		t.Errorf("%+v", got)
	}
}
