package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// md5AVX2 is MD5 of 8 streams, each in its lanes of 32 bits of the 16 registers of AVX2,
// which leaves SHA-256 none. It has neither functions of three operands nor rotations.
type md5AVX2 struct {
	v     [4]VecPhysical // a, b, c, d
	f, t  VecPhysical
	ones  VecPhysical
	saved Mem // a, b, c, d as they were when the block began
	words Mem // the message, word by word, each of all streams
	k     Mem
	next  int // step, 0 to 63
}

const yBytes = 32

// step is one step of RFC 1321, 3.4: what waits for b, of the step before, comes last.
func (m *md5AVX2) step() {
	i := m.next
	a, b, c, d := m.v[(64-i)%4], m.v[(65-i)%4], m.v[(66-i)%4], m.v[(67-i)%4]
	VPBROADCASTD(m.k.Offset(4*i), m.t)
	VPADDD(m.words.Offset(yBytes*md5Word(i)), m.t, m.t)
	VPADDD(m.t, a, a)
	switch i / 16 {
	case 0: // F = d ^ (b & (c ^ d))
		VPXOR(c, d, m.f)
		VPAND(b, m.f, m.f)
		VPXOR(d, m.f, m.f)
	case 1: // G = (b & d) + (c &^ d)
		VPANDN(c, d, m.f)
		VPADDD(m.f, a, a)
		VPAND(b, d, m.f)
	case 2: // H = b ^ c ^ d
		VPXOR(c, d, m.f)
		VPXOR(b, m.f, m.f)
	case 3: // I = c ^ (b | ^d)
		VPXOR(m.ones, d, m.f)
		VPOR(b, m.f, m.f)
		VPXOR(c, m.f, m.f)
	}
	VPADDD(m.f, a, a)
	left := md5Shift[i/16][i%4]
	VPSLLD(Imm(left), a, m.f)
	VPSRLD(Imm(32-left), a, a)
	VPOR(m.f, a, a)
	VPADDD(b, a, a)
	m.next++
}

// gatherAVX2 loads four words of each stream from where at says, and turns them into a
// vector for each word.
func gatherAVX2(to, scratch [4]VecPhysical, at func(stream int) Mem) {
	for i := range to {
		VMOVDQU(at(i), to[i].AsX())
		VINSERTI128(Imm(1), at(i+4), to[i], to[i])
	}
	transpose(to, scratch)
}

// eightAVX2 is the kernel of MD5 alone of 8 streams.
func eightAVX2(name string) {
	const n = 8
	TEXT(name, attr.Attribute(0), fmt.Sprintf("func(state *[%d]*[12]uint32, p *[%d]*byte, blocks int)", n, n))
	Doc(name + " computes MD5, blocks times 64 bytes of each p[i], into state[i]. blocks is at least 1.")
	Pragma("noescape")
	p, at := vectorStreams[:n], GPPhysical(R10)
	m := md5AVX2{v: [4]VecPhysical{Y0, Y1, Y2, Y3}, f: Y4, t: Y5, ones: Y6, k: md5Table(name + "T"), saved: AllocLocal(4 * yBytes), words: AllocLocal(16 * yBytes)}
	row, scratch := [4]VecPhysical{Y8, Y9, Y10, Y11}, [4]VecPhysical{Y12, Y13, Y14, Y15}
	blocks := AllocLocal(8)
	begin(p, at, blocks)
	stateOf := func(stream int) Mem { state(at, stream); return Mem{Base: at} }
	gatherAVX2(m.v, scratch, stateOf)
	VPCMPEQD(m.ones, m.ones, m.ones)

	Label("loop")
	for i := range 4 {
		gatherAVX2(row, scratch, func(stream int) Mem { return Mem{Base: p[stream], Disp: 16 * i} })
		for j, r := range row {
			VMOVDQU(r, m.words.Offset(yBytes*(4*i+j)))
		}
	}
	for i, r := range m.v {
		VMOVDQU(r, m.saved.Offset(yBytes*i))
	}
	for range 64 {
		m.step()
	}
	for i, r := range m.v {
		VPADDD(m.saved.Offset(yBytes*i), r, r)
	}
	for _, r := range p {
		ADDQ(Imm(64), r)
	}
	DECQ(blocks)
	JNZ(LabelRef("loop"))

	transpose(m.v, scratch)
	for i, r := range m.v {
		VMOVDQU(r.AsX(), stateOf(i))
		VEXTRACTI128(Imm(1), r, stateOf(i+4))
	}
	VZEROALL()
	RET()
}
