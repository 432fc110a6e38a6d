package hashing

import (
	"fmt"
	"sync/atomic"
)

// Kernel names a way to hash.
type Kernel string

const (
	Auto     Kernel = "auto"     // Fused where the CPU has the instructions
	Standard Kernel = "standard" // crypto/md5 and crypto/sha256
	Fused    Kernel = "fused"    // SHA-NI beside MD5 (amd64 only)
)

// Engine makes Digests that share a kernel and meet each other.
type Engine struct {
	fused  bool
	places []place
	next   atomic.Uint32 // the place of the next Digest
	stats  counters
}

// New is an engine for a machine of cores cores. An unknown kernel, and Fused where
// the CPU cannot, is an error.
func New(k Kernel, cores int) (*Engine, error) {
	e := &Engine{places: make([]place, max(1, cores/coresPerPlace))}
	switch k {
	case Auto:
		e.fused = available
	case Standard:
	case Fused:
		if !available {
			return nil, fmt.Errorf("cannot hash with the kernel %q: this CPU lacks its instructions (SHA, SSE4.1)", k)
		}
		e.fused = true
	default:
		return nil, fmt.Errorf("cannot hash with the kernel %q: it is %s, %s or %s", k, Auto, Standard, Fused)
	}
	return e, nil
}

// Kernel is the kernel in use: Standard or Fused.
func (e *Engine) Kernel() Kernel {
	if e.fused {
		return Fused
	}
	return Standard
}

// Stats counts bytes since New.
type Stats struct {
	Alone  uint64 // hashed as a single stream
	Paired uint64 // hashed beside another stream
}

type counters struct{ alone, paired atomic.Uint64 }

// Stats may be called at any time.
func (e *Engine) Stats() Stats {
	return Stats{Alone: e.stats.alone.Load(), Paired: e.stats.paired.Load()}
}
