package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// shaLane is SHA-256 of one stream by its own instructions.
type shaLane struct {
	p          Register // the block
	abef, cdgh VecPhysical
	msg        [4]VecPhysical
	tmp        VecPhysical
}

// shaLanes are what the low sixteen registers have room for: X0 is the instructions'
// own, X15 turns bytes.
func shaLanes(p []GPPhysical) []shaLane {
	lanes := []shaLane{
		{abef: X1, cdgh: X2, msg: [4]VecPhysical{X3, X4, X5, X6}, tmp: X7},
		{abef: X8, cdgh: X9, msg: [4]VecPhysical{X10, X11, X12, X13}, tmp: X14},
	}[:len(p)]
	for i := range lanes {
		lanes[i].p = p[i]
	}
	return lanes
}

const shaBytes = 32 // of a state in memory

// load takes the state from a..h at m, as the instructions want it.
func (l *shaLane) load(m Mem) {
	MOVOU(m, l.tmp)
	MOVOU(m.Offset(16), l.cdgh)
	PSHUFD(Imm(0xb1), l.tmp, l.tmp)
	PSHUFD(Imm(0x1b), l.cdgh, l.cdgh)
	MOVO(l.tmp, l.abef)
	PALIGNR(Imm(8), l.cdgh, l.abef)
	PBLENDW(Imm(0xf0), l.tmp, l.cdgh)
}

// store is the reverse of load.
func (l *shaLane) store(m Mem) {
	PSHUFD(Imm(0x1b), l.abef, l.tmp)
	PSHUFD(Imm(0xb1), l.cdgh, l.cdgh)
	MOVO(l.tmp, l.abef)
	PBLENDW(Imm(0xf0), l.cdgh, l.abef)
	PALIGNR(Imm(8), l.tmp, l.cdgh)
	MOVOU(l.abef, m)
	MOVOU(l.cdgh, m.Offset(16))
}

// keep saves the state that a block begins with, add adds it at the block's end.
func (l *shaLane) keep(saved Mem) {
	MOVOU(l.abef, saved)
	MOVOU(l.cdgh, saved.Offset(16))
}

func (l *shaLane) add(saved Mem) {
	MOVOU(saved, l.tmp)
	PADDD(l.tmp, l.abef)
	MOVOU(saved.Offset(16), l.tmp)
	PADDD(l.tmp, l.cdgh)
}

// rounds is rounds 4i to 4i+3 of FIPS 180-4, 6.2.2, with what they do for the message
// schedule. beside is called where a dependent chain leaves room.
func (l *shaLane) rounds(i int, k Mem, flip VecPhysical, beside func()) {
	cur, prev, next, wk := l.msg[i%4], l.msg[(i+3)%4], l.msg[(i+1)%4], X0
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
