//go:build !purego

package hashing

import "github.com/klauspost/cpuid/v2"

// fusedHere and lanesHere: the CPU has what blocks_amd64.s says its kernels require of
// one and two streams, and of more. AVX-512 is also the system's matter, which must save
// the wide registers: cpuid asks it (XGETBV).
var (
	fusedHere = cpuid.CPU.Supports(cpuid.SHA, cpuid.SSE2, cpuid.SSSE3, cpuid.SSE4, cpuid.BMI1)
	lanesHere = fusedHere && cpuid.CPU.Supports(cpuid.AVX, cpuid.AVX2, cpuid.AVX512F, cpuid.AVX512VL)
)
