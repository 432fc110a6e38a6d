package pipeline

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

// The benchmarks seal with the real AEADs at the real segment size, so that
// what the pipeline adds shows. The nonce is a counter, as the format's is.
const (
	realSegment = 64 << 10
	realTag     = 16
	realSlot    = realSegment + realTag
)

type aead struct{ cipher.AEAD }

func (a aead) nonce(i int64) []byte {
	n := make([]byte, a.NonceSize())
	for k := range 8 {
		n[k] = byte(i >> (8 * k))
	}
	return n
}

func (a aead) SealInPlace(slots []byte, plain int, first int64) int {
	sealed := 0
	nonce := a.nonce(first)
	for i := 0; i == 0 || plain > 0; i++ {
		n := min(plain, realSegment)
		seg := slots[i*realSlot:][:n]
		nonce[0]++
		a.Seal(seg[:0], nonce, seg, nil)
		sealed += n + realTag
		plain -= n
	}
	return sealed
}

func (a aead) OpenInPlace(sealed []byte, first int64) error {
	nonce := a.nonce(first)
	for len(sealed) > 0 {
		n := min(len(sealed), realSlot)
		nonce[0]++
		if _, err := a.Open(sealed[:0], nonce, sealed[:n], nil); err != nil {
			return err
		}
		sealed = sealed[n:]
	}
	return nil
}

var suites = []struct {
	name string
	make func() aead
}{
	{"XChaCha20-Poly1305", func() aead { a, _ := chacha20poly1305.NewX(make([]byte, 32)); return aead{a} }},
	{"AES-256-GCM", func() aead {
		b, _ := aes.NewCipher(make([]byte, 32))
		g, _ := cipher.NewGCM(b)
		return aead{g}
	}},
}

// free is a source that costs nothing: it leaves the buffer as it is.
type free struct{ left int64 }

func (f *free) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), f.left)
	f.left -= n
	return int(n), nil
}

// realEngine has the product's segments; batchBytes 0 is this CPU's choice.
func realEngine(tb testing.TB, workers, batchBytes int) *Engine {
	tb.Helper()
	e, err := New(Config{SegmentBytes: realSegment, TagBytes: realTag, Workers: workers, BatchBytes: batchBytes, Budget: 1 << 30})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.Close)
	return e
}

const benchStream = 64 << 20

// BenchmarkRaw is the bare AEAD on one core, 64 KiB at a time: the bound.
func BenchmarkRaw(b *testing.B) {
	for _, s := range suites {
		b.Run(s.name+"/64KiB", func(b *testing.B) {
			a, buf := s.make(), make([]byte, realSlot)
			b.SetBytes(benchStream)
			for b.Loop() {
				nonce := a.nonce(0)
				for range benchStream / realSegment {
					nonce[0]++
					a.Seal(buf[:0], nonce, buf[:realSegment], nil)
				}
			}
		})
	}
}

// BenchmarkRawParallel is the same on every core at once: what the machine gives
// a pipeline that loses nothing. On shared or hyper-threaded cores it is less
// than cores times BenchmarkRaw.
func BenchmarkRawParallel(b *testing.B) {
	for _, s := range suites {
		b.Run(s.name+"/64KiB", func(b *testing.B) {
			b.SetBytes(realSegment)
			b.RunParallel(func(pb *testing.PB) {
				a, buf := s.make(), make([]byte, realSlot)
				nonce := a.nonce(0)
				for pb.Next() {
					nonce[0]++
					a.Seal(buf[:0], nonce, buf[:realSegment], nil)
				}
			})
		})
	}
}

// BenchmarkSeal is one stream of 64 MiB on 1, 2 and 4 workers.
func BenchmarkSeal(b *testing.B) {
	for _, s := range suites {
		for _, workers := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("%s/workers=%d/64MiB", s.name, workers), func(b *testing.B) {
				e, a := realEngine(b, workers, 0), s.make()
				b.SetBytes(benchStream)
				b.ReportAllocs()
				for b.Loop() {
					if err := e.Seal(context.Background(), &free{benchStream}, benchStream, a, release); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkSealParallel is as many 4 MiB streams as there are cores.
func BenchmarkSealParallel(b *testing.B) {
	for _, s := range suites {
		b.Run(s.name+"/4MiB", func(b *testing.B) {
			e, a := realEngine(b, 0, 0), s.make()
			b.SetBytes(4 << 20)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := e.Seal(context.Background(), &free{4 << 20}, 4<<20, a, release); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkOpen is one stream of 64 MiB. The source is one sealed batch given
// again and again, copied as a socket would.
func BenchmarkOpen(b *testing.B) {
	for _, s := range suites {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/workers=%d/64MiB", s.name, workers), func(b *testing.B) {
				e, a := realEngine(b, workers, 0), s.make()
				segments := e.segments
				batch := make([]byte, segments*realSlot)
				a.SealInPlace(batch, segments*realSegment, 0)
				streams := benchStream / (segments * realSegment)
				b.SetBytes(int64(streams * segments * realSegment))
				b.ReportAllocs()
				for b.Loop() {
					src := &again{batch: batch}
					if err := e.Open(context.Background(), src, int64(streams*len(batch)), 0, fixed{a}, release); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// fixed opens every batch as the first.
type fixed struct{ a aead }

func (f fixed) OpenInPlace(sealed []byte, _ int64) error { return f.a.OpenInPlace(sealed, 0) }

type again struct {
	batch []byte
	at    int
}

func (a *again) Read(p []byte) (int, error) {
	n := copy(p, a.batch[a.at:])
	a.at = (a.at + n) % len(a.batch)
	return n, nil
}
