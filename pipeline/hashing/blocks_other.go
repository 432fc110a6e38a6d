//go:build !amd64 || purego

package hashing

const available = false

func hashOne(*[4]uint32, *[8]uint32, *byte, int) { panic("BUG: no fused kernel here") }

func hashTwo(*[2]*[4]uint32, *[2]*[8]uint32, *[2]*byte, int) { panic("BUG: no fused kernel here") }
