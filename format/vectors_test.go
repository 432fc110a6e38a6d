package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The vectors are made by the reference of reference_test.go, so the package under test has no part in what it is tested against.
// "go test ./format -run TestVectors -update" writes them; without -update a difference fails.

var update = flag.Bool("update", false, "write testdata/scpx/v2")

const vectorDir = "testdata/scpx/v2"

// vector is one object that must open, and must come out of a sealer with the same inputs.
type vector struct {
	Name         string `json:"name"`
	Master       string `json:"master"`
	BucketID     string `json:"bucket_id"`
	Key          string `json:"key"`
	Suite        string `json:"suite"`
	BlockLen     int    `json:"block_len"`
	OID          string `json:"oid"`
	Salt         string `json:"salt"`
	OEK          string `json:"oek"`
	Metadata     string `json:"metadata"` // the entries without the zero rest
	PlainLen     int    `json:"plain_len"`
	StoredLen    int    `json:"stored_len"`
	StoredSHA256 string `json:"stored_sha256"`
	StoredHex    string `json:"stored_hex,omitempty"`
	Padded       bool   `json:"padded,omitempty"`

	stored []byte
}

// negative is one stored object that must be refused with Error.
type negative struct {
	Name         string   `json:"name"`
	Error        string   `json:"error"`
	Masters      []string `json:"masters"`
	BucketID     string   `json:"bucket_id,omitempty"` // none: a bucket state
	Key          string   `json:"key,omitempty"`
	BlockLen     int      `json:"block_len"`
	StoredLen    int      `json:"stored_len"`
	StoredSHA256 string   `json:"stored_sha256"`
	StoredHex    string   `json:"stored_hex,omitempty"`
	Pieces       []piece  `json:"pieces,omitempty"` // instead of StoredHex

	stored []byte
}

// piece is a cut of a positive vector's stored bytes, or bytes of its own.
type piece struct {
	From   string `json:"from,omitempty"`
	Offset int    `json:"offset,omitempty"`
	Length int    `json:"length,omitempty"`
	Hex    string `json:"hex,omitempty"`
}

const vectorSmall = 4700 // stored bytes up to which a vector carries them

