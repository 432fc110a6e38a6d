package format

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// folderVector is a folder marker: Value is what the store has as user metadata.
type folderVector struct {
	Name     string `json:"name"`
	Master   string `json:"master"`
	BucketID string `json:"bucket_id"`
	Key      string `json:"key"`
	Suite    string `json:"suite"`
	BlockLen int    `json:"block_len"`
	OID      string `json:"oid"`
	Salt     string `json:"salt"`
	OEK      string `json:"oek"`
	Metadata string `json:"metadata"`
	Padded   bool   `json:"padded,omitempty"`
	Value    string `json:"value"`
}

// folderNegative is one that must be refused with Error.
type folderNegative struct {
	Name     string `json:"name"`
	Error    string `json:"error"`
	Master   string `json:"master"`
	BucketID string `json:"bucket_id"`
	Key      string `json:"key"`
	Value    string `json:"value"`
}

const folderKey = "ds/photos/"

func folderInput(L, n int) refInput {
	in := vectorInput(XChaCha20Poly1305, L, n)
	in.key = folderKey
	return in
}

func folderVectors() (out []folderVector) {
	add := func(name string, in refInput) {
		v := in.vector(name)
		out = append(out, folderVector{"folder/" + name, v.Master, v.BucketID, v.Key, v.Suite, v.BlockLen, v.OID, v.Salt, v.OEK, v.Metadata, v.Padded,
			base64.StdEncoding.EncodeToString(refBlock(in))})
	}
	add("least", folderInput(512, 0))
	in := folderInput(1024, 0)
	in.tlv = refTLV(0, refString(3, "application/x-directory"), refString(9, string(refCat(uint16(4), "mode", uint16(5), "16877"))))
	add("metadata", in)
	in.tlv = refTLV(0, refString(3, strings.Repeat("t", 1024-150-11-3)))
	add("most", in)
	in = folderInput(512, 0)
	in.suite, in.key, in.padded = byte(AES256GCM), "/", true
	add("padded", in)
	return out
}

func folderNegatives() (out []folderNegative) {
	put := func(name, err, key string, value string) {
		in := folderInput(512, 0)
		out = append(out, folderNegative{"folder/" + name, err, hex.EncodeToString(in.master), hex.EncodeToString(in.bucket), key, value})
	}
	add := func(name, err string, block []byte) {
		put(name, err, folderKey, base64.StdEncoding.EncodeToString(block))
	}
	good := refBlock(folderInput(512, 0))
	put("stripped", "ErrForeign", folderKey, "")
	put("another-folder", "ErrCommit", "ds/photo/", base64.StdEncoding.EncodeToString(good))
	file := folderInput(512, 0)
	file.key = "ds/photos"
	put("no-folder", "ErrForeign", file.key, base64.StdEncoding.EncodeToString(refBlock(file)))
	other := folderInput(512, 0)
	other.bucket = counting(0xb0, 16)
	add("another-bucket", "ErrCommit", refBlock(other))
	add("content", "ErrIntegrity", refBlock(folderInput(512, 17)))
	add("large-block", "ErrForeign", refBlock(folderInput(2048, 0)))
	add("cut", "ErrForeign", good[:511])
	add("cut-header", "ErrForeign", good[:53])
	add("longer", "ErrForeign", append(bytes.Clone(good), 0))
	edited := bytes.Clone(good)
	edited[300] ^= 1
	add("edited", "ErrIntegrity", edited)
	edited = bytes.Clone(good)
	edited[40] ^= 1
	add("salt", "ErrCommit", edited)
	in := folderInput(512, 0)
	in.head = refHead(in)
	in.head[6] = 2
	add("tail", "ErrUnsupported", refBlock(in))
	in = folderInput(512, 0)
	in.master = bytes.Repeat([]byte{0x43}, 32)
	add("another-master", "ErrKeyUnknown", refBlock(in))
	return out
}

