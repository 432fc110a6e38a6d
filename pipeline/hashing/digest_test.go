package hashing

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

func engine(t testing.TB, k Kernel) *Engine {
	t.Helper()
	e, err := New(k, 2)
	if err != nil {
		if k == Fused && !available {
			t.Skip("this CPU has no SHA instructions")
		}
		t.Fatal(err)
	}
	return e
}

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
	if want := md5.Sum(p); m != want {
		t.Errorf("%s: MD5 %x, want %x", what, m, want)
	}
	if want := sha256.Sum256(p); s != want {
		t.Errorf("%s: SHA-256 %x, want %x", what, s, want)
	}
}

// TestEveryLength: 0 to 300 bytes and around the bounds, in one write and cut anywhere.
func TestEveryLength(t *testing.T) {
	e := engine(t, Fused)
	data := random(1, 3*meetBytes)
	lengths := []int{meetBytes - 1, meetBytes, meetBytes + 1, 2*meetBytes + 63, len(data)}
	for n := range 300 {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		p := data[:n]
		for _, cut := range []int{0, 1, 63, 64, 65, n / 2, n} {
			d := e.New()
			d.Write(p[:min(cut, n)])
			d.Write(p[min(cut, n):])
			check(t, fmt.Sprintf("%d bytes cut at %d", n, cut), d, p)
		}
	}
}

// TestStandard: the portable kernel gives the same.
func TestStandard(t *testing.T) {
	e := engine(t, Standard)
	for _, n := range []int{0, 1, 63, 64, 65, 1000, 1 << 16} {
		p := random(uint64(n), n)
		d := e.New()
		d.Write(p[:n/3])
		d.Write(p[n/3:])
		check(t, fmt.Sprint(n, " bytes"), d, p)
	}
	if _, err := New("fastest", 1); err == nil {
		t.Error("an unknown kernel was taken")
	}
}

// TestTwins: the kernel of two streams, from states in mid-stream, at odd addresses.
func TestTwins(t *testing.T) {
	e := engine(t, Fused)
	for blocks := 1; blocks < 20; blocks++ {
		p, q := random(2, 64*(blocks+1)+1)[1:], random(3, 64*(blocks+2)+3)[3:]
		a, b := e.New(), e.New()
		a.Write(p[:64])
		b.Write(q[:128])
		v, w := visit{d: a, p: p[64:]}, visit{d: b, p: q[128:]}
		together(&v, &w)
		a.length, b.length = uint64(len(p)), uint64(len(q))
		check(t, fmt.Sprint("first of ", blocks), a, p)
		check(t, fmt.Sprint("second of ", blocks), b, q)
	}
}

// TestStreamsThatMeet: many at once, of unequal lengths; under the race detector too.
func TestStreamsThatMeet(t *testing.T) {
	e := engine(t, Fused)
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	for round := range rounds {
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(round), uint64(i)))
				p := random(uint64(round*16+i), r.IntN(400<<10))
				d := e.New()
				for rest := p; len(rest) > 0; {
					n := min(len(rest), r.IntN(70<<10)+1)
					d.Write(rest[:n])
					rest = rest[n:]
				}
				check(t, fmt.Sprintf("round %d, stream %d", round, i), d, p)
			})
		}
		wg.Wait()
	}
	if s := e.Stats(); s.Paired == 0 {
		t.Errorf("no two streams met: %+v", s)
	}
	for i := range e.places {
		if e.places[i].waiting != nil {
			t.Error("a visit was left behind")
		}
	}
}

// TestKernelsAreGenerated: blocks_amd64.s is what _asm writes.
func TestKernelsAreGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the generator; the long run does it")
	}
	dir := t.TempDir()
	cmd := exec.Command("go", "run", ".", "-out", filepath.Join(dir, "blocks_amd64.s"), "-stubs", filepath.Join(dir, "blocks_amd64.go"), "-pkg", "hashing")
	cmd.Dir = "_asm"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"blocks_amd64.s", "blocks_amd64.go"} {
		made, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// The first line names the command, and with it the directory.
		_, made, _ = bytes.Cut(made, []byte("\n"))
		_, kept, _ = bytes.Cut(kept, []byte("\n"))
		if !bytes.Equal(made, kept) {
			t.Errorf("%s is not what the generator writes", name)
		}
	}
}

// FuzzDigest: any bytes, cut anywhere, alone and beside a stream that meets it.
func FuzzDigest(f *testing.F) {
	f.Add([]byte("abc"), uint16(1), uint16(2))
	f.Add(random(4, 200), uint16(64), uint16(3*meetBytes))
	f.Fuzz(func(t *testing.T, p []byte, cut, grow uint16) {
		e := engine(t, Fused)
		p = append(bytes.Repeat(p, 1+int(grow)/(len(p)+1)), p...)
		at := min(int(cut), len(p))
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				d := e.New()
				d.Write(p[:at])
				d.Write(p[at : len(p)-i*(len(p)-at)/2])
				check(t, "fuzzed", d, p[:len(p)-i*(len(p)-at)/2])
			})
		}
		wg.Wait()
	})
}

func BenchmarkDigest(b *testing.B) {
	p := random(5, 64<<10)
	for _, k := range []Kernel{Standard, Fused} {
		b.Run(string(k), func(b *testing.B) {
			d := engine(b, k).New()
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				d.Write(p)
			}
		})
		b.Run(string(k)+"/16 streams", func(b *testing.B) {
			e := engine(b, k)
			b.SetBytes(int64(len(p)))
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				d := e.New()
				for pb.Next() {
					d.Write(p)
				}
			})
			s := e.Stats()
			b.ReportMetric(100*float64(s.Paired)/float64(s.Paired+s.Alone), "%paired")
		})
	}
}
