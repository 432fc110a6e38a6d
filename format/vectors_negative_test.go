package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
)

// negativeVectors are the attacks of SPEC.md section 14, one failure each.
func negativeVectors() (out []negative) {
	bucket := vectorBucket()
	const suite = XChaCha20Poly1305
	small := refSeal(vectorInput(suite, 512, 17))
	other := refSeal(otherInput(suite, 512, 17))
	otherMaster := bytes.Repeat([]byte{0x43}, 32)

	where := func(n *negative) {
		if n.Masters == nil {
			n.Masters = []string{hex.EncodeToString(vectorMaster())}
		}
		if n.BucketID == "" {
			n.BucketID = hex.EncodeToString(bucket[:])
		}
		if n.Key == "" {
			n.Key = vectorKey
		}
		if n.BlockLen == 0 {
			n.BlockLen = 512
		}
	}
	put := func(n negative, stored []byte) {
		where(&n)
		sum := sha256.Sum256(stored)
		n.stored, n.StoredLen, n.StoredSHA256 = stored, len(stored), hex.EncodeToString(sum[:])
		if len(n.Pieces) == 0 {
			if len(stored) > vectorSmall {
				panic(n.Name + " needs pieces")
			}
			n.StoredHex = hex.EncodeToString(stored)
		}
		out = append(out, n)
	}
	add := func(name, want string, stored []byte) { put(negative{Name: name, Error: want}, stored) }
	edit := func(name, want string, base []byte, at int, with ...byte) {
		b := bytes.Clone(base)
		copy(b[at:], with)
		add(name, want, b)
	}
	flip := func(name, want string, base []byte, at int) { edit(name, want, base, at, base[at]^1) }

	// Not sealed.
	add("unsealed/empty", "ErrNotSealed", nil)
	add("unsealed/text", "ErrNotSealed", bytes.Repeat([]byte("plain text\n"), 60))
	add("unsealed/zeroes", "ErrNotSealed", make([]byte, 600))
	add("unsealed/magic-cut", "ErrNotSealed", small[:3])
	edit("unsealed/magic-lower-case", "ErrNotSealed", small, 0, 's')
	flip("unsealed/magic-last-byte", "ErrNotSealed", small, 3)

	// Header fields.
	add("header/cut", "ErrForeign", small[:53])
	add("header/only", "ErrForeign", small[:54])
	edit("header/version-0", "ErrVersion", small, 4, 0, 0)
	edit("header/version-1", "ErrVersion", small, 4, 0, 1)
	edit("header/version-3", "ErrVersion", small, 4, 0, 3)
	edit("header/version-little-endian", "ErrVersion", small, 4, 2, 0)
	edit("header/class-1-part-with-key-id", "ErrUnsupported", small, 6, 1)
	part := bytes.Clone(small)
	part[6] = 1
	clear(part[10:18])
	clear(part[50:54])
	add("header/class-1-part", "ErrUnsupported", part)
	edit("header/class-2-tail", "ErrUnsupported", small, 6, 2)
	edit("header/class-3", "ErrUnsupported", small, 6, 3)
	edit("header/suite-0", "ErrUnsupported", small, 7, 0)
	edit("header/suite-3", "ErrUnsupported", small, 7, 3)
	edit("header/suite-255", "ErrUnsupported", small, 7, 255)
	edit("header/suite-1-to-2", "ErrCommit", small, 7, 2)
	edit("header/suite-2-to-1", "ErrCommit", refSeal(vectorInput(AES256GCM, 512, 17)), 7, 1)
	edit("header/segment-2^15", "ErrUnsupported", small, 8, 15)
	edit("header/segment-2^17", "ErrUnsupported", small, 8, 17)
	edit("header/flag-padded", "ErrCommit", small, 9, 1)
	edit("header/flag-1", "ErrUnsupported", small, 9, 2)
	edit("header/flag-7", "ErrUnsupported", small, 9, 0x80)
	flip("header/key-id-first-bit", "ErrKeyUnknown", small, 10)
	flip("header/key-id-last-byte", "ErrKeyUnknown", small, 17)
	edit("header/key-id-zero", "ErrKeyUnknown", small, 10, make([]byte, 8)...)
	flip("header/oid-first", "ErrCommit", small, 18)
	flip("header/oid-last", "ErrCommit", small, 33)
	flip("header/salt-first", "ErrCommit", small, 34)
	flip("header/salt-last", "ErrCommit", small, 49)
	edit("header/meta-len-0", "ErrForeign", small, 50, 0, 0, 0, 0)
	edit("header/meta-len-off-by-one", "ErrForeign", small, 50, 0, 0, 1, 0xcb)
	edit("header/meta-len-of-1024", "ErrForeign", small, 50, 0, 0, 3, 0xca)
	edit("header/meta-len-huge", "ErrForeign", small, 50, 0xff, 0xff, 0xff, 0xff)

	// Keys.
	twin := bytes.Clone(small)
	copy(twin[10:], refMaster(otherMaster, "key-id", 8))
	put(negative{Name: "key/twin", Error: "ErrCommit", Masters: []string{hex.EncodeToString(vectorMaster()), hex.EncodeToString(otherMaster)}}, twin)
	put(negative{Name: "key/other-master", Error: "ErrKeyUnknown", Masters: []string{hex.EncodeToString(otherMaster)}}, small)
	put(negative{Name: "key/other-master-with-its-id", Error: "ErrCommit", Masters: []string{hex.EncodeToString(otherMaster)}}, twin)

	// Block.
	flip("block/commitment-first", "ErrCommit", small, 54)
	flip("block/commitment-last", "ErrCommit", small, 85)
	edit("block/commitment-zero", "ErrCommit", small, 54, make([]byte, 32)...)
	flip("block/wrapped-first", "ErrIntegrity", small, 86)
	flip("block/wrapped-tag", "ErrIntegrity", small, 133)
	flip("block/metadata-first", "ErrIntegrity", small, 134)
	flip("block/metadata-rest", "ErrIntegrity", small, 400)
	flip("block/metadata-tag", "ErrIntegrity", small, 511)
	edit("block/wrapped-of-another", "ErrIntegrity", small, 86, other[86:134]...)
	edit("block/metadata-of-another", "ErrIntegrity", small, 134, other[134:512]...)
	edit("block/commitment-of-another", "ErrCommit", small, 54, other[54:86]...)
	edit("block/header-of-another", "ErrCommit", small, 0, other[:54]...)
	put(negative{Name: "block/read-with-1024", Error: "ErrForeign", BlockLen: 1024}, append(bytes.Clone(small), make([]byte, 1000)...))
	put(negative{Name: "block/read-with-1024-short", Error: "ErrForeign", BlockLen: 1024}, small)

	// Places.
	add("place/swapped-objects", "ErrCommit", other)
	put(negative{Name: "place/other-key", Error: "ErrCommit", Key: "ds/.chunks/0000/01"}, small)
	put(negative{Name: "place/longer-key", Error: "ErrCommit", Key: vectorKey + "0"}, small)
	put(negative{Name: "place/shorter-key", Error: "ErrCommit", Key: vectorKey[:len(vectorKey)-1]}, small)
	put(negative{Name: "place/other-case", Error: "ErrCommit", Key: "DS/.chunks/0000/00"}, small)
	put(negative{Name: "place/other-bucket", Error: "ErrCommit", BucketID: hex.EncodeToString(counting(0xb0, 16))}, small)

	// Sizes.
	add("size/block-only", "ErrForeign", small[:512])
	add("size/half-a-tag", "ErrForeign", small[:520])
	add("size/tag-only", "ErrIntegrity", small[:528])
	add("size/cut-by-1", "ErrIntegrity", small[:len(small)-1])
	add("size/block-cut-by-1", "ErrForeign", small[:511])
	add("size/extended-by-0", "ErrIntegrity", append(bytes.Clone(small), 0))
	add("size/extended-by-tag", "ErrIntegrity", append(bytes.Clone(small), small[len(small)-16:]...))
	add("size/doubled", "ErrIntegrity", append(bytes.Clone(small), small...))

	// Body of a small object.
	flip("body/first-byte", "ErrIntegrity", small, 512)
	flip("body/last-byte", "ErrIntegrity", small, 512+16)
	flip("body/tag", "ErrIntegrity", small, len(small)-1)
	edit("body/of-another", "ErrIntegrity", small, 512, other[512:]...)
	edit("body/zeroed", "ErrIntegrity", small, 512, make([]byte, 33)...)
	empty := refSeal(vectorInput(suite, 512, 0))
	flip("body/tag-of-empty", "ErrIntegrity", empty, 512)

	// A writer that holds the key and breaks the rules.
	tlv := func(name, want string, entries ...any) {
		in := vectorInput(suite, 512, 17)
		in.tlv = refCat(entries...)
		add("writer/"+name, want, refSeal(in))
	}
	plain := refTLV(17)
	pair := func(name, value string) []byte { return refCat(uint16(len(name)), name, uint16(len(value)), value) }
	user := func(pairs ...[]byte) []byte { return refString(9, string(bytes.Join(pairs, nil))) }
	tlv("no-entries", "ErrIntegrity", []byte(nil))
	tlv("no-plain-size", "ErrIntegrity", refString(3, vectorType))
	tlv("plain-size-twice", "ErrIntegrity", plain, plain)
	tlv("order", "ErrIntegrity", plain, refString(4, "zstd"), refString(3, vectorType))
	tlv("plain-size-second", "ErrIntegrity", refString(3, vectorType), plain)
	tlv("duplicate", "ErrIntegrity", plain, refString(3, vectorType), refString(3, vectorType))
	tlv("unknown-13", "ErrUnsupported", plain, refString(13, "x"))
	tlv("unknown-127", "ErrUnsupported", plain, refString(127, "x"))
	tlv("reserved-multipart", "ErrUnsupported", plain, refString(20, string(make([]byte, 26))))
	tlv("extension-order", "ErrIntegrity", plain, refString(200, "x"), refString(199, "x"))
	tlv("overlong", "ErrIntegrity", plain, byte(3), uint16(400), "x")
	tlv("overlong-65535", "ErrIntegrity", plain, byte(3), uint16(65535))
	tlv("cut-in-length", "ErrIntegrity", plain, refString(200, string(make([]byte, 362-11-3-2))), byte(201), byte(0))
	tlv("nonzero-rest", "ErrIntegrity", plain, byte(0), byte(0), byte(1))
	tlv("nonzero-last-byte", "ErrIntegrity", plain, make([]byte, 362-11-1), byte(1))
	tlv("plain-size-of-7-bytes", "ErrIntegrity", byte(1), uint16(7), make([]byte, 6), byte(17))
	tlv("plain-size-of-9-bytes", "ErrIntegrity", byte(1), uint16(9), make([]byte, 8), byte(17))
	tlv("plain-size-16", "ErrIntegrity", refTLV(16))
	tlv("plain-size-18", "ErrIntegrity", refTLV(18))
	tlv("plain-size-over-5-TiB", "ErrIntegrity", byte(1), uint16(8), uint64(5<<40+1))
	tlv("plain-size-negative", "ErrIntegrity", byte(1), uint16(8), ^uint64(0))
	tlv("time-of-4-bytes", "ErrIntegrity", plain, byte(2), uint16(4), uint32(1))
	tlv("time-too-late", "ErrIntegrity", plain, byte(2), uint16(8), uint64(1<<47))
	tlv("empty-content-type", "ErrIntegrity", plain, refString(3, ""))
	tlv("newline-in-content-type", "ErrIntegrity", plain, refString(3, "a\r\nb"))
	tlv("nul-in-expires", "ErrIntegrity", plain, refString(8, "a\x00"))
	tlv("user-empty", "ErrIntegrity", plain, user())
	tlv("user-order", "ErrIntegrity", plain, user(pair("b", "1"), pair("a", "2")))
	tlv("user-duplicate", "ErrIntegrity", plain, user(pair("a", "1"), pair("a", "1")))
	tlv("user-upper-case", "ErrIntegrity", plain, user(pair("A", "1")))
	tlv("user-empty-name", "ErrIntegrity", plain, user(pair("", "1")))
	tlv("user-colon-in-name", "ErrIntegrity", plain, user(pair("a:b", "1")))
	tlv("user-newline-in-value", "ErrIntegrity", plain, user(pair("a", "1\n")))
	tlv("user-cut-in-value", "ErrIntegrity", plain, refString(9, string(refCat(uint16(1), "a", uint16(5), "1"))))
	tlv("user-cut-in-length", "ErrIntegrity", plain, refString(9, string(refCat(uint16(1), "a", byte(0)))))
	tlv("user-name-only", "ErrIntegrity", plain, refString(9, string(refCat(uint16(1), "a"))))
	tlv("md5-of-15-bytes", "ErrIntegrity", plain, refString(10, string(make([]byte, 15))))
	tlv("checksum-empty", "ErrIntegrity", plain, refString(11, ""))
	tlv("checksum-of-129-bytes", "ErrIntegrity", plain, refString(11, string(make([]byte, 129))))
	tlv("writer-of-65-bytes", "ErrIntegrity", plain, refString(12, string(bytes.Repeat([]byte("w"), 65))))
	first := vectorInput(suite, 512, 131072) // a block for one segment over the first segment of two: the last flag is what tells
	short := vectorInput(suite, 512, 65536)
	head := refBlock(short)

	// Splices of bigger objects, told as pieces of positive vectors.
	sources := map[string][]byte{}
	for _, v := range positiveVectorsFor(suite) {
		sources[v.Name] = v.stored
	}
	splice := func(name, want string, pieces ...piece) {
		var stored []byte
		for _, p := range pieces {
			if p.From == "" {
				stored = append(stored, unhex(p.Hex)...)
				continue
			}
			stored = append(stored, sources[p.From][p.Offset:p.Offset+p.Length]...)
		}
		put(negative{Name: name, Error: want, Pieces: pieces}, stored)
	}
	cut := func(from string, offset, length int) piece { return piece{From: from, Offset: offset, Length: length} }
	lit := func(b ...byte) piece { return piece{Hex: hex.EncodeToString(b)} }
	seg := func(i int) int { return 512 + i*65552 }
	const two, three, otherTwo, unit = "xchacha20-poly1305/512/131072", "three-segments", "other/131072", "xchacha20-poly1305/512/5242880"
	const s = 65552
	splice("splice/segments-swapped", "ErrIntegrity", cut(two, 0, 512), cut(two, seg(1), s), cut(two, seg(0), s))
	splice("splice/first-segment-twice", "ErrIntegrity", cut(two, 0, 512), cut(two, seg(0), s), cut(two, seg(0), s))
	splice("splice/last-segment-twice", "ErrIntegrity", cut(two, 0, 512), cut(two, seg(1), s), cut(two, seg(1), s))
	splice("splice/last-segment-dropped", "ErrIntegrity", cut(two, 0, seg(1)))
	splice("splice/first-segment-dropped", "ErrIntegrity", cut(two, 0, 512), cut(two, seg(1), s))
	splice("splice/middle-segment-dropped", "ErrIntegrity", cut(three, 0, seg(1)), cut(three, seg(2), 116))
	splice("splice/segment-appended", "ErrIntegrity", cut(two, 0, seg(2)), cut(two, seg(1), s))
	splice("splice/segment-of-another", "ErrIntegrity", cut(two, 0, seg(1)), cut(otherTwo, seg(1), s))
	splice("splice/block-of-another", "ErrCommit", cut(otherTwo, 0, 512), cut(two, seg(0), 2*s))
	splice("splice/body-of-another", "ErrIntegrity", cut(two, 0, 512), cut(otherTwo, seg(0), 2*s))
	splice("splice/cut-in-the-gap", "ErrForeign", cut(two, 0, seg(1)+10))
	splice("splice/cut-in-a-segment", "ErrIntegrity", cut(two, 0, seg(1)+1000))
	splice("splice/last-byte-cut", "ErrIntegrity", cut(two, 0, seg(2)-1))
	splice("splice/first-segment-flipped", "ErrIntegrity", cut(two, 0, seg(0)+100), lit(sources[two][seg(0)+100]^0x80), cut(two, seg(0)+101, 2*s-101))
	splice("splice/segments-of-shifted-boundary", "ErrIntegrity", cut(two, 0, 512), cut(two, 513, 2*s-1), lit(0))
	splice("splice/not-the-last", "ErrIntegrity", lit(head...), cut(two, seg(0), s))
	if !bytes.Equal(refSegments(first)[0], sources[two][seg(0):seg(1)]) {
		panic("not-the-last is not what it says")
	}

	// Filler.
	body := 5<<20 + 80*16
	splice("filler/first-byte", "ErrIntegrity", cut(unit, 0, 512+body), lit(1), cut(unit, 512+body+1, 511))
	splice("filler/last-byte", "ErrIntegrity", cut(unit, 0, 512+body+511), lit(0x80))
	splice("filler/missing", "ErrForeign", cut(unit, 0, 512+body))
	splice("filler/half", "ErrForeign", cut(unit, 0, 512+body+256))
	splice("filler/twice", "ErrIntegrity", cut(unit, 0, 512+body+512), lit(make([]byte, 512)...))
	return out
}

