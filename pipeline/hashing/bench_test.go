package hashing

import (
	"fmt"
	"testing"
)

// BenchmarkDigest: one body, and 16 at once on all cores.
func BenchmarkDigest(b *testing.B) { benchmark(b, MD5|SHA256) }

// BenchmarkSHA256: the same without MD5.
func BenchmarkSHA256(b *testing.B) { benchmark(b, SHA256) }

// BenchmarkMD5: the same without SHA-256.
func BenchmarkMD5(b *testing.B) { benchmark(b, MD5) }

func benchmark(b *testing.B, want Sums) {
	p := random(5, 64<<10)
	for _, k := range Kernels() {
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

// BenchmarkGroup: the kernel of so many streams, without their meeting.
func BenchmarkGroup(b *testing.B) {
	p := random(5, 64<<10)
	for _, k := range Kernels()[1:] {
		for n := 2; n <= maxLanes; n++ {
			b.Run(fmt.Sprintf("%s/%d", k, n), func(b *testing.B) {
				e := engine(b, k)
				if n > e.most(both) {
					b.Skip("this kernel takes fewer")
				}
				var g group
				for i := range n {
					g.visits[i], g.n = &visit{d: e.New(MD5 | SHA256)}, i+1
				}
				b.SetBytes(int64(n * len(p)))
				b.ReportAllocs()
				for b.Loop() {
					for _, v := range g.visits[:n] {
						v.p = p
					}
					g.hash()
				}
			})
		}
	}
}
