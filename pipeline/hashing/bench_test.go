package hashing

import (
	"fmt"
	"testing"
)

// BenchmarkDigest: one body, and 16 at once on all cores.
func BenchmarkDigest(b *testing.B) { benchmark(b, MD5|SHA256, Kernels()) }

// BenchmarkSHA256: the same without MD5; all but Standard are one.
func BenchmarkSHA256(b *testing.B) { benchmark(b, SHA256, []Kernel{Standard, Fused}) }

// BenchmarkMD5: the same without SHA-256.
func BenchmarkMD5(b *testing.B) { benchmark(b, MD5, Kernels()) }

func benchmark(b *testing.B, want Sums, kernels []Kernel) {
	p := random(5, 64<<10)
	for _, k := range kernels {
		b.Run(string(k), func(b *testing.B) {
			d := engine(b, k).New(want)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				d.Write(p)
			}
		})
		b.Run(string(k)+"/16 streams", func(b *testing.B) {
			e := engine(b, k)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				d := e.New(want)
				for pb.Next() {
					d.Write(p)
				}
			})
			s := e.Stats()
			all := float64(s.Alone + s.Paired + s.Grouped)
			b.ReportMetric(100*float64(s.Paired)/all, "%paired")
			b.ReportMetric(100*float64(s.Grouped)/all, "%grouped")
		})
	}
}

// BenchmarkGroup: the kernels of so many streams, without their meeting. Pairs are the
// same to every kernel.
func BenchmarkGroup(b *testing.B) {
	p := random(5, 64<<10)
	for _, c := range []struct {
		kernel Kernel
		n      int
	}{{Fused, 2}, {AVX2, 6}, {AVX2, 8}, {AVX512, 3}, {AVX512, 4}, {AVX512, 6}, {AVX512, 8}} {
		b.Run(fmt.Sprintf("%s/%d", c.kernel, c.n), func(b *testing.B) {
			e := engine(b, c.kernel)
			var g group
			for range c.n {
				g.add(&visit{d: e.New(MD5 | SHA256)})
			}
			b.SetBytes(int64(c.n * len(p)))
			b.ReportAllocs()
			for b.Loop() {
				for _, v := range g.visits[:c.n] {
					v.p = p
				}
				g.hash()
			}
		})
	}
}
