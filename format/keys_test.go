package format

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestKDFIsHKDF compares the package's own HKDF with crypto/hkdf over all lengths it is used for.
func TestKDFIsHKDF(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	random := func(n int) []byte { b := make([]byte, n); _, _ = r.Read(b); return b }
	for n := range 65 {
		salt, ikm := random(n), random(n%33)
		want, err := hkdf.Extract(sha256.New, ikm, salt)
		if err != nil {
			t.Fatal(err)
		}
		prk := extract(salt, ikm)
		if !bytes.Equal(prk[:], want) {
			t.Fatalf("extract with a salt of %d bytes differs", n)
		}
		for _, infoLen := range []int{0, 1, n, 55, 64, 119, maxInfo - 1, maxInfo} {
			for _, outLen := range []int{0, 1, 8, 31, 32, 33, 44, 56, 64, 88, 200} {
				info, out := random(infoLen), make([]byte, outLen)
				want, err := hkdf.Expand(sha256.New, prk[:], string(info), outLen)
				if err != nil {
					t.Fatal(err)
				}
				if expand(out, &prk, info); !bytes.Equal(out, want) {
					t.Fatalf("expand of %d bytes of info to %d differs", infoLen, outLen)
				}
			}
		}
	}
	mustPanic(t, "long info", func() { expand(make([]byte, 1), new([32]byte), make([]byte, maxInfo+1)) })
	mustPanic(t, "long salt", func() { extract(make([]byte, 65), nil) })
	mustPanic(t, "long ikm", func() { extract(nil, make([]byte, 33)) })
}

func TestDeriveKeysRefuses(t *testing.T) {
	for _, master := range [][]byte{nil, {}, make([]byte, 31), make([]byte, 33), counting(1, 16), counting(1, 64), make([]byte, 32)} {
		if k, err := DeriveKeys(master); err == nil {
			t.Errorf("%d bytes %x: %v", len(master), master, k)
		}
	}
}

func TestKeyringRefuses(t *testing.T) {
	a, _ := DeriveKeys(counting(1, 32))
	b, _ := DeriveKeys(counting(2, 32))
	twin := &Keys{id: a.id}
	twin.meta[0] = 1
	for name, keys := range map[string][]*Keys{"none": {nil}, "same twice": {a, b, a}, "twin": {a, twin}, "twins among the older": {b, a, twin}, "nil older": {a, nil}} {
		if r, err := NewKeyring(keys[0], keys[1:]...); err == nil {
			t.Errorf("%s: %v", name, r)
		}
	}
	b.Wipe()
	if _, err := NewKeyring(b); !errors.Is(err, ErrNoKey) {
		t.Errorf("wiped: %v", err)
	}
	if _, err := NewKeyring(a, b); !errors.Is(err, ErrNoKey) {
		t.Errorf("wiped older: %v", err)
	}
}

