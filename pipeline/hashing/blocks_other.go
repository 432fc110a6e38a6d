//go:build !amd64 || purego

package hashing

const (
	fusedHere  = false
	avx2Here   = false
	avx512Here = false
)

const noKernel = "BUG: no kernel of its own here"

func hashOne(*[12]uint32, *byte, int) { panic(noKernel) }

func hashTwo(*[2]*[12]uint32, *[2]*byte, int) { panic(noKernel) }

func hashThree(*[3]*[12]uint32, *[3]*byte, int) { panic(noKernel) }

func hashFour(*[4]*[12]uint32, *[4]*byte, int) { panic(noKernel) }

func hashFive(*[5]*[12]uint32, *[5]*byte, int) { panic(noKernel) }

func hashSix(*[6]*[12]uint32, *[6]*byte, int) { panic(noKernel) }

func hashSeven(*[7]*[12]uint32, *[7]*byte, int) { panic(noKernel) }

func hashEight(*[8]*[12]uint32, *[8]*byte, int) { panic(noKernel) }

func md5Four(*[4]*[12]uint32, *[4]*byte, int) { panic(noKernel) }

func md5Eight(*[8]*[12]uint32, *[8]*byte, int) { panic(noKernel) }

func md5EightAVX2(*[8]*[12]uint32, *[8]*byte, int) { panic(noKernel) }

func sha256One(*[12]uint32, *byte, int) { panic(noKernel) }

func sha256Two(*[2]*[12]uint32, *[2]*byte, int) { panic(noKernel) }
