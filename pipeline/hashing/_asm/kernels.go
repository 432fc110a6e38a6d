package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// MD5's steps depend each on the one before, which leaves most of a core idle;
// SHA-256 by its own instructions uses none of the units that MD5 needs. Four steps of
// the one beside four rounds of the other cost what MD5 costs alone, and a second
// stream's four and four cost little more.

func single() {
	TEXT("hashOne", NOSPLIT, "func(md5 *[4]uint32, sha *[8]uint32, p *byte, blocks int)")
	Doc("hashOne hashes blocks times 64 bytes at p into both states. blocks is at least 1.")
	Pragma("noescape")
	l := lane{p: RSI, v: [4]GPPhysical{EAX, EBX, ECX, EDX}, t: [2]GPPhysical{R8L, R9L},
		abef: X1, cdgh: X2, msg: [4]VecPhysical{X3, X4, X5, X6}, tmp: X7}
	blocks, at, flip := R10, R11, X8
	saved := AllocLocal(48)
	k := sha256K("oneK")
	MOVOU(bigEndian("oneFlip"), flip)
	md5, sha := func() { Load(Param("md5"), at) }, func() { Load(Param("sha"), at) }
	l.load(at, md5, sha)
	Load(Param("p"), l.p)
	Load(Param("blocks"), blocks)

	Label("loop")
	l.keep(saved)
	for i := range 16 {
		l.sha256(i, k, X0, flip, func() { l.md5(); l.md5() })
	}
	l.add(saved)
	DECQ(blocks)
	JNZ(LabelRef("loop"))

	l.store(at, md5, sha)
	RET()
}

func twins() {
	TEXT("hashTwo", NOSPLIT, "func(md5 *[2]*[4]uint32, sha *[2]*[8]uint32, p *[2]*byte, blocks int)")
	Doc("hashTwo hashes blocks times 64 bytes of each p[i] into md5[i] and sha[i]. blocks is at least 1.")
	Pragma("noescape")
	lanes := [2]lane{
		{p: RSI, v: [4]GPPhysical{EAX, EBX, ECX, EDX}, t: [2]GPPhysical{R12L, R13L},
			abef: X1, cdgh: X2, msg: [4]VecPhysical{X3, X4, X5, X6}, tmp: X7},
		{p: RDI, v: [4]GPPhysical{R8L, R9L, R10L, R11L}, t: [2]GPPhysical{R14L, R15L},
			abef: X8, cdgh: X9, msg: [4]VecPhysical{X10, X11, X12, X13}, tmp: X14},
	}
	at, flip := R12, X15
	saved, blocks := AllocLocal(96), AllocLocal(8)
	k := sha256K("twoK")
	MOVOU(bigEndian("twoFlip"), flip)
	of := func(name string, i int) func() {
		return func() {
			Load(Param(name), at)
			MOVQ(Mem{Base: at, Disp: 8 * i}, at)
		}
	}
	Load(Param("blocks"), at)
	MOVQ(at, blocks)
	for i := range lanes {
		of("p", i)()
		MOVQ(at, lanes[i].p)
	}
	for i := range lanes {
		lanes[i].load(at, of("md5", i), of("sha", i))
	}

	Label("loop")
	for i := range lanes {
		lanes[i].keep(saved.Offset(48 * i))
	}
	for i := range 16 {
		for j := range lanes {
			lanes[j].sha256(i, k, X0, flip, func() { lanes[0].md5(); lanes[1].md5() })
		}
	}
	for i := range lanes {
		lanes[i].add(saved.Offset(48 * i))
	}
	DECQ(blocks)
	JNZ(LabelRef("loop"))

	for i := range lanes {
		lanes[i].store(at, of("md5", i), of("sha", i))
	}
	RET()
}
