package format

import (
	"bytes"
	"errors"
	"testing"
)

// Blind mutation of a sealed object stops at the commitment, so the inner parsers have targets of their own, unsealed, and FuzzHostileWriter
// seals what it is given under the real key.

func FuzzHeader(f *testing.F) {
	f.Add(refSeal(vectorInput(XChaCha20Poly1305, 512, 0))[:54])
	f.Add(refSeal(vectorInput(AES256GCM, 4096, 0))[:60])
	f.Add([]byte("SCPX"))
	for _, v := range negativeVectors() {
		f.Add(v.stored[:min(54, len(v.stored))])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			if !errors.Is(err, ErrNotSealed) && !errors.Is(err, ErrForeign) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrUnsupported) {
				t.Fatal(err)
			}
			return
		}
		if h.encode() != [54]byte(b) {
			t.Fatalf("%x encodes to %x", b[:54], h.encode())
		}
	})
}

func FuzzMeta(f *testing.F) {
	m := fullMeta()
	seed, _ := m.encode()
	f.Add(seed)
	f.Add(append(seed, 0, 0))
	for _, v := range metadataVectors() {
		f.Add(unhex(v.Metadata))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMeta(b)
		if err != nil {
			if errors.Is(err, ErrIntegrity) == errors.Is(err, ErrUnsupported) {
				t.Fatal(err)
			}
			return
		}
		again, err := m.encode()
		if err != nil {
			// The largest block has room for less than one entry can be long.
			if len(b) <= 4096 {
				t.Fatalf("%x does not encode: %v", b, err)
			}
			return
		}
		if !bytes.HasPrefix(b, again) || len(bytes.Trim(b[len(again):], "\x00")) > 0 {
			t.Fatalf("%x encodes to %x", b, again)
		}
	})
}

func FuzzState(f *testing.F) {
	for _, v := range stateVectors() {
		f.Add([]byte(v.Document))
	}
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			if !errors.Is(err, ErrIntegrity) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		if again, err := s.encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%s encodes to %s (%v)", b, again, err)
		}
	})
}

func FuzzBlock(f *testing.F) {
	ring, where := testRing(f, vectorMaster(), counting(9, 32)), testContext(f, vectorBucket(), vectorKey)
	block := refBlock(vectorInput(XChaCha20Poly1305, 512, 17))
	f.Add(block, int64(512+33))
	f.Add(refBlock(vectorInput(AES256GCM, 4096, 5<<20)), refSealedSize(4096, 5<<20))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		before := bytes.Clone(b)
		o, err := OpenBlock(ring, where, b, size)
		if !bytes.Equal(b, before) {
			t.Fatal("the block was changed")
		}
		if err != nil {
			return
		}
		// Only the seeds are genuine.
		if SealedSize(o.BlockSize(), o.PlainSize()) != size || !bytes.Equal(b, block) && o.PlainSize() != 5<<20 {
			t.Fatalf("%x opens", b)
		}
	})
}

func FuzzObject(f *testing.F) {
	ring, where := testRing(f, vectorMaster(), counting(9, 32)), testContext(f, vectorBucket(), vectorKey)
	genuine := map[string][]byte{}
	for _, n := range []int{0, 1, 17, 1000} {
		for _, suite := range []Suite{XChaCha20Poly1305, AES256GCM} {
			stored := refSeal(vectorInput(suite, 512, n))
			genuine[string(stored)] = vectorPlain(n)
			f.Add(stored)
		}
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		plain, err := openWhole(ring, where, 512, stored)
		if err != nil {
			return
		}
		if want, ok := genuine[string(stored)]; !ok || !bytes.Equal(plain, want) {
			t.Fatalf("%x opens", stored)
		}
	})
}

// FuzzHostileWriter seals entries and body under the real key: the reader must hold to its rules even then.
func FuzzHostileWriter(f *testing.F) {
	ring, where := testRing(f, vectorMaster()), testContext(f, vectorBucket(), vectorKey)
	f.Add(refTLV(5, refString(3, vectorType)), []byte("hello"), byte(1))
	f.Add(refTLV(0), []byte(nil), byte(2))
	f.Add(refTLV(5, refString(9, "\x00\x01a\x00\x01b")), []byte("hello"), byte(1))
	f.Fuzz(func(t *testing.T, tlv, plain []byte, suite byte) {
		if len(tlv) > 362 || len(plain) > 4096 {
			return
		}
		in := vectorInput(Suite(1+suite%2), 512, 0)
		in.tlv, in.plain = tlv, plain
		stored := refSeal(in)
		got, err := openWhole(ring, where, 512, stored)
		if err != nil {
			if !errors.Is(err, ErrIntegrity) && !errors.Is(err, ErrUnsupported) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(got, plain) {
			t.Fatal("other bytes were released")
		}
		o, err := OpenBlock(ring, where, stored[:512], int64(len(stored)))
		if err != nil {
			t.Fatal(err)
		}
		meta := o.Meta()
		if again, err := meta.encode(); err != nil || !bytes.HasPrefix(append(bytes.Clone(tlv), make([]byte, 362-len(tlv))...), again) {
			t.Fatalf("%x is not canonical: %x, %v", tlv, again, err)
		}
	})
}

func FuzzPlainSize(f *testing.F) {
	for _, v := range sizeVectors() {
		f.Add(v.Stored)
	}
	f.Fuzz(func(t *testing.T, stored int64) {
		for _, L := range blockSizes {
			want, wantOK := refPlainSize(L, stored)
			p, ok := PlainSize(L, stored)
			if ok != wantOK || ok && (p != want || SealedSize(L, p) != stored) {
				t.Fatalf("PlainSize(%d, %d) = %d, %v; want %d, %v", L, stored, p, ok, want, wantOK)
			}
		}
	})
}