// positiveVectorsFor are the sources of splices.
func positiveVectorsFor(suite Suite) (out []vector) {
	for _, n := range []int{131072, 5 << 20} {
		out = append(out, vectorInput(suite, 512, n).vector(fmt.Sprintf("%s/512/%d", suite, n)))
	}
	for _, v := range metadataVectors() {
		if v.Name == "three-segments" || v.Name == "other/131072" {
			out = append(out, v)
		}
	}
	return out
}

// TestNegativeVectors refuses every negative vector, with its error and no other, at every entry point that can see the fault.
func TestNegativeVectors(t *testing.T) {
	all := slices.Concat(negativeVectors(), paddingNegatives(), partsMD5Negatives(), redirectNegatives())
	if len(all) < 60 {
		t.Errorf("%d negative vectors, want at least 60", len(all))
	}
	names := map[string]bool{}
	for _, v := range all {
		if names[v.Name] {
			t.Errorf("two vectors are called %s", v.Name)
		}
		names[v.Name] = true
		var older [][]byte
		for _, m := range v.Masters[1:] {
			older = append(older, unhex(m))
		}
		ring, where := testRing(t, unhex(v.Masters[0]), older...), testContext(t, BucketID(unhex(v.BucketID)), v.Key)
		before := bytes.Clone(v.stored)
		_, err := openWhole(ring, where, v.BlockLen, v.stored)
		expectError(t, v.Name, err, v.Error)

		block := v.stored[:min(v.BlockLen, len(v.stored))]
		_, blockErr := OpenBlock(ring, where, block, int64(len(v.stored)))
		_, copyErr := Reblock(ring, where, where, block, int64(len(v.stored)), nil, 0)
		if (blockErr == nil) != (copyErr == nil) {
			t.Errorf("%s: OpenBlock says %v, Reblock says %v", v.Name, blockErr, copyErr)
		}
		if blockErr != nil {
			expectError(t, v.Name+" (Reblock)", copyErr, v.Error)
		}
		if !bytes.Equal(before, v.stored) {
			t.Errorf("%s: the input was changed", v.Name)
		}
	}
}
