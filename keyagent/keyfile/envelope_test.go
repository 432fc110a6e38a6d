package keyfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestHeaderSize(t *testing.T) {
	if headerSize != 64 || len((&header{}).bytes()) != headerSize {
		t.Errorf("%d bytes, and %d written", headerSize, len((&header{}).bytes()))
	}
	file := sealed(t, testRing(t, 1))
	want := append([]byte("MKSEALED"), 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 8, 1)
	if !bytes.HasPrefix(file, want) {
		t.Errorf("header %x", file[:headerSize])
	}
	if n := binary.BigEndian.Uint32(file[60:]); int(n) != len(file)-64 {
		t.Errorf("length %d in a file of %d", n, len(file))
	}
}

func TestSaltAndNonceAreNewEveryTime(t *testing.T) {
	k := testRing(t, 1)
	a, b := sealed(t, k), sealed(t, k)
	if bytes.Equal(a[20:36], b[20:36]) || bytes.Equal(a[36:60], b[36:60]) || bytes.Equal(a[64:], b[64:]) {
		t.Error("two files share salt, nonce or ciphertext")
	}
}

func TestEveryBitFlipIsRefused(t *testing.T) {
	file := sealed(t, testRing(t, 2))
	for i := range len(file) * 8 {
		bad := bytes.Clone(file)
		bad[i/8] ^= 1 << (i % 8)
		k, err := Open(bad, passphrase)
		if err == nil {
			k.Wipe()
			t.Fatalf("bit %d: opened", i)
		}
		if !errors.Is(err, ErrPassphrase) && !errors.Is(err, ErrFormat) {
			t.Fatalf("bit %d: %v", i, err)
		}
	}
	if err := func() error { k, err := Open(file, passphrase); k.Wipe(); return err }(); err != nil {
		t.Fatalf("the original: %v", err)
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	file := sealed(t, testRing(t, 1))
	for n := range file {
		if _, err := Open(file[:n], passphrase); !errors.Is(err, ErrFormat) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if _, err := Open(append(bytes.Clone(file), 0), passphrase); !errors.Is(err, ErrFormat) {
		t.Errorf("one byte more: %v", err)
	}
	// Shorter, with a length that says so: only the tag can tell.
	short := bytes.Clone(file[:len(file)-1])
	binary.BigEndian.PutUint32(short[60:], uint32(len(short)-64))
	if _, err := Open(short, passphrase); !errors.Is(err, ErrPassphrase) {
		t.Errorf("one byte less, honestly: %v", err)
	}
}

func TestWrongPassphraseAndDamageLookAlike(t *testing.T) {
	file := sealed(t, testRing(t, 1))
	_, wrong := Open(file, []byte("Correct horse battery staple"))
	bad := bytes.Clone(file)
	bad[len(bad)-1] ^= 1
	_, damaged := Open(bad, passphrase)
	if !errors.Is(wrong, ErrPassphrase) || wrong.Error() != damaged.Error() {
		t.Errorf("%v\n%v", wrong, damaged)
	}
	for _, p := range [][]byte{nil, {}, bytes.Repeat([]byte("x"), MaxPassphrase+1)} {
		if _, err := Open(file, p); !errors.Is(err, ErrPassphrase) {
			t.Errorf("a passphrase of %d bytes: %v", len(p), err)
		}
		if _, err := Seal(testRing(t, 1), p, LowCost()); !errors.Is(err, ErrPassphrase) {
			t.Errorf("sealed under a passphrase of %d bytes: %v", len(p), err)
		}
	}
}

func TestKindsAreNotMixedUp(t *testing.T) {
	ring := sealed(t, testRing(t, 1))
	id, err := SealIdentity(testIdentity(t), passphrase, LowCost())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(id, passphrase); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "identity") {
		t.Errorf("an identity as a ring: %v", err)
	}
	if _, err := OpenIdentity(ring, passphrase); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "key ring") {
		t.Errorf("a ring as an identity: %v", err)
	}
	ring[9] = byte(kindIdentity)
	if _, err := OpenIdentity(ring, passphrase); !errors.Is(err, ErrPassphrase) {
		t.Errorf("a ring that says it is an identity: %v", err)
	}
}

