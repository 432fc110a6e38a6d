package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
)

// The inputs that all vectors share (SPEC.md section 15).
func vectorMaster() []byte { return bytes.Repeat([]byte{0x42}, 32) }

func counting(from byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func vectorPlain(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(7 * i)
	}
	return b
}

const (
	vectorKey  = "ds/.chunks/0000/00"
	vectorType = "application/octet-stream"
)

func vectorEntropy() *entropy {
	return &entropy{oek: [32]byte(counting(0x20, 32)), oid: [16]byte(counting(0, 16)), salt: [16]byte(counting(0x10, 16))}
}

func vectorBucket() BucketID { return BucketID(counting(0xa0, 16)) }

func testRing(t testing.TB, master []byte, older ...[]byte) *Keyring {
	t.Helper()
	var keys []*Keys
	for _, m := range append([][]byte{master}, older...) {
		k, err := DeriveKeys(m)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	ring, err := NewKeyring(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func testContext(t testing.TB, bucket BucketID, key string) Context {
	t.Helper()
	c, err := NewContext(bucket, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAnchors holds the package to the published anchors: master, size, suite to the first 16 bytes of SHA-256(stored).
func TestAnchors(t *testing.T) {
	keys, err := DeriveKeys(vectorMaster())
	if err != nil {
		t.Fatal(err)
	}
	if got := keys.ID().String(); got != "4edcc785891e2e31" {
		t.Errorf("KID = %s", got)
	}
	if kvt := keys.KVT(); hex.EncodeToString(kvt[:8]) != "ee647c7201e9f946" {
		t.Errorf("KVT = %x", kvt)
	}
	ring := testRing(t, vectorMaster())
	where := testContext(t, vectorBucket(), vectorKey)
	f := func(plain, stored int, suite Suite, want string) {
		t.Helper()
		object, err := sealObject(ring, where, Meta{ContentType: vectorType}, SealOptions{Suite: suite, BlockSize: 512}, vectorPlain(plain), vectorEntropy())
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(object)
		if len(object) != stored || hex.EncodeToString(sum[:16]) != want {
			t.Errorf("P=%d %s: %d bytes, SHA-256 %x; want %d, %s", plain, suite, len(object), sum[:16], stored, want)
		}
	}
	f(0, 528, XChaCha20Poly1305, "7bd231286b0031bc73438900e936f86e")
	f(0, 528, AES256GCM, "017ba7a9ec7940686b2c42feddceb85a")
	f(1, 529, XChaCha20Poly1305, "9731ed743a96e94ca9085c7a6eaeaff9")
	f(1, 529, AES256GCM, "ad66ede9ef52836ed3edbfcd2285e5a0")
	f(65536, 66064, XChaCha20Poly1305, "af2011e9795afdccba9d9a8a618eca7c")
	f(65536, 66064, AES256GCM, "2ebf08b47f034083cbcc3bd26052113d")
	f(65537, 66081, XChaCha20Poly1305, "2578bdb34d8271f92c6d3a786aa077a5")
	f(65537, 66081, AES256GCM, "41e9d4fee422cddab7544ffae349764f")
	f(5242880, 5245184, XChaCha20Poly1305, "06d447a1338448c58ee8efd4c2432efc")
	f(5242880, 5245184, AES256GCM, "5cf2a1b38126b442a8d9f59e8f8de3b4")

	object, err := sealObject(ring, where, Meta{ContentType: vectorType}, SealOptions{Suite: XChaCha20Poly1305, BlockSize: 512}, vectorPlain(1), vectorEntropy())
	if err != nil {
		t.Fatal(err)
	}
	const head = "53435058000200011000" + "4edcc785891e2e31" + "000102030405060708090a0b0c0d0e0f" + "101112131415161718191a1b1c1d1e1f" + "000001ca" +
		"b90a540a7b1222eee320a2a4871a1d908ca635daac1b265ff41c61952f83b07d"
	if got := fmt.Sprintf("%x", object[:86]); got != head {
		t.Errorf("first 86 bytes are %s", got)
	}
}