func TestKeyring(t *testing.T) {
	a, _ := DeriveKeys(counting(1, 32))
	b, _ := DeriveKeys(counting(2, 32))
	r, err := NewKeyring(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := r.Active(); err != nil || id != a.ID() {
		t.Errorf("active: %s, %v", id, err)
	}
	ids := r.IDs()
	if len(ids) != 2 || ids[0] != a.ID() || ids[1] != b.ID() {
		t.Errorf("ids: %v", ids)
	}
	ids[0] = KeyID{} // the caller's own
	if r.IDs()[0] != a.ID() {
		t.Error("IDs shares memory")
	}
	for _, k := range []*Keys{a, b} {
		if kvt, ok := r.KVT(k.ID()); !ok || kvt != k.KVT() {
			t.Errorf("KVT of %s", k.ID())
		}
	}
	if _, ok := r.KVT(KeyID{1}); ok {
		t.Error("KVT of an unknown key")
	}
	where := testContext(t, vectorBucket(), "k")
	head := Header{Version: 2, Suite: 1, KeyID: a.ID(), BlockSize: 512}.encode()
	if _, err := r.BlockKeys(KeyID{1}, head, where); !errors.Is(err, ErrKeyUnknown) {
		t.Errorf("unknown key: %v", err)
	}
	if _, err := r.BlockKeys(b.ID(), head, where); err == nil {
		t.Error("a head that names another key")
	}
	if _, err := r.BlockKeys(a.ID(), head, Context{}); err == nil {
		t.Error("the zero context")
	}
	var none *Keyring
	if _, err := none.Active(); !errors.Is(err, ErrNoKey) {
		t.Errorf("nil ring: %v", err)
	}
	if _, err := new(Keyring).Active(); !errors.Is(err, ErrNoKey) {
		t.Errorf("zero ring: %v", err)
	}
}

// TestWipe: a wiped key never seals, and wiping Keys leaves a ring made from them whole.
func TestWipe(t *testing.T) {
	k, _ := DeriveKeys(counting(1, 32))
	ring, err := NewKeyring(k)
	if err != nil {
		t.Fatal(err)
	}
	where := testContext(t, vectorBucket(), "k")
	s, err := NewSealer(ring, where, Meta{PlainSize: 1}, SealOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k.Wipe()
	if k.object != [32]byte{} || k.meta != [32]byte{} {
		t.Error("Wipe leaves keys")
	}
	if _, err := OpenBlock(ring, where, s.Block(), s.SealedSize()); err != nil {
		t.Errorf("the ring went with its keys: %v", err)
	}
	ring.Wipe()
	if ring.keys[0].object != [32]byte{} || ring.keys[0].meta != [32]byte{} {
		t.Error("Keyring.Wipe leaves keys")
	}
	if _, err := NewSealer(ring, where, Meta{PlainSize: 1}, SealOptions{}); !errors.Is(err, ErrNoKey) {
		t.Errorf("sealing with a wiped ring: %v", err)
	}
	if _, err := OpenBlock(ring, where, s.Block(), s.SealedSize()); !errors.Is(err, ErrKeyUnknown) {
		t.Errorf("opening with a wiped ring: %v", err)
	}
}

// TestSecretsDoNotPrint prints everything that holds a key with every verb and looks for the bytes.
func TestSecretsDoNotPrint(t *testing.T) {
	k, _ := DeriveKeys(vectorMaster())
	ring, _ := NewKeyring(k)
	where := testContext(t, vectorBucket(), "k")
	e := vectorEntropy()
	s, err := newSealer(ring, where, Meta{PlainSize: 1}, SealOptions{}, e)
	if err != nil {
		t.Fatal(err)
	}
	o, err := OpenBlock(ring, where, s.Block(), s.SealedSize())
	if err != nil {
		t.Fatal(err)
	}
	bk, err := ring.BlockKeys(k.ID(), [54]byte(s.Block()), where)
	if err != nil {
		t.Fatal(err)
	}
	prk := extract(e.oid[:], e.oek[:])
	okm := make([]byte, 56)
	expand(okm, &prk, append([]byte(labelBody), 1, 16))
	var out strings.Builder
	for _, v := range []any{k, *k, ring, *ring, s, *s, o, *o, bk, &bk, []any{k, ring, bk}, []*Keys{k}, []Keys{*k}, map[string]BlockKeys{"x": bk}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
	}
	text := out.String()
	for _, secret := range [][]byte{k.object[:], k.meta[:], bk.MetaKey[:], bk.WrapKey[:], bk.Commit[:], e.oek[:], okm[:32], okm[32:]} {
		for _, form := range []string{string(secret[:4]), hex.EncodeToString(secret[:4]), strings.ToUpper(hex.EncodeToString(secret[:4])),
			strings.Trim(fmt.Sprint(secret[:4]), "[]"), fmt.Sprintf("%#v", secret[:4])[len("[]byte{") : len("[]byte{")+16]} {
			if strings.Contains(text, form) {
				t.Errorf("%q is in the output", form)
			}
		}
	}
	if !strings.Contains(text, "4edcc785891e2e31") {
		t.Error("the key id is not in the output")
	}
}

// TestParseContextIsAppendBinary: one form only, and no place that neither NewContext nor the state has.
func TestParseContextIsAppendBinary(t *testing.T) {
	for _, want := range []Context{testContext(t, vectorBucket(), "k"), testContext(t, vectorBucket(), strings.Repeat("x", MaxKeySize)), stateContext()} {
		b, err := want.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseContext(b); err != nil || got != want {
			t.Errorf("%d bytes: %v, %v", len(b), got, err)
		}
		for name, bad := range map[string][]byte{"shorter": b[:len(b)-1], "longer": append(b[:len(b):len(b)], 'x'), "head": b[:17], "nothing": nil} {
			if got, err := ParseContext(bad); err == nil || got != (Context{}) {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
	long := strings.Repeat("x", MaxKeySize+1)
	for name, c := range map[string]Context{
		"zero bucket": {key: "k"}, "state of a bucket": {bucket: vectorBucket(), key: StateKey},
		"long": {bucket: vectorBucket(), key: long},
	} {
		b, err := c.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseContext(b); err == nil || got != (Context{}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestNewContextRefuses(t *testing.T) {
	f := func(bucket BucketID, key string) {
		t.Helper()
		if c, err := NewContext(bucket, key); err == nil {
			t.Errorf("NewContext(%s, %d bytes) = %v", bucket, len(key), c)
		}
	}
	f(BucketID{}, "k")
	f(BucketID{}, StateKey)
	f(vectorBucket(), "")
	f(vectorBucket(), StateKey)
	f(vectorBucket(), strings.Repeat("k", 1025))
	c := testContext(t, vectorBucket(), strings.Repeat("k", 1024))
	if c.Bucket() != vectorBucket() || len(c.Key()) != 1024 {
		t.Error("the context forgot its place")
	}
	b, err := c.AppendBinary([]byte("x"))
	if err != nil || len(b) != 1+16+2+1024 || b[17] != 4 || b[18] != 0 {
		t.Errorf("AppendBinary: %d bytes, %v", len(b), err)
	}
	// Two places never share an encoding: the length stands before the key.
	if _, err := (Context{}).AppendBinary(nil); err == nil {
		t.Error("the zero context encodes")
	}
}

func TestSuiteNames(t *testing.T) {
	for _, s := range []Suite{XChaCha20Poly1305, AES256GCM} {
		if got, err := ParseSuite(s.String()); err != nil || got != s {
			t.Errorf("ParseSuite(%s) = %s, %v", s, got, err)
		}
	}
	for _, name := range []string{"", "auto", "AES-256-GCM", "aes256gcm", "suite(0)", "xchacha20-poly1305 "} {
		if s, err := ParseSuite(name); err == nil {
			t.Errorf("ParseSuite(%q) = %s", name, s)
		}
	}
	if Suite(7).String() != "suite(7)" || Suite(7).nonceSize() != 0 {
		t.Error("suite 7 has a name")
	}
	if _, err := Suite(7).newAEAD(make([]byte, 32)); !errors.Is(err, ErrUnsupported) {
		t.Errorf("suite 7: %v", err)
	}
}
