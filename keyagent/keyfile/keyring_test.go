package keyfile

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

var passphrase = []byte("correct horse battery staple")

// master returns 32 bytes that only seed decides.
func master(seed byte) []byte {
	b := make([]byte, keyagent.KeySize)
	for i := range b {
		b[i] = seed ^ byte(i*7+1)
	}
	return b
}

func secret(t testing.TB, seed byte) *keyagent.Secret {
	t.Helper()
	s, err := keyagent.NewSecret(master(seed))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testRing has n keys, the first of them active, and two pins.
func testRing(t testing.TB, n int) *Keyring {
	t.Helper()
	k := &Keyring{Generation: 7, Created: time.Unix(1_700_000_000, 0).UTC(), Pins: []memkey.BucketPin{
		{Name: "backups", ID: format.BucketID{1, 2, 3}}, {Name: "archive-2", ID: format.BucketID{4}},
	}}
	for i := range n {
		key, err := NewKey(secret(t, byte(i+1)), i == 0, fmt.Sprintf("key %d", i))
		if err != nil {
			t.Fatal(err)
		}
		k.Keys = append(k.Keys, key)
	}
	t.Cleanup(k.Wipe)
	return k
}

func sealed(t testing.TB, k *Keyring) []byte {
	t.Helper()
	file, err := Seal(k, passphrase, LowCost())
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// same compares everything, masters included.
func same(a, b *Keyring) error {
	if a.Generation != b.Generation || !a.Created.Equal(b.Created) || a.Pending != b.Pending || !reflect.DeepEqual(a.Pins, b.Pins) {
		return fmt.Errorf("%d %v %v %v, want %d %v %v %v", a.Generation, a.Created, a.Pending, a.Pins, b.Generation, b.Created, b.Pending, b.Pins)
	}
	if len(a.Keys) != len(b.Keys) {
		return fmt.Errorf("%d keys, want %d", len(a.Keys), len(b.Keys))
	}
	for i, x := range a.Keys {
		y := b.Keys[i]
		if x.ID != y.ID || x.KVT != y.KVT || x.Active != y.Active || x.Label != y.Label || !x.Master.Equal(y.Master) {
			return fmt.Errorf("key %d differs: %v, %v", i, x.ID, y.ID)
		}
	}
	return nil
}

func TestKeyringRoundTrip(t *testing.T) {
	for _, n := range []int{1, 2, keyagent.MaxKeys} {
		for _, pending := range []bool{false, true} {
			want := testRing(t, n)
			want.Pending = pending
			got, err := Open(sealed(t, want), passphrase)
			if err != nil {
				t.Fatal(err)
			}
			if err := same(got, want); err != nil {
				t.Error(err)
			}
			got.Wipe()
		}
	}
	largest := testRing(t, keyagent.MaxKeys)
	for i := range largest.Keys {
		largest.Keys[i].Label = strings.Repeat("l", keyagent.MaxLabel)
	}
	largest.Pins = nil
	for i := range memkey.MaxPins {
		largest.Pins = append(largest.Pins, memkey.BucketPin{Name: fmt.Sprintf("%063d", i)})
	}
	got, err := Open(sealed(t, largest), passphrase)
	if err != nil {
		t.Fatalf("the largest ring: %v", err)
	}
	got.Wipe()
}

// TestStandardParameters opens one file at the cost that users pay.
func TestStandardParameters(t *testing.T) {
	if testing.Short() {
		t.Skip("256 MiB, twice")
	}
	want := testRing(t, 1)
	file, err := Seal(want, passphrase, Standard())
	if err != nil {
		t.Fatal(err)
	}
	if got := binary.BigEndian.Uint32(file[15:]); got < 256<<10 {
		t.Errorf("%d KiB in the header", got)
	}
	got, err := Open(file, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Wipe()
	if err := same(got, want); err != nil {
		t.Error(err)
	}
}

// TestLayoutOfTheKeyring writes the plain form by hand, as doc.go says it.
func TestLayoutOfTheKeyring(t *testing.T) {
	k := testRing(t, 2)
	k.Pending = true
	want := []byte{1, 0, 0, 0, 0, 0, 0, 0, 7}
	want = binary.BigEndian.AppendUint64(want, 1_700_000_000)
	want = append(want, 1, 2)
	for i := range 2 {
		keys, err := format.DeriveKeys(master(byte(i + 1)))
		if err != nil {
			t.Fatal(err)
		}
		id, kvt := keys.ID(), keys.KVT()
		want = append(append(append(want, id[:]...), kvt[:]...), master(byte(i+1))...)
		want = append(want, byte(1-i), 5)
		want = append(want, fmt.Sprintf("key %d", i)...)
	}
	want = append(want, 0, 2, 7)
	want = append(want, "backups"...)
	want = append(want, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9)
	want = append(want, "archive-2"...)
	want = append(want, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	got, err := k.encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func TestBadKeyringsAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Keyring){
		"generation 0":     func(k *Keyring) { k.Generation = 0 },
		"no keys":          func(k *Keyring) { k.Keys = nil },
		"17 keys":          func(k *Keyring) { *k = *testRing(t, keyagent.MaxKeys+1) },
		"none active":      func(k *Keyring) { k.Keys[0].Active = false },
		"two active":       func(k *Keyring) { k.Keys[1].Active = true },
		"same key twice":   func(k *Keyring) { k.Keys[1] = k.Keys[0]; k.Keys[1].Active = false },
		"wrong id":         func(k *Keyring) { k.Keys[1].ID[0] ^= 1 },
		"wrong KVT":        func(k *Keyring) { k.Keys[1].KVT[31] ^= 1 },
		"no master":        func(k *Keyring) { k.Keys[1].Master = nil },
		"wiped master":     func(k *Keyring) { k.Keys[1].Master.Wipe() },
		"long label":       func(k *Keyring) { k.Keys[1].Label = strings.Repeat("x", keyagent.MaxLabel+1) },
		"escape in label":  func(k *Keyring) { k.Keys[1].Label = "\x1b[2J" },
		"label not UTF-8":  func(k *Keyring) { k.Keys[1].Label = "\xff" },
		"pin without name": func(k *Keyring) { k.Pins[0].Name = "" },
		"long pin name":    func(k *Keyring) { k.Pins[0].Name = strings.Repeat("x", memkey.MaxPinName+1) },
		"pin with a space": func(k *Keyring) { k.Pins[0].Name = "a b" },
		"pin twice":        func(k *Keyring) { k.Pins[1].Name = k.Pins[0].Name },
		"too many pins":    func(k *Keyring) { k.Pins = make([]memkey.BucketPin, memkey.MaxPins+1) },
	} {
		t.Run(name, func(t *testing.T) {
			k := testRing(t, 2)
			spoil(k)
			if _, err := Seal(k, passphrase, LowCost()); !errors.Is(err, ErrKeyring) {
				t.Errorf("sealed: %v", err)
			}
		})
	}
}

func TestDecodeRefusesWhatEncodeDoesNotWrite(t *testing.T) {
	k := testRing(t, 2)
	plain, err := k.encode()
	if err != nil {
		t.Fatal(err)
	}
	try := func(name string, b []byte) {
		t.Helper()
		if k, err := decodeKeyring(b); err == nil {
			k.Wipe()
			t.Errorf("%s: decoded", name)
		} else if !errors.Is(err, ErrFormat) && !errors.Is(err, keyagent.ErrBadSecret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range plain {
		try(fmt.Sprintf("cut to %d", n), bytes.Clone(plain[:n]))
	}
	try("one byte more", append(bytes.Clone(plain), 0))
	change := func(at int, to byte) []byte { b := bytes.Clone(plain); b[at] = to; return b }
	try("version 2", change(0, 2))
	try("pending 2", change(17, 2))
	try("17 keys", change(18, 17))
	try("active 2", change(19+72, 2))
	try("another master", change(19+40, plain[19+40]^1))
	try("master of zeros", append(append(bytes.Clone(plain[:19+40]), make([]byte, 32)...), plain[19+72:]...))
}

func TestRotate(t *testing.T) {
	k := testRing(t, 2)
	before := []format.KeyID{k.Keys[0].ID, k.Keys[1].ID}
	if err := k.Rotate(secret(t, 99), "new"); err != nil {
		t.Fatal(err)
	}
	if k.Generation != 8 || !k.Pending || len(k.Keys) != 3 || len(k.Pins) != 2 {
		t.Fatalf("generation %d, pending %v, %d keys", k.Generation, k.Pending, len(k.Keys))
	}
	if a := k.Active(); a.Label != "new" || a.ID == before[0] {
		t.Errorf("active is %v", a.ID)
	}
	if k.Keys[1].ID != before[0] || k.Keys[2].ID != before[1] || k.Keys[1].Active || k.Keys[2].Active {
		t.Error("the old keys are not there as they were")
	}
	s := secret(t, 100)
	if err := k.Rotate(s, "again"); !errors.Is(err, ErrKeyring) || k.Generation != 8 || len(k.Keys) != 3 {
		t.Errorf("rotated while pending: %v", err)
	}
	if err := s.Use(func([]byte) {}); !errors.Is(err, keyagent.ErrWiped) {
		t.Error("the refused master was not wiped")
	}
	k.Pending = false
	if err := k.Rotate(secret(t, 1), "old one again"); !errors.Is(err, ErrKeyring) || k.Generation != 8 {
		t.Errorf("a key that is in the ring became its active one: %v", err)
	}
	full := testRing(t, keyagent.MaxKeys)
	if err := full.Rotate(secret(t, 101), ""); !errors.Is(err, ErrKeyring) || len(full.Keys) != keyagent.MaxKeys {
		t.Errorf("a 17th key: %v", err)
	}
}

func TestAddOld(t *testing.T) {
	k := testRing(t, 1)
	if err := k.AddOld(secret(t, 50), "from paper"); err != nil {
		t.Fatal(err)
	}
	if len(k.Keys) != 2 || k.Keys[1].Active || k.Generation != 7 || !k.Pending {
		t.Errorf("%d keys, generation %d", len(k.Keys), k.Generation)
	}
	if err := k.AddOld(secret(t, 50), "twice"); !errors.Is(err, ErrKeyring) || len(k.Keys) != 2 {
		t.Errorf("the same key twice: %v", err)
	}
}

func TestPackageHasItsOwnHandles(t *testing.T) {
	k := testRing(t, 2)
	p, err := k.Package(memkey.OpDeliver)
	if err != nil {
		t.Fatal(err)
	}
	if p.Op != memkey.OpDeliver || p.Generation != 7 || len(p.Keys) != 2 || len(p.Pins) != 2 {
		t.Errorf("op %v, generation %d", p.Op, p.Generation)
	}
	p.Wipe()
	if err := k.Keys[0].Master.Use(func([]byte) {}); err != nil {
		t.Errorf("wiping the package wiped the ring: %v", err)
	}
	k.Keys[1].Master.Wipe()
	if _, err := k.Package(memkey.OpDeliver); !errors.Is(err, keyagent.ErrWiped) {
		t.Errorf("a package of a wiped ring: %v", err)
	}
}

func TestNothingPrintsSecrets(t *testing.T) {
	k := testRing(t, 1)
	id := testIdentity(t)
	var seed []byte
	if err := id.seed.Use(func(b []byte) { seed = bytes.Clone(b) }); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, v := range []any{k, *k, k.Keys, id} {
		fmt.Fprintf(&out, "%v %+v %#v %s %x %q\n", v, v, v, v, v, v)
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(j)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	}
	for _, s := range [][]byte{master(1), seed} {
		decimal := strings.Trim(fmt.Sprint(s[:8]), "[]")
		for _, form := range []string{string(s), hex.EncodeToString(s), base64.StdEncoding.EncodeToString(s)[:40], decimal, strings.ReplaceAll(decimal, " ", ",")} {
			if strings.Contains(strings.ToLower(out.String()), strings.ToLower(form)) {
				t.Errorf("a secret is in the output as %q", form)
			}
		}
	}
	if !strings.Contains(out.String(), "redacted") {
		t.Error("nothing was printed")
	}
}
