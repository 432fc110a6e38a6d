package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// lane is one stream in a kernel: the registers that hold its two states, and how
// far it is in the block.
type lane struct {
	p          GPPhysical    // the block
	v          [4]GPPhysical // MD5's a, b, c, d
	t          [2]GPPhysical
	abef, cdgh VecPhysical // SHA-256's state as its instructions want it
	msg        [4]VecPhysical
	tmp        VecPhysical
	step       int // of MD5, 0 to 63
}

// load takes both states from memory. at is clobbered.
func (l *lane) load(at GPPhysical, md5, sha func()) {
	sha()
	MOVOU(Mem{Base: at}, l.tmp)
	MOVOU(Mem{Base: at, Disp: 16}, l.cdgh)
	PSHUFD(Imm(0xb1), l.tmp, l.tmp)
	PSHUFD(Imm(0x1b), l.cdgh, l.cdgh)
	MOVO(l.tmp, l.abef)
	PALIGNR(Imm(8), l.cdgh, l.abef)
	PBLENDW(Imm(0xf0), l.tmp, l.cdgh)
	md5()
	for i := range l.v {
		MOVL(Mem{Base: at, Disp: 4 * i}, l.v[i])
	}
}

// store is the reverse of load.
func (l *lane) store(at GPPhysical, md5, sha func()) {
	md5()
	for i := range l.v {
		MOVL(l.v[i], Mem{Base: at, Disp: 4 * i})
	}
	sha()
	PSHUFD(Imm(0x1b), l.abef, l.tmp)
	PSHUFD(Imm(0xb1), l.cdgh, l.cdgh)
	MOVO(l.tmp, l.abef)
	PBLENDW(Imm(0xf0), l.cdgh, l.abef)
	PALIGNR(Imm(8), l.tmp, l.cdgh)
	MOVOU(l.abef, Mem{Base: at})
	MOVOU(l.cdgh, Mem{Base: at, Disp: 16})
}

// keep saves the state that a block begins with, add adds it at the block's end.
func (l *lane) keep(saved Mem) {
	for i := range l.v {
		MOVL(l.v[i], saved.Offset(4*i))
	}
	MOVOU(l.abef, saved.Offset(16))
	MOVOU(l.cdgh, saved.Offset(32))
}

func (l *lane) add(saved Mem) {
	for i := range l.v {
		ADDL(saved.Offset(4*i), l.v[i])
	}
	MOVOU(saved.Offset(16), l.tmp)
	PADDD(l.tmp, l.abef)
	MOVOU(saved.Offset(32), l.tmp)
	PADDD(l.tmp, l.cdgh)
	ADDQ(Imm(64), l.p)
	l.step = 0
}

// md5 is one step of RFC 1321, 3.4.
func (l *lane) md5() {
	i := l.step
	a, b, c, d := l.v[(64-i)%4], l.v[(65-i)%4], l.v[(66-i)%4], l.v[(67-i)%4]
	t, u := l.t[0], l.t[1]
	ADDL(Mem{Base: l.p, Disp: 4 * md5Word(i)}, a)
	ADDL(I32(int32(md5T[i])), a)
	switch i / 16 {
	case 0: // F = d ^ (b & (c ^ d))
		MOVL(c, t)
		XORL(d, t)
		ANDL(b, t)
		XORL(d, t)
	case 1: // G = (b & d) + (c &^ d): no bit is in both, and the second waits for no b
		MOVL(d, t)
		MOVL(d, u)
		NOTL(u)
		ANDL(c, u)
		ADDL(u, a)
		ANDL(b, t)
	case 2: // H = b ^ c ^ d
		MOVL(c, t)
		XORL(d, t)
		XORL(b, t)
	case 3: // I = c ^ (b | ^d)
		MOVL(d, t)
		NOTL(t)
		ORL(b, t)
		XORL(c, t)
	}
	ADDL(t, a)
	ROLL(Imm(md5Shift[i/16][i%4]), a)
	ADDL(b, a)
	l.step++
}

// sha256 is rounds 4i to 4i+3 of FIPS 180-4, 6.2.2, with what they do for the message
// schedule. beside is called where a dependent chain leaves room.
func (l *lane) sha256(i int, k Mem, wk, flip VecPhysical, beside func()) {
	cur, prev, next := l.msg[i%4], l.msg[(i+3)%4], l.msg[(i+1)%4]
	if i < 4 {
		MOVOU(Mem{Base: l.p, Disp: 16 * i}, cur)
		PSHUFB(flip, cur)
	}
	beside()
	MOVOU(k.Offset(16*i), wk)
	PADDD(cur, wk)
	SHA256RNDS2(wk, l.abef, l.cdgh)
	PSHUFD(Imm(0x0e), wk, wk)
	beside()
	SHA256RNDS2(wk, l.cdgh, l.abef)
	if i >= 3 && i <= 14 {
		MOVO(cur, l.tmp)
		PALIGNR(Imm(4), prev, l.tmp)
		PADDD(l.tmp, next)
		SHA256MSG2(cur, next)
	}
	if i >= 1 && i <= 12 {
		SHA256MSG1(cur, prev)
	}
}