func TestFolderVectors(t *testing.T) {
	for _, v := range folderVectors() {
		ring, where := testRing(t, unhex(v.Master)), testContext(t, BucketID(unhex(v.BucketID)), v.Key)
		block, err := base64.StdEncoding.DecodeString(v.Value)
		if err != nil {
			t.Fatal(err)
		}
		o, err := OpenFolder(ring, where, block)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		meta := o.Meta()
		if entries, err := meta.encode(); err != nil || !bytes.Equal(entries, unhex(v.Metadata)) || o.PlainSize() != 0 {
			t.Errorf("%s: %+v, %v", v.Name, meta, err)
		}
	}
	for _, v := range folderNegatives() {
		block, err := base64.StdEncoding.DecodeString(v.Value)
		if err != nil {
			t.Fatal(err)
		}
		_, err = OpenFolder(testRing(t, unhex(v.Master)), testContext(t, BucketID(unhex(v.BucketID)), v.Key), block)
		expectError(t, v.Name, err, v.Error)
	}
}

// A marker is made of the block of the empty object, says the same, in the smallest block
// that does, and no edit of it opens.
func TestFolderBlockSaysTheSame(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), folderKey)
	for _, c := range []struct {
		entries, want int // bytes of metadata behind the plain size, of the marker's block
	}{{0, 512}, {362 - 11 - 3, 512}, {362 - 11 - 2, 1024}, {874 - 11 - 3, 1024}, {874 - 11 - 2, 0}} {
		for _, size := range []int{512, 1024, 2048, 4096} {
			meta := Meta{ContentType: strings.Repeat("t", c.entries)}
			s, err := NewSealer(ring, where, meta, SealOptions{BlockSize: size, Padded: size == 2048})
			if errors.Is(err, ErrMetadataTooLarge) {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			before := bytes.Clone(s.Block())
			block, err := FolderBlock(ring, where, s.Block())
			if !bytes.Equal(before, s.Block()) {
				t.Error("the input was changed")
			}
			if c.want == 0 {
				if !errors.Is(err, ErrMetadataTooLarge) {
					t.Errorf("%d bytes: %v", c.entries, err)
				}
				continue
			}
			if err != nil || len(block) != c.want {
				t.Errorf("%d bytes in %d: block of %d, %v; want %d", c.entries, size, len(block), err, c.want)
				continue
			}
			o, err := OpenFolder(ring, where, block)
			if err != nil || o.Meta().ContentType != meta.ContentType {
				t.Errorf("%v, %v", o, err)
			}
		}
	}
	s, err := NewSealer(ring, where, Meta{}, SealOptions{})
	if err != nil {
		t.Fatal(err)
	}
	block, err := FolderBlock(ring, where, s.Block())
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(block) {
		edited := bytes.Clone(block)
		edited[bit/8] ^= 1 << (bit % 8)
		if _, err := OpenFolder(ring, where, edited); err == nil {
			t.Fatalf("opens with bit %d changed", bit)
		}
	}
	full, err := NewSealer(ring, where, Meta{PlainSize: 1}, SealOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FolderBlock(ring, where, full.Block()); !errors.Is(err, ErrIntegrity) {
		t.Errorf("of an object with content: %v", err)
	}
	file := testContext(t, vectorBucket(), "ds/photos")
	if s, err = NewSealer(ring, file, Meta{}, SealOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := FolderBlock(ring, file, s.Block()); !errors.Is(err, ErrForeign) {
		t.Errorf("of a file: %v", err)
	}
	for _, junk := range [][]byte{nil, []byte("SCPX"), refSeal(vectorInput(XChaCha20Poly1305, 512, 0))[:53]} {
		if _, err := FolderBlock(ring, where, junk); err == nil {
			t.Errorf("made of %q", junk)
		}
	}
}

func FuzzFolder(f *testing.F) {
	for _, v := range folderVectors() {
		block, _ := base64.StdEncoding.DecodeString(v.Value)
		f.Add(block)
	}
	for _, v := range folderNegatives() {
		block, _ := base64.StdEncoding.DecodeString(v.Value)
		f.Add(block)
	}
	ring, where := testRing(f, vectorMaster()), testContext(f, vectorBucket(), folderKey)
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := OpenFolder(ring, where, b)
		if (o == nil) == (err == nil) {
			t.Fatal(o, err)
		}
		if err == nil && (o.PlainSize() != 0 || len(b) != o.BlockSize() || len(b) > 1024) {
			t.Fatalf("%v of %d bytes", o, len(b))
		}
	})
}
