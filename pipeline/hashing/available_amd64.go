//go:build !purego

package hashing

import "github.com/klauspost/cpuid/v2"

// The CPU has what blocks_amd64.s says that each kernel requires. Wide registers are also
// the system's matter, which must save them: cpuid asks it (XGETBV).
var (
	fusedHere  = cpuid.CPU.Supports(cpuid.SHA, cpuid.SSE2, cpuid.SSSE3, cpuid.SSE4)
	avx2Here   = fusedHere && cpuid.CPU.Supports(cpuid.AVX, cpuid.AVX2)
	avx512Here = avx2Here && cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512VL)
)
