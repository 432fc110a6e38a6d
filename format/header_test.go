package format

import (
	"errors"
	"strings"
	"testing"
)

func TestParseHeader(t *testing.T) {
	object := refSeal(vectorInput(AES256GCM, 2048, 5))
	h, err := ParseHeader(object)
	if err != nil {
		t.Fatal(err)
	}
	want := Header{Version: 2, Class: ClassStream, Suite: AES256GCM, KeyID: KeyID(unhex("4edcc785891e2e31")), OID: [16]byte(counting(0, 16)), Salt: [16]byte(counting(16, 16)), BlockSize: 2048}
	if h != want {
		t.Errorf("%+v, want %+v", h, want)
	}
	if h.encode() != [54]byte(object) {
		t.Error("the header does not encode to the same bytes")
	}
	if _, err := ParseHeader(object[:54]); err != nil {
		t.Errorf("54 bytes: %v", err)
	}
}

// TestMultipartIsRefusedByName: parts and tails parse, and nothing opens them.
func TestMultipartIsRefusedByName(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	part := refSeal(vectorInput(XChaCha20Poly1305, 512, 5))
	part[6] = ClassPart
	clear(part[10:18])
	clear(part[50:54])
	tail := refSeal(vectorInput(XChaCha20Poly1305, 512, 5))
	tail[6] = ClassTail
	for name, object := range map[string][]byte{"multipart part": part, "multipart tail": tail} {
		if h, err := ParseHeader(object); err != nil || h.Class != object[6] || h.encode() != [54]byte(object) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
		_, err := OpenBlock(ring, where, object[:512], int64(len(object)))
		if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		_, err = Reblock(ring, where, where, object[:512], int64(len(object)), nil, 0)
		if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReservedHeaders: what is reserved is refused by its name, and a part carries neither key id nor block.
func TestReservedHeaders(t *testing.T) {
	f := func(word string, edit func(b []byte)) {
		t.Helper()
		b := refHead(vectorInput(XChaCha20Poly1305, 512, 5))
		edit(b)
		if h, err := ParseHeader(b); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), word) || h != (Header{}) {
			t.Errorf("%s: %+v, %v", word, h, err)
		}
	}
	f("flags 0x01", func(b []byte) { b[6], b[9] = 1, 1 })
	f("flags 0x01", func(b []byte) { b[6], b[9] = 2, 1 })
	f("flags 0x03", func(b []byte) { b[9] = 3 })
	f("part with a key id", func(b []byte) { b[6] = 1; clear(b[50:]) })
	f("part with a key id or a block", func(b []byte) { b[6] = 1; clear(b[10:18]) })
}

// TestCommitmentBeforeAEAD: a wrong commitment is reported as such even where every AEAD would succeed, so no AEAD can have decided.
func TestCommitmentBeforeAEAD(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	object := refSeal(vectorInput(XChaCha20Poly1305, 512, 5))
	object[60] ^= 1    // commitment
	object[100] ^= 1   // wrapped key
	object[300] ^= 1   // metadata
	object[512] ^= 0xf // body
	if _, err := OpenBlock(ring, where, object[:512], int64(len(object))); !errors.Is(err, ErrCommit) {
		t.Errorf("%v", err)
	}
}
