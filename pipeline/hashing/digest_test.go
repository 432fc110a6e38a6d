package hashing

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// engine is one of a kernel; without its instructions here the test is skipped.
func engine(t testing.TB, k Kernel) *Engine {
	t.Helper()
	e, err := New(k, 2)
	if err != nil {
		if !here(k) {
			t.Skipf("this CPU has not the instructions of %s", k)
		}
		t.Fatal(err)
	}
	return e
}

// here: the instructions of k are there.
func here(k Kernel) bool {
	return map[Kernel]bool{Standard: true, Fused: fusedHere, AVX2: avx2Here, AVX512: avx512Here}[k]
}

// allSums are the digests that can be wanted.
var allSums = []Sums{MD5 | SHA256, SHA256, MD5}

func random(seed uint64, n int) []byte {
	p := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

func check(t testing.TB, what string, d *Digest, p []byte) {
	t.Helper()
	m, s := d.Sum()
	var wantMD5 [md5.Size]byte
	var wantSHA [sha256.Size]byte
	if d.want&MD5 != 0 {
		wantMD5 = md5.Sum(p)
	}
	if d.want&SHA256 != 0 {
		wantSHA = sha256.Sum256(p)
	}
	if m != wantMD5 {
		t.Errorf("%s: MD5 %x, want %x", what, m, wantMD5)
	}
	if s != wantSHA {
		t.Errorf("%s: SHA-256 %x, want %x", what, s, wantSHA)
	}
}

// TestEveryLength: 0 to 300 bytes and around the bounds, in one write and cut anywhere.
func TestEveryLength(t *testing.T) {
	data := random(1, 3*meetBytes)
	lengths := []int{meetBytes - 1, meetBytes, meetBytes + 1, 2*meetBytes + 63, len(data)}
	for n := range 300 {
		lengths = append(lengths, n)
	}
	for _, k := range Kernels() {
		t.Run(string(k), func(t *testing.T) {
			e := engine(t, k)
			for _, want := range allSums {
				for _, n := range lengths {
					p := data[:n]
					for _, cut := range []int{0, 1, 63, 64, 65, n / 2, n} {
						d := e.New(want)
						d.Write(p[:min(cut, n)])
						d.Write(p[min(cut, n):])
						check(t, fmt.Sprintf("%d bytes cut at %d", n, cut), d, p)
					}
				}
			}
		})
	}
}

// TestKernelsByName: Auto is the best of them, and what the CPU lacks is refused.
func TestKernelsByName(t *testing.T) {
	if _, err := New("fastest", 1); err == nil {
		t.Error("an unknown kernel was taken")
	}
	var last Kernel
	for _, k := range Kernels() {
		e, err := New(k, 1)
		has := here(k)
		if (err == nil) != has {
			t.Errorf("%s: %v", k, err)
		}
		if has {
			if last = k; e.Kernel() != k {
				t.Errorf("%s became %s", k, e.Kernel())
			}
		}
	}
	if e, err := New(Auto, 1); err != nil || e.Kernel() != last {
		t.Errorf("auto is %s (%v), want %s", e.Kernel(), err, last)
	}
}

// FuzzDigest: any bytes, cut anywhere, alone and beside streams that meet it.
func FuzzDigest(f *testing.F) {
	f.Add([]byte("abc"), uint16(1), uint16(2), uint8(0))
	f.Add(random(4, 200), uint16(64), uint16(3*meetBytes), uint8(7))
	f.Add(random(5, 999), uint16(1), uint16(4*meetBytes+1), uint8(3|1<<3|1<<5))
	f.Fuzz(func(t *testing.T, p []byte, cut, grow uint16, how uint8) {
		streams, want := 1+int(how%8), allSums[how>>3%3]
		e := engine(t, Kernels()[1+how>>5%3])
		p = append(bytes.Repeat(p, 1+int(grow)/(len(p)+1)), p...)
		at := min(int(cut), len(p))
		var wg sync.WaitGroup
		for i := range streams {
			wg.Go(func() {
				mine := p[:len(p)-i*(len(p)-at)/streams]
				d := e.New(want)
				d.Write(mine[:at])
				d.Write(mine[at:])
				check(t, "fuzzed", d, mine)
			})
		}
		wg.Wait()
	})
}