func (in refInput) vector(name string) vector {
	stored := refSeal(in)
	sum := sha256.Sum256(stored)
	v := vector{
		Name: name, Master: hex.EncodeToString(in.master), BucketID: hex.EncodeToString(in.bucket), Key: in.key, Suite: Suite(in.suite).String(), BlockLen: in.L,
		OID: hex.EncodeToString(in.oid), Salt: hex.EncodeToString(in.salt), OEK: hex.EncodeToString(in.oek), Metadata: hex.EncodeToString(in.tlv),
		PlainLen: len(in.plain), StoredLen: len(stored), StoredSHA256: hex.EncodeToString(sum[:]), Padded: in.padded, stored: stored,
	}
	if len(stored) <= vectorSmall {
		v.StoredHex = hex.EncodeToString(stored)
	}
	return v
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func refTLV(plain int, more ...any) []byte {
	return append(refCat(byte(1), uint16(8), uint64(plain)), refCat(more...)...)
}

func refString(typ byte, s string) []byte { return refCat(typ, uint16(len(s)), s) }

// vectorInput is the input of the anchors, for an object of n bytes.
func vectorInput(suite Suite, L, n int) refInput {
	e := vectorEntropy()
	bucket := vectorBucket()
	return refInput{
		master: vectorMaster(), bucket: bucket[:], key: vectorKey, suite: byte(suite), L: L,
		oid: e.oid[:], salt: e.salt[:], oek: e.oek[:], tlv: refTLV(n, refString(3, vectorType)), plain: vectorPlain(n),
	}
}

// otherInput shares only the size with vectorInput: another object, key and bucket of the same master.
func otherInput(suite Suite, L, n int) refInput {
	in := vectorInput(suite, L, n)
	in.bucket, in.key = counting(0xb0, 16), "ds/.chunks/ffff/ff"
	in.oid, in.salt, in.oek = counting(0x40, 16), counting(0x50, 16), counting(0x60, 32)
	return in
}

var vectorSizes = []int{0, 1, 15, 16, 17, 65535, 65536, 65537, 131072, 5<<20 - 1, 5 << 20, 5<<20 + 1, 10<<20 + 7}

// streamVectors are sizes × suites × block sizes.
func streamVectors(suite Suite, L int) (out []vector) {
	for _, n := range vectorSizes {
		out = append(out, vectorInput(suite, L, n).vector(fmt.Sprintf("%s/%d/%d", suite, L, n)))
	}
	return out
}

// metadataVectors exercise every entry, and supply the other objects of splices.
func metadataVectors() (out []vector) {
	add := func(name string, in refInput) { out = append(out, in.vector(name)) }
	pair := func(name, value string) []byte { return refCat(uint16(len(name)), name, uint16(len(value)), value) }
	full := refTLV(17, byte(2), uint16(8), uint64(1767225600123),
		refString(3, "text/plain; charset=utf-8"), refString(4, "zstd"), refString(5, `attachment; filename="a b.txt"`), refString(6, "de, en"),
		refString(7, "no-cache"), refString(8, "Thu, 01 Dec 2033 16:00:00 GMT"),
		refString(9, string(refCat(pair("a", ""), pair("mtime", "1767225600"), pair("x-y_z", "gr\xc3\xbc\xc3\x9fe")))),
		refString(10, string(counting(0x80, 16))), refString(11, string(counting(0x90, 33))), refString(12, "proxy-1"))

	in := vectorInput(XChaCha20Poly1305, 1024, 17)
	in.tlv = full
	add("metadata/full", in)
	in.tlv = append(bytes.Clone(full), refCat(byte(128), uint16(0), byte(200), uint16(3), "abc", byte(255), uint16(1), byte(0))...)
	add("metadata/extensions", in)
	in = vectorInput(AES256GCM, 512, 1)
	in.tlv = refTLV(1)
	add("metadata/least", in)
	in.tlv = refTLV(1, refString(3, string(bytes.Repeat([]byte("t"), 512-150-11-3))))
	add("metadata/most", in)
	in = vectorInput(XChaCha20Poly1305, 2048, 100)
	in.tlv = refTLV(100)
	in.key = string(bytes.Repeat([]byte("k"), 1024))
	add("key/longest", in)
	in.key = "k"
	add("key/shortest", in)
	in.key = "ds/\xc3\xa4/\xe6\xbc\xa2/ +%2F"
	add("key/utf-8", in)
	for _, n := range []int{17, 131072} {
		add(fmt.Sprintf("other/%d", n), otherInput(XChaCha20Poly1305, 512, n))
	}
	add("three-segments", vectorInput(XChaCha20Poly1305, 512, 2*65536+100))
	return out
}

// sizeVector is one row of the size law; Plain is absent for a foreign size.
type sizeVector struct {
	BlockLen int    `json:"block_len"`
	Stored   int64  `json:"stored"`
	Plain    *int64 `json:"plain,omitempty"`
}

func sizeVectors() (out []sizeVector) {
	for _, L := range blockSizes {
		for _, p := range []int64{0, 1, 65535, 65536, 65537, 131072, 4 << 20, 5<<20 - 1, 5 << 20, 5<<20 + 1, 10 << 20, 16 << 20, 1 << 30, 5366874544,
			9999*5<<20 - 1, 9999 * 5 << 20, 10000 * 5 << 20, 1 << 40, 5 << 40} {
			out = append(out, sizeVector{L, refSealedSize(L, p), &p})
		}
		base := int64(L)
		for _, stored := range []int64{0, 1, base - 1, base, base + 15, base + 65536 + 17, base + 65536 + 32, base + 65552 + 16, refSealedSize(L, 5<<20) - 1,
			refSealedSize(L, 5<<20) - 512, refSealedSize(L, 5<<20) + 16, refSealedSize(L, 5<<40) + 17, 1<<63 - 1} {
			out = append(out, sizeVector{L, stored, nil})
		}
	}
	return out
}

// keyVector shows every intermediate value of the first anchors.
type keyVector struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func keyVectors() (out []keyVector) {
	add := func(name string, value []byte) { out = append(out, keyVector{name, hex.EncodeToString(value)}) }
	in := vectorInput(XChaCha20Poly1305, 512, 1)
	add("master", in.master)
	add("PRK", refExtract([]byte("s3-crypt-proxy/v2"), in.master))
	add("K_obj", refMaster(in.master, "object-encryption", 32))
	add("K_meta", refMaster(in.master, "metadata-encryption", 32))
	add("KVT", refMaster(in.master, "key-verification", 32))
	add("KID", refMaster(in.master, "key-id", 8))
	add("B", refHead(in))
	ctx := refCat(in.bucket, uint16(len(in.key)), in.key)
	add("CTX", ctx)
	mk := refExpand(refMaster(in.master, "metadata-encryption", 32), refCat("s3-crypt-proxy/v2/meta-block", byte(0), refHead(in), ctx), 88)
	add("MK", mk[:32])
	add("MN", mk[32:56])
	add("COMMIT", mk[56:])
	wk := refExpand(refMaster(in.master, "object-encryption", 32), refCat("s3-crypt-proxy/v2/oek-wrap", byte(0), refHead(in), ctx), 56)
	add("WK", wk[:32])
	add("WN", wk[32:])
	add("OEK", in.oek)
	okm := refExpand(refExtract(in.oid, in.oek), refCat("s3-crypt-proxy/v2/body", byte(0), byte(1), byte(16)), 56)
	add("CK suite 1", okm[:32])
	add("BN suite 1", okm[32:])
	okm = refExpand(refExtract(in.oid, in.oek), refCat("s3-crypt-proxy/v2/body", byte(0), byte(2), byte(16)), 44)
	add("CK suite 2", okm[:32])
	add("BN suite 2", okm[32:])
	return out
}

// vectorFiles returns every vector file's content.
func vectorFiles() map[string]any {
	files := map[string]any{
		"keys.json": keyVectors(), "sizes.json": sizeVectors(), "metadata.json": metadataVectors(),
		"negative.json": negativeVectors(), "state.json": stateVectors(), "state-negative.json": stateNegatives(), "copy.json": copyVectors(),
		"multipart.json": multipartVectors(), "multipart-negative.json": multipartNegatives(), "upload.json": uploadVectors(), "upload-checksums.json": summedVectors(),
		"padding.json": paddingVectors(), "padding-negative.json": paddingNegatives(), "names.json": nameVectors(),
		"parts-md5.json": partsMD5Vectors(), "parts-md5-negative.json": partsMD5Negatives(),
		"redirect.json": redirectVectors(), "redirect-negative.json": redirectNegatives(),
		"folder.json": folderVectors(), "folder-negative.json": folderNegatives(),
	}
	for _, suite := range []Suite{XChaCha20Poly1305, AES256GCM} {
		for _, L := range []int{512, 1024, 4096} {
			files[fmt.Sprintf("stream-%s-%d.json", suite, L)] = streamVectors(suite, L)
		}
	}
	return files
}

// TestVectors fails on any difference between the generator and the files: vectors are published once and stay.
func TestVectors(t *testing.T) {
	files := vectorFiles()
	for name, content := range files {
		want, err := json.MarshalIndent(content, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, '\n')
		path := filepath.Join(vectorDir, name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from what the generator makes", path)
		}
	}
	present, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil || len(present) != len(files) {
		t.Errorf("%d vector files, want %d (%v)", len(present), len(files), err)
	}
}

// positiveVectors are all objects that must open, bucket states excepted.
func positiveVectors() []vector {
	all := slices.Concat(metadataVectors(), paddingVectors(), partsMD5Vectors(), redirectVectors())
	for _, suite := range []Suite{XChaCha20Poly1305, AES256GCM} {
		for _, L := range []int{512, 1024, 4096} {
			all = append(all, streamVectors(suite, L)...)
		}
	}
	return all
}

// openWhole is how a reader opens a whole stored object: block, segments, filler.
func openWhole(ring Ring, where Context, blockSize int, stored []byte) ([]byte, error) {
	o, err := OpenBlock(ring, where, stored[:min(blockSize, len(stored))], int64(len(stored)))
	if err != nil {
		return nil, err
	}
	span, err := Cover(blockSize, o.PaddedSize(), 0, o.PaddedSize())
	if err != nil {
		return nil, err
	}
	sealed := bytes.Clone(stored[span.Offset : span.Offset+span.Length])
	if err := o.OpenInPlace(sealed, 0); err != nil {
		return nil, err
	}
	if err := o.CheckFiller(stored[span.Offset+span.Length:], 0); err != nil {
		return nil, err
	}
	plain := make([]byte, 0, o.PlainSize())
	for at := 0; at < len(sealed); at += Stride {
		plain = append(plain, sealed[at:min(at+Stride, len(sealed))-TagSize]...)
	}
	return plain[:o.PlainSize()], nil
}

// TestPositiveVectors seals and opens every positive vector with the package, to the byte.
func TestPositiveVectors(t *testing.T) {
	for _, v := range positiveVectors() {
		ring, where := testRing(t, unhex(v.Master)), testContext(t, BucketID(unhex(v.BucketID)), v.Key)
		meta, err := decodeMeta(unhex(v.Metadata))
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		suite, err := ParseSuite(v.Suite)
		if err != nil {
			t.Fatal(err)
		}
		e := &entropy{oek: [32]byte(unhex(v.OEK)), oid: [16]byte(unhex(v.OID)), salt: [16]byte(unhex(v.Salt))}
		object, err := sealObject(ring, where, meta, SealOptions{Suite: suite, BlockSize: v.BlockLen, Padded: v.Padded}, vectorPlain(v.PlainLen), e)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if !bytes.Equal(object, v.stored) {
			t.Errorf("%s: sealed bytes differ", v.Name)
		}
		plain, err := openWhole(ring, where, v.BlockLen, v.stored)
		if err != nil || !bytes.Equal(plain, vectorPlain(v.PlainLen)) {
			t.Errorf("%s: opened with %v", v.Name, err)
		}
	}
}

// errorNames are the names that negative vectors expect.
var errorNames = map[string]error{
	"ErrKeyUnknown": ErrKeyUnknown, "ErrForeign": ErrForeign, "ErrNotSealed": ErrNotSealed, "ErrVersion": ErrVersion,
	"ErrUnsupported": ErrUnsupported, "ErrCommit": ErrCommit, "ErrIntegrity": ErrIntegrity,
}

// expectError holds err to one sentinel: the named one and no other.
func expectError(t *testing.T, what string, err error, name string) {
	t.Helper()
	if errorNames[name] == nil {
		t.Fatalf("%s: no error is called %q", what, name)
	}
	for n, sentinel := range errorNames {
		if errors.Is(err, sentinel) != (n == name) {
			t.Errorf("%s: got %v, want %s", what, err, name)
			return
		}
	}
}

// TestExportVectors writes the stored object of every vector to the directory that SCPX_VECTOR_DIR names, one file per vector ("/" in a name
// becomes "_"), so that another implementation can open what this one sealed.
func TestExportVectors(t *testing.T) {
	dir := os.Getenv("SCPX_VECTOR_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	n := 0
	write := func(name string, stored []byte) {
		t.Helper()
		n++
		if err := os.WriteFile(filepath.Join(dir, exportName(name)), stored, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range positiveVectors() {
		meta, err := decodeMeta(unhex(v.Metadata))
		if err != nil {
			t.Fatal(err)
		}
		suite, err := ParseSuite(v.Suite)
		if err != nil {
			t.Fatal(err)
		}
		e := &entropy{oek: [32]byte(unhex(v.OEK)), oid: [16]byte(unhex(v.OID)), salt: [16]byte(unhex(v.Salt))}
		where := testContext(t, BucketID(unhex(v.BucketID)), v.Key)
		object, err := sealObject(testRing(t, unhex(v.Master)), where, meta, SealOptions{Suite: suite, BlockSize: v.BlockLen, Padded: v.Padded}, vectorPlain(v.PlainLen), e)
		if err != nil {
			t.Fatal(err)
		}
		write(v.Name, object)
	}
	for _, v := range stateVectors() {
		write(v.Name, v.stored)
	}
	for _, v := range multipartVectors() {
		if v.StoredSHA256 != "" {
			u := testUpload(t, testRing(t, unhex(v.Master)), testContext(t, BucketID(unhex(v.BucketID)), v.Key), Suite(v.in.suite))
			u.oid, u.oek = [16]byte(v.in.oid), [32]byte(v.in.oek)
			write(v.Name, exportMultipart(t, testRing(t, unhex(v.Master)), u, v.in))
		}
	}
	for _, v := range slices.Concat(negativeVectors(), paddingNegatives(), partsMD5Negatives(), redirectNegatives(), stateNegatives()) {
		write(v.Name, v.stored)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < n {
		t.Errorf("%d files for %d vectors (%v)", len(files), n, err)
	}
}

func exportName(name string) string {
	return string(bytes.ReplaceAll([]byte(name), []byte("/"), []byte("_"))) + ".scpx"
}

// refVectorSum is the digest that vectors carry.
func refVectorSum(stored []byte) string {
	sum := sha256.Sum256(stored)
	return hex.EncodeToString(sum[:])
}
