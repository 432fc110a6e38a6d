package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// md5T is RFC 1321's table T, md5Shift the shifts of its four rounds.
var (
	md5T     [64]uint32
	md5Shift = [4][4]uint64{{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}}
)

func init() {
	for i := range md5T {
		md5T[i] = uint32(math.Floor(math.Abs(math.Sin(float64(i+1))) * (1 << 32)))
	}
}

// md5Word is the index of the message word that step i takes.
func md5Word(i int) int {
	switch i / 16 {
	case 0:
		return i
	case 1:
		return (5*i + 1) % 16
	case 2:
		return (3*i + 5) % 16
	}
	return 7 * i % 16
}

// sha256K lays down the constants of FIPS 180-4, 4.2.2: of the first 64 primes the
// first 32 bits of the fractional part of the cube root.
func sha256K(name string) Mem {
	table := GLOBL(name, 8|16) // RODATA|NOPTR
	n := 0
	for p := 2; n < 64; p++ {
		if prime(p) {
			_, fraction := math.Modf(math.Cbrt(float64(p)))
			DATA(4*n, U32(fraction*(1<<32)))
			n++
		}
	}
	return table
}

// bigEndian lays down the shuffle that turns the bytes of each 32-bit word.
func bigEndian(name string) Mem {
	table := GLOBL(name, 8|16)
	DATA(0, U64(0x0405060700010203))
	DATA(8, U64(0x0c0d0e0f08090a0b))
	return table
}

func prime(p int) bool {
	for q := 2; q*q <= p; q++ {
		if p%q == 0 {
			return false
		}
	}
	return true
}

// md5Table lays down T.
func md5Table(name string) Mem {
	table := GLOBL(name, 8|16)
	for i, t := range md5T {
		DATA(4*i, U32(t))
	}
	return table
}