func TestCostIsBoundedBeforeAnythingIsAllocated(t *testing.T) {
	file := sealed(t, testRing(t, 1))
	for _, p := range []Params{
		{3, maxMemory + 1, 4}, {3, math.MaxUint32, 4}, {3, minMemory - 1, 4}, {3, 0, 4},
		{maxTime + 1, minMemory, 4}, {math.MaxUint32, minMemory, 4}, {minTime - 1, minMemory, 4}, {0, minMemory, 4},
		{3, minMemory, 0}, {3, minMemory, maxThreads + 1}, {3, minMemory, 255}, {1, 9, 1},
	} {
		bad := bytes.Clone(file)
		binary.BigEndian.PutUint32(bad[11:], p.Time)
		binary.BigEndian.PutUint32(bad[15:], p.Memory)
		bad[19] = p.Threads
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := Open(bad, passphrase)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%+v: %v", p, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 || took > 10*time.Second {
			t.Errorf("%+v: %d bytes, %v", p, n, took)
		}
		if _, err := Seal(testRing(t, 1), passphrase, p); !errors.Is(err, ErrFormat) {
			t.Errorf("sealed with %+v: %v", p, err)
		}
	}
}

func TestLowCostIsForTestsOnly(t *testing.T) {
	if err := LowCost().check(false); !errors.Is(err, ErrFormat) {
		t.Errorf("low cost outside of tests: %v", err)
	}
	if err := Standard().check(false); err != nil {
		t.Error(err)
	}
	file := sealed(t, testRing(t, 1))
	if _, err := open(kindKeyring, file, passphrase, false); !errors.Is(err, ErrFormat) {
		t.Errorf("opened: %v", err)
	}
	if _, err := seal(kindKeyring, []byte("x"), passphrase, LowCost(), false); !errors.Is(err, ErrFormat) {
		t.Errorf("sealed: %v", err)
	}
}

const lowCostProgram = `package main

import (
	"fmt"
	"os"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
)

func main() {
	file, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	_, err = keyfile.Open(file, []byte(%q))
	fmt.Println("open:", err)
	id, err := keyfile.OpenIdentity(file, []byte("x"))
	fmt.Println("identity:", id, err)
	_, err = keyfile.Seal(&keyfile.Keyring{}, []byte("x"), keyfile.LowCost())
	fmt.Println("seal:", err)
}
`

// TestABinaryHasNoLowCost asks a binary that go build made.
func TestABinaryHasNoLowCost(t *testing.T) {
	if testing.Short() {
		t.Skip("it links a binary")
	}
	dir, err := os.MkdirTemp(".", "testdata-binary-") // within the module, so that it may import the package
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program := filepath.Join(dir, "main.go")
	if err := os.WriteFile(program, fmt.Appendf(nil, lowCostProgram, passphrase), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "ring")
	if err := os.WriteFile(file, sealed(t, testRing(t, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "run", program, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "not a sealed file of this kind"); n < 2 || !strings.Contains(string(out), "open: cannot open the key ring: Argon2id with 1 passes") {
		t.Errorf("%s", out)
	}
}

func FuzzOpen(f *testing.F) {
	ring := testRing(f, 2)
	file := sealed(f, ring)
	anna := fixedIdentity(f)
	id, err := SealIdentity(anna, passphrase, LowCost())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add(id)
	f.Add(file[:headerSize])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := parseHeader(b, kindKeyring, true); err == nil && h.params != LowCost() {
			return // correct, and a second of work
		}
		k, err := Open(b, passphrase)
		if err == nil {
			if err := same(k, ring); err != nil {
				t.Errorf("a ring that was never sealed opens: %v", err)
			}
			k.Wipe()
		} else if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrPassphrase) {
			t.Errorf("untyped: %v", err)
		}
		if h, err := parseHeader(b, kindIdentity, true); err == nil && h.params != LowCost() {
			return
		}
		if got, err := OpenIdentity(b, passphrase); err == nil {
			got.Wipe()
			if !got.Public().Equal(anna.Public()) {
				t.Error("an identity that was never sealed opens")
			}
		}
	})
}

func FuzzDecodeKeyring(f *testing.F) {
	for _, n := range []int{1, 3} {
		plain, err := testRing(f, n).encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		k, err := decodeKeyring(bytes.Clone(plain))
		if err != nil {
			return
		}
		defer k.Wipe()
		again, err := k.encode()
		if err != nil || !bytes.Equal(again, plain) {
			t.Errorf("not canonical: %v\n%x\n%x", err, plain, again)
		}
	})
}

func FuzzDecodeIdentity(f *testing.F) {
	f.Add(append(append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1}, master(1)...), 2, 'm', 'e'))
	f.Fuzz(func(t *testing.T, plain []byte) {
		id, err := decodeIdentity(bytes.Clone(plain))
		if err != nil {
			return
		}
		defer id.Wipe()
		if len(id.Public()) != 32 || len(plain) != identityFixed+len(id.Name) {
			t.Errorf("%x: %d bytes of public key, name %q", plain, len(id.Public()), id.Name)
		}
	})
}
