package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// MD5's steps depend each on the one before, which leaves most of a core idle;
// SHA-256 by its own instructions uses none of the units that MD5 needs. Four steps of
// the one beside four rounds of the other cost what MD5 costs alone, and a second
// stream's four and four cost little more. SHA-256 alone waits for itself, too: two
// streams cost what one costs.

// stateDisp is where SHA-256's words begin in a state; MD5's are before them.
const stateDisp = md5Bytes

// nothing is what runs beside SHA-256 alone.
func nothing() {}

// one is the kernel of one stream, with MD5 or without.
func one(name, doc string, md5 bool) {
	TEXT(name, NOSPLIT, "func(state *[12]uint32, p *byte, blocks int)")
	Doc(name + " " + doc + ", blocks times 64 bytes at p, into state. blocks is at least 1.")
	Pragma("noescape")
	p, blocks, at := GPPhysical(RSI), R10, R11
	l := shaLanes([]GPPhysical{p})[0]
	m := md5Lane{p: p, v: [4]GPPhysical{EAX, EBX, ECX, EDX}, t: [2]GPPhysical{R8L, R9L}}
	saved := AllocLocal(shaBytes + md5Bytes)
	k, flip := sha256K(name+"K"), X15
	MOVOU(bigEndian(name+"Flip"), flip)
	Load(Param("state"), at)
	l.load(Mem{Base: at, Disp: stateDisp})
	beside := nothing
	if md5 {
		m.load(Mem{Base: at})
		beside = func() { m.step(); m.step() }
	}
	Load(Param("p"), p)
	Load(Param("blocks"), blocks)

	Label("loop")
	l.keep(saved)
	if md5 {
		m.store(saved.Offset(shaBytes))
	}
	for i := range 16 {
		l.rounds(i, k, flip, beside)
	}
	l.add(saved)
	if md5 {
		m.add(saved.Offset(shaBytes))
	}
	ADDQ(Imm(64), p)
	DECQ(blocks)
	JNZ(LabelRef("loop"))

	Load(Param("state"), at)
	l.store(Mem{Base: at, Disp: stateDisp})
	if md5 {
		m.store(Mem{Base: at})
	}
	RET()
}

// two is the kernel of two streams, with MD5 or without.
func two(name, doc string, md5 bool) {
	TEXT(name, NOSPLIT, "func(state *[2]*[12]uint32, p *[2]*byte, blocks int)")
	Doc(name + " " + doc + ", blocks times 64 bytes of each p[i], into state[i]. blocks is at least 1.")
	Pragma("noescape")
	p, at := []GPPhysical{RSI, RDI}, GPPhysical(R12)
	lanes := shaLanes(p)
	m := [2]md5Lane{
		{p: p[0], v: [4]GPPhysical{EAX, EBX, ECX, EDX}, t: [2]GPPhysical{R12L, R13L}},
		{p: p[1], v: [4]GPPhysical{R8L, R9L, R10L, R11L}, t: [2]GPPhysical{R14L, R15L}},
	}
	saved, blocks := AllocLocal(2*(shaBytes+md5Bytes)), AllocLocal(8)
	savedMD5 := saved.Offset(2 * shaBytes)
	k, flip := sha256K(name+"K"), X15
	MOVOU(bigEndian(name+"Flip"), flip)
	begin(p, at, blocks)
	beside := nothing
	if md5 {
		beside = func() { m[0].step(); m[1].step() }
	}
	for i := range lanes {
		state(at, i)
		lanes[i].load(Mem{Base: at, Disp: stateDisp})
		if md5 {
			m[i].load(Mem{Base: at})
		}
	}

	Label("loop")
	for i := range lanes {
		lanes[i].keep(saved.Offset(shaBytes * i))
		if md5 {
			m[i].store(savedMD5.Offset(md5Bytes * i))
		}
	}
	for i := range 16 {
		for j := range lanes {
			lanes[j].rounds(i, k, flip, beside)
		}
	}
	for i := range lanes {
		lanes[i].add(saved.Offset(shaBytes * i))
		if md5 {
			m[i].add(savedMD5.Offset(md5Bytes * i))
		}
		ADDQ(Imm(64), p[i])
	}
	DECQ(blocks)
	JNZ(LabelRef("loop"))

	for i := range lanes {
		state(at, i)
		lanes[i].store(Mem{Base: at, Disp: stateDisp})
		if md5 {
			m[i].store(Mem{Base: at})
		}
	}
	RET()
}

