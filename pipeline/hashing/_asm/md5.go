package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// md5Lane is MD5 of one stream in general registers.
type md5Lane struct {
	p    Register      // the block
	v    [4]GPPhysical // a, b, c, d
	t    [2]GPPhysical
	next int // step, 0 to 63
}

const md5Bytes = 16 // of a state in memory

func (l *md5Lane) load(m Mem) {
	for i := range l.v {
		MOVL(m.Offset(4*i), l.v[i])
	}
}

func (l *md5Lane) store(m Mem) {
	for i := range l.v {
		MOVL(l.v[i], m.Offset(4*i))
	}
}

// add adds the state that the block began with.
func (l *md5Lane) add(saved Mem) {
	for i := range l.v {
		ADDL(saved.Offset(4*i), l.v[i])
	}
	l.next = 0
}

// step is one step of RFC 1321, 3.4.
func (l *md5Lane) step() {
	i := l.next
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
		MOVL(d, u)
		NOTL(u)
		ANDL(c, u)
		ADDL(u, a)
		MOVL(d, t)
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
	l.next++
}
