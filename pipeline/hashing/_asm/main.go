// Command _asm writes the kernels of package hashing:
//
//	go run . -out ../blocks_amd64.s -stubs ../blocks_amd64.go -pkg hashing
//
// It is a module of its own, so that the product does not depend on its generator.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	ConstraintExpr("!purego")
	single()
	twins()
	Generate()
}
