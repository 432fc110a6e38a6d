package hashing

import (
	"fmt"
	"slices"
	"sync/atomic"
)

// Kernel names a way to hash.
type Kernel string

const (
	Auto     Kernel = "auto"     // the fastest that the CPU has the instructions for
	Standard Kernel = "standard" // crypto/md5 and crypto/sha256
	Fused    Kernel = "fused"    // SHA-NI beside MD5, one stream or two (amd64 only)
	AVX2     Kernel = "avx2"     // the same, and of more streams MD5 in AVX2 registers, then SHA-256
	AVX512   Kernel = "avx512"   // the same, and of more streams MD5 in AVX-512 registers beside SHA-256
)

// Kernels are those an Engine can be of, the slowest first.
func Kernels() []Kernel { return []Kernel{Standard, Fused, AVX2, AVX512} }

// Engine makes Digests that share a kernel and meet each other.
type Engine struct {
	kernel Kernel // not Auto
	places []meeting
	next   atomic.Uint32 // the place of the next Digest
	stats  counters
}

// New is an engine for a machine of cores cores. An unknown kernel, and one that the
// CPU cannot, is an error.
func New(k Kernel, cores int) (*Engine, error) {
	e := &Engine{kernel: k, places: make([]meeting, max(1, cores/coresPerPlace))}
	switch {
	case k == Auto:
		e.kernel = best()
	case k == Fused && !fusedHere:
		return nil, fmt.Errorf("cannot hash with the kernel %q: this CPU lacks its instructions (SHA, SSE4.1)", k)
	case k == AVX2 && !avx2Here, k == AVX512 && !avx512Here:
		return nil, fmt.Errorf("cannot hash with the kernel %q: this CPU or its system lacks its instructions (SHA, AVX2, and of the other AVX-512 F and VL)", k)
	case slices.Contains(Kernels(), k):
	default:
		return nil, fmt.Errorf("cannot hash with the kernel %q: it is %s or one of %s", k, Auto, Kernels())
	}
	return e, nil
}

// best is what Auto stands for here.
func best() Kernel {
	switch {
	case avx512Here:
		return AVX512
	case avx2Here:
		return AVX2
	case fusedHere:
		return Fused
	}
	return Standard
}

// Kernel is the kernel in use: never Auto.
func (e *Engine) Kernel() Kernel { return e.kernel }

// most is how many streams of a kind are hashed at once.
func (e *Engine) most(k kind) int {
	if k != onlySHA256 && e.kernel != Fused {
		return maxLanes
	}
	return 2
}

// least is below how many streams of a kind pairs cost no more than all at once.
func (e *Engine) least(k kind) int {
	if k == both && e.kernel == AVX2 {
		return minTwice
	}
	return 0
}

// Stats counts bytes since New.
type Stats struct {
	Alone   uint64 // hashed as a single stream
	Paired  uint64 // hashed beside one other stream
	Grouped uint64 // hashed beside two other streams or more
}

type counters struct{ alone, paired, grouped atomic.Uint64 }

// count counts bytes that were hashed in all of n streams.
func (c *counters) count(n int, bytes uint64) {
	switch n {
	case 1:
		c.alone.Add(bytes)
	case 2:
		c.paired.Add(bytes)
	default:
		c.grouped.Add(bytes)
	}
}

// Stats may be called at any time.
func (e *Engine) Stats() Stats {
	return Stats{Alone: e.stats.alone.Load(), Paired: e.stats.paired.Load(), Grouped: e.stats.grouped.Load()}
}
