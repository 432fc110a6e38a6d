package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// md5Vector is MD5 of 3 to 8 streams, each in its lanes of 32 bits of vector registers.
// It uses the registers from 16 on, which only AVX-512 can name, and so leaves SHA-256
// its own.
type md5Vector struct {
	v       [4]VecPhysical // a, b, c, d
	saved   [4]VecPhysical // as they were when the block began
	f, t    VecPhysical
	row     [4]VecPhysical
	scratch [4]VecPhysical
	p       []GPPhysical // the blocks, of 3 to 8 streams
	words   Mem          // the message, word by word, each of all streams
	k       Mem
	next    int // step, 0 to 63
}

// md5Lanes is the vector of as many streams as there are in p.
func md5Lanes(p []GPPhysical, words, k Mem) *md5Vector {
	r := []VecPhysical{X16, X17, X18, X19, X20, X21, X22, X23, X24, X25, X26, X27, X28, X29, X30, X31}
	if len(p) > 4 {
		r = []VecPhysical{Y16, Y17, Y18, Y19, Y20, Y21, Y22, Y23, Y24, Y25, Y26, Y27, Y28, Y29, Y30, Y31}
	}
	take := func(i int) [4]VecPhysical { return [4]VecPhysical(r[i : i+4]) }
	return &md5Vector{v: take(0), saved: take(4), row: take(8), scratch: take(12), f: r[8], t: r[9], p: p, words: words, k: k}
}

// wide: the registers are of 8 lanes.
func (m *md5Vector) wide() bool { return len(m.p) > 4 }

// width is the bytes of one word of all lanes.
func (m *md5Vector) width() int {
	if m.wide() {
		return 32
	}
	return 16
}

// low is the lower half of a register.
func low(v VecPhysical) VecPhysical { return v.AsX().(VecPhysical) }

// gather loads four words of each stream from where at says, and turns them into a
// vector for each word. Lanes without a stream get the first one's.
func (m *md5Vector) gather(to [4]VecPhysical, at func(stream int) Mem) {
	of := func(lane int) Mem {
		if lane < len(m.p) {
			return at(lane)
		}
		return at(0)
	}
	for i := range 4 {
		VMOVDQU32(of(i), low(to[i]))
		if m.wide() {
			VINSERTI32X4(Imm(1), of(i+4), to[i], to[i])
		}
	}
	transpose(to, m.scratch)
}

// scatter is the reverse.
func (m *md5Vector) scatter(from [4]VecPhysical, at func(stream int) Mem) {
	transpose(from, m.scratch)
	for i := range 4 {
		if i < len(m.p) {
			VMOVDQU32(low(from[i]), at(i))
		}
		if i+4 < len(m.p) {
			VEXTRACTI32X4(Imm(1), from[i], at(i+4))
		}
	}
}

// transpose turns rows of four words into columns, in each 128 bits.
func transpose(r, t [4]VecPhysical) {
	VPUNPCKLDQ(r[1], r[0], t[0])
	VPUNPCKHDQ(r[1], r[0], t[1])
	VPUNPCKLDQ(r[3], r[2], t[2])
	VPUNPCKHDQ(r[3], r[2], t[3])
	VPUNPCKLQDQ(t[2], t[0], r[0])
	VPUNPCKHQDQ(t[2], t[0], r[1])
	VPUNPCKLQDQ(t[3], t[1], r[2])
	VPUNPCKHQDQ(t[3], t[1], r[3])
}

// begin lays the message of a block out, and keeps the state.
func (m *md5Vector) begin() {
	for i := range 4 {
		m.gather(m.row, func(stream int) Mem { return Mem{Base: m.p[stream], Disp: 16 * i} })
		for j, r := range m.row {
			VMOVDQU32(r, m.words.Offset(m.width()*(4*i+j)))
		}
	}
	for i := range m.v {
		VMOVDQA32(m.v[i], m.saved[i])
	}
	m.next = 0
}

// end adds the state that the block began with, and goes to the next.
func (m *md5Vector) end() {
	for i := range m.v {
		VPADDD(m.saved[i], m.v[i], m.v[i])
	}
	for _, p := range m.p {
		ADDQ(Imm(64), p)
	}
}

// clear leaves nothing of the streams in the registers, which also are the part of the
// state of a thread that the system need not save while it is zero.
func (m *md5Vector) clear() {
	for _, four := range [][4]VecPhysical{m.v, m.saved, m.row, m.scratch} {
		for _, r := range four {
			VPXORD(low(r), low(r), low(r))
		}
	}
}

// md5Round are the functions F, G, H and I.
var md5Round = [4]func(b, c, d bool) bool{
	func(b, c, d bool) bool { return b && c || !b && d },
	func(b, c, d bool) bool { return b && d || c && !d },
	func(b, c, d bool) bool { return b != c != d },
	func(b, c, d bool) bool { return c != (b || !d) },
}

// ternary is f as VPTERNLOGD's table: b in the destination, then c, then d.
func ternary(f func(b, c, d bool) bool) U8 {
	var table U8
	for i := range 8 {
		if f(i&4 != 0, i&2 != 0, i&1 != 0) {
			table |= 1 << i
		}
	}
	return table
}

// step is one step of RFC 1321, 3.4. b comes last from the step before: as the
// destination of VPTERNLOGD it comes a cycle sooner than as another operand (Zen 4).
func (m *md5Vector) step() {
	i := m.next
	a, b, c, d := m.v[(64-i)%4], m.v[(65-i)%4], m.v[(66-i)%4], m.v[(67-i)%4]
	VMOVDQU32(m.words.Offset(m.width()*md5Word(i)), m.t)
	VPADDD_BCST(m.k.Offset(4*i), m.t, m.t)
	VPADDD(m.t, a, a)
	VMOVDQA32(b, m.f)
	VPTERNLOGD(ternary(md5Round[i/16]), d, c, m.f)
	VPADDD(m.f, a, a)
	VPROLD(Imm(md5Shift[i/16][i%4]), a, a)
	VPADDD(b, a, a)
	m.next++
}
