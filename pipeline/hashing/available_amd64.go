//go:build !purego

package hashing

import "github.com/klauspost/cpuid/v2"

// available: the CPU has what blocks_amd64.s says its kernels require.
var available = cpuid.CPU.Supports(cpuid.SHA, cpuid.SSE2, cpuid.SSSE3, cpuid.SSE4)
