package format

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func fullMeta() Meta {
	return Meta{
		PlainSize: 5, WrittenAt: time.UnixMilli(1767225600123).UTC(), ContentType: "text/plain", ContentEncoding: "zstd",
		ContentDisposition: `attachment; filename="ü"`, ContentLanguage: "de", CacheControl: "no-cache", Expires: "0",
		User: []Pair{{"a", ""}, {"mtime", "1"}, {"z", "x\ty"}}, MD5: counting(1, 16), Checksum: counting(2, 33), Writer: "proxy-1",
		PartsMD5: PartsMD5{[16]byte(counting(3, 16)), MaxParts}, WebsiteRedirect: "/elsewhere",
	}
}

// TestMetaRoundTrip: what is sealed in a block comes out of it, each field alone and all together.
func TestMetaRoundTrip(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), "k")
	f := func(m, want Meta) {
		t.Helper()
		s, err := NewSealer(ring, where, m, SealOptions{})
		if err != nil {
			t.Errorf("%+v: %v", m, err)
			return
		}
		o, err := OpenBlock(ring, where, s.Block(), s.SealedSize())
		if err != nil {
			t.Errorf("%+v: %v", m, err)
			return
		}
		if !reflect.DeepEqual(o.Meta(), want) {
			t.Errorf("sealed %+v, opened %+v", m, o.Meta())
		}
	}
	same := func(m Meta) { t.Helper(); f(m, m) }
	full := fullMeta()
	same(full)
	same(Meta{})
	same(Meta{PlainSize: MaxPlainSize})
	for i := range 14 {
		one := Meta{PlainSize: 5}
		src, dst := reflect.ValueOf(full), reflect.ValueOf(&one).Elem()
		dst.Field(i).Set(src.Field(i))
		same(one)
	}
	same(Meta{WrittenAt: time.UnixMilli(0).UTC()})
	f(Meta{WrittenAt: time.Unix(1, 123456789).In(time.FixedZone("x", 3600))}, Meta{WrittenAt: time.Unix(1, 123000000).UTC()})
	f(Meta{User: []Pair{{"Zeta", "1"}, {"ALPHA", "2"}}}, Meta{User: []Pair{{"alpha", "2"}, {"zeta", "1"}}})
	f(Meta{User: []Pair{}, MD5: []byte{}, Checksum: []byte{}}, Meta{})
}

// TestMetaInvalid: what could break a reader or an HTTP header is never sealed.
func TestMetaInvalid(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), "k")
	f := func(m Meta, want error) {
		t.Helper()
		if _, err := NewSealer(ring, where, m, SealOptions{}); !errors.Is(err, want) {
			t.Errorf("%+v: got %v, want %v", m, err, want)
		}
	}
	f(Meta{PlainSize: -1}, ErrMetadataInvalid)
	f(Meta{PlainSize: MaxPlainSize + 1}, ErrMetadataInvalid)
	f(Meta{WrittenAt: time.Unix(-1, 0)}, ErrMetadataInvalid)
	f(Meta{WrittenAt: time.UnixMilli(1 << 47)}, ErrMetadataInvalid)
	for _, bad := range []string{"\r", "a\nb", "\x00", "\x7f", "\x1b[0m"} {
		f(Meta{ContentType: bad}, ErrMetadataInvalid)
		f(Meta{ContentEncoding: bad}, ErrMetadataInvalid)
		f(Meta{ContentDisposition: bad}, ErrMetadataInvalid)
		f(Meta{ContentLanguage: bad}, ErrMetadataInvalid)
		f(Meta{CacheControl: bad}, ErrMetadataInvalid)
		f(Meta{Expires: bad}, ErrMetadataInvalid)
		f(Meta{Writer: bad}, ErrMetadataInvalid)
		f(Meta{WebsiteRedirect: bad}, ErrMetadataInvalid)
		f(Meta{User: []Pair{{"a", bad}}}, ErrMetadataInvalid)
		f(Meta{User: []Pair{{"a" + bad, "v"}}}, ErrMetadataInvalid)
	}
	f(Meta{User: []Pair{{"", "v"}}}, ErrMetadataInvalid)
	f(Meta{User: []Pair{{"a b", "v"}}}, ErrMetadataInvalid)
	f(Meta{User: []Pair{{"ü", "v"}}}, ErrMetadataInvalid)
	f(Meta{User: []Pair{{"a", "1"}, {"A", "2"}}}, ErrMetadataInvalid)
	f(Meta{MD5: make([]byte, 15)}, ErrMetadataInvalid)
	f(Meta{Checksum: make([]byte, 129)}, ErrMetadataInvalid)
	f(Meta{Writer: strings.Repeat("w", 65)}, ErrMetadataInvalid)
	f(Meta{ContentType: strings.Repeat("t", 5000)}, ErrMetadataTooLarge)
	f(Meta{ContentType: strings.Repeat("t", 70000)}, ErrMetadataTooLarge)
	f(Meta{User: []Pair{{"a", strings.Repeat("v", 70000)}}}, ErrMetadataTooLarge)
	f(Meta{User: []Pair{{strings.Repeat("n", 70000), "v"}}}, ErrMetadataTooLarge)
	f(Meta{User: []Pair{{"a", strings.Repeat("v", 3000)}, {"b", strings.Repeat("v", 3000)}}}, ErrMetadataTooLarge)
}

// TestMetaFits: each block size takes metadata to its last byte and not one more.
func TestMetaFits(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), "k")
	for _, L := range blockSizes {
		room := L - 150 - 11 - 3
		if _, err := NewSealer(ring, where, Meta{ContentType: strings.Repeat("t", room)}, SealOptions{BlockSize: L}); err != nil {
			t.Errorf("block of %d: %v", L, err)
		}
		if _, err := NewSealer(ring, where, Meta{ContentType: strings.Repeat("t", room+1)}, SealOptions{BlockSize: L}); !errors.Is(err, ErrMetadataTooLarge) {
			t.Errorf("block of %d: %v", L, err)
		}
	}
	// S3 allows 2 KiB of user metadata beside the standard headers.
	m := fullMeta()
	m.User = []Pair{{"a", strings.Repeat("v", 1023)}, {"b", strings.Repeat("v", 1023)}}
	if _, err := NewSealer(ring, where, m, SealOptions{BlockSize: 4096}); err != nil {
		t.Error(err)
	}
}

// TestMetaNoPanic decodes every cut and every single-byte edit of a full encoding: accepted means canonical.
func TestMetaNoPanic(t *testing.T) {
	m := fullMeta()
	b, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	check := func(b []byte) {
		m, err := decodeMeta(b)
		if err != nil {
			if !errors.Is(err, ErrIntegrity) && !errors.Is(err, ErrUnsupported) {
				t.Fatalf("%x: %v", b, err)
			}
			return
		}
		again, err := m.encode()
		if err != nil || !bytes.Equal(again, bytes.TrimRight(b, "\x00")) && !bytes.Equal(again, b[:min(len(again), len(b))]) {
			t.Fatalf("%x encodes to %x (%v)", b, again, err)
		}
	}
	for n := range len(b) + 1 {
		check(b[:n])
	}
	b = append(b, 0, 0, 0)
	for i := range b {
		for c := range 256 {
			edited := bytes.Clone(b)
			edited[i] = byte(c)
			check(edited)
		}
	}
}
