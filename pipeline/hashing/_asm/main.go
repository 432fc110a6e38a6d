// Command _asm writes the kernels of package hashing:
//
//	go run . -out ../blocks_amd64.s -stubs ../blocks_amd64.go -pkg hashing
//
// It is a module of its own, so that the product does not depend on its generator.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	ConstraintExpr("!purego")
	one("hashOne", "computes MD5 and SHA-256", true)
	two("hashTwo", "computes MD5 and SHA-256", true)
	for i, name := range []string{"hashThree", "hashFour", "hashFive", "hashSix", "hashSeven", "hashEight"} {
		many(name, 3+i)
	}
	manyMD5("md5Four", 4)
	manyMD5("md5Eight", 8)
	eightAVX2("md5EightAVX2")
	one("sha256One", "computes SHA-256", false)
	two("sha256Two", "computes SHA-256", false)
	Generate()
}