// many is the kernel of 3 to 8 streams: MD5 of all in vectors, and beside it SHA-256 of
// two after two.
func many(name string, n int) {
	TEXT(name, attr.Attribute(0), fmt.Sprintf("func(state *[%d]*[12]uint32, p *[%d]*byte, blocks int)", n, n))
	Doc(name + " computes MD5 and SHA-256, blocks times 64 bytes of each p[i], into state[i]. blocks is at least 1.")
	Pragma("noescape")
	p, at := vectorStreams[:n], GPPhysical(R10)
	m := md5Lanes(p, AllocLocal(16*32), md5Table(name+"T"))
	states, blocks := AllocLocal(shaBytes*n), AllocLocal(8)
	k, flip := sha256K(name+"K"), X15
	MOVOU(bigEndian(name+"Flip"), flip)
	begin(p, at, blocks)
	stateOf := func(stream int) Mem { state(at, stream); return Mem{Base: at} }
	m.gather(m.v, stateOf)
	for i := range n {
		l := shaLanes(p[i : i+1])[0]
		l.load(stateOf(i).Offset(stateDisp))
		l.keep(states.Offset(shaBytes * i))
	}

	Label("loop")
	m.begin()
	calls := 0
	beside := func() { // 32 times for a stream: 64 steps in all
		if calls++; m.next < 64*calls/(32*n) {
			m.step()
		}
	}
	for q := 0; q < n; q += 2 {
		pair := shaLanes(p[q:min(q+2, n)])
		for i := range pair {
			at := states.Offset(shaBytes * (q + i))
			MOVOU(at, pair[i].abef)
			MOVOU(at.Offset(16), pair[i].cdgh)
		}
		for i := range 16 {
			for j := range pair {
				pair[j].rounds(i, k, flip, beside)
			}
		}
		for i := range pair {
			at := states.Offset(shaBytes * (q + i))
			pair[i].add(at)
			pair[i].keep(at)
		}
	}
	m.end()
	DECQ(blocks)
	JNZ(LabelRef("loop"))

	m.scatter(m.v, stateOf)
	m.clear()
	for i := range n {
		l, kept := shaLanes(p[i : i+1])[0], states.Offset(shaBytes*i)
		MOVOU(kept, l.abef)
		MOVOU(kept.Offset(16), l.cdgh)
		l.store(stateOf(i).Offset(stateDisp))
	}
	RET()
}

// manyMD5 is MD5 alone of n streams, 4 or 8.
func manyMD5(name string, n int) {
	TEXT(name, attr.Attribute(0), fmt.Sprintf("func(state *[%d]*[12]uint32, p *[%d]*byte, blocks int)", n, n))
	Doc(name + " computes MD5, blocks times 64 bytes of each p[i], into state[i]. blocks is at least 1.")
	Pragma("noescape")
	p, at := vectorStreams[:n], GPPhysical(R10)
	m := md5Lanes(p, AllocLocal(16*32), md5Table(name+"T"))
	blocks := AllocLocal(8)
	begin(p, at, blocks)
	stateOf := func(stream int) Mem { state(at, stream); return Mem{Base: at} }
	m.gather(m.v, stateOf)

	Label("loop")
	m.begin()
	for range 64 {
		m.step()
	}
	m.end()
	DECQ(blocks)
	JNZ(LabelRef("loop"))

	m.scatter(m.v, stateOf)
	m.clear()
	RET()
}

// vectorStreams hold the addresses of the blocks.
var vectorStreams = []GPPhysical{RSI, RDI, RAX, RBX, RCX, RDX, R8, R9}

// begin loads the pointers to the blocks, and puts the count into memory.
func begin(p []GPPhysical, at GPPhysical, blocks Mem) {
	Load(Param("blocks"), at)
	MOVQ(at, blocks)
	Load(Param("p"), at)
	for i := range p {
		MOVQ(Mem{Base: at, Disp: 8 * i}, p[i])
	}
}

// state makes at the address of a stream's state.
func state(at GPPhysical, i int) {
	Load(Param("state"), at)
	MOVQ(Mem{Base: at, Disp: 8 * i}, at)
}
