package format

import (
	"errors"
	"testing"
)

// redirectInput is an object with entry 131.
func redirectInput(value string, more ...any) refInput {
	in := vectorInput(XChaCha20Poly1305, 512, 17)
	in.tlv = refTLV(17, refString(3, vectorType), byte(131), uint16(len(value)), value)
	in.tlv = append(in.tlv, refCat(more...)...)
	return in
}

func redirectVectors() (out []vector) {
	add := func(name string, in refInput) { out = append(out, in.vector("redirect/"+name)) }
	add("path", redirectInput("/another/page.html"))
	add("url", redirectInput("https://example.com/?a=b\t\xc3\xbc"))
	in := vectorInput(XChaCha20Poly1305, 512, 17)
	in.tlv = refTLV(17, byte(128), uint16(1), byte(7), byte(129), uint16(18), make([]byte, 16), uint16(2), byte(131), uint16(1), "/", byte(132), uint16(1), byte(8))
	add("between-extensions", in)
	return out
}

func redirectNegatives() (out []negative) {
	add := func(name string, in refInput) {
		v := in.vector("redirect/" + name)
		out = append(out, negative{Name: v.Name, Error: "ErrIntegrity", Masters: []string{v.Master}, BucketID: v.BucketID, Key: v.Key, BlockLen: v.BlockLen,
			StoredLen: v.StoredLen, StoredSHA256: v.StoredSHA256, StoredHex: v.StoredHex, stored: v.stored})
	}
	add("empty", redirectInput(""))
	add("control-byte", redirectInput("/a\r\nb"))
	add("delete", redirectInput("/\x7f"))
	add("twice", redirectInput("/a", byte(131), uint16(1), "/"))
	add("before-129", redirectInput("/a", byte(129), uint16(18), make([]byte, 16), uint16(1)))
	return out
}

// A redirect stays with the object through copies of its block, in its place among the
// extensions of other writers, and one that would end a header is not sealed.
func TestWebsiteRedirectStaysWithTheObject(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), "k")
	want := Meta{WebsiteRedirect: "/a", PartsMD5: PartsMD5{[16]byte(counting(9, 16)), 3}, extensions: []entry{{128, []byte("a")}, {130, []byte("b")}, {200, []byte("c")}}}
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
	if got := o.Meta(); got.WebsiteRedirect != "/a" || got.PartsMD5 != want.PartsMD5 || len(got.extensions) != 3 || got.extensions[1].typ != 130 {
		t.Errorf("%+v", got)
	}
	if _, err := NewSealer(ring, where, Meta{WebsiteRedirect: "/a\r\nx: y"}, SealOptions{}); !errors.Is(err, ErrMetadataInvalid) {
		t.Errorf("a header's end: %v", err)
	}
}
