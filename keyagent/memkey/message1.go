package memkey

import (
	"encoding/binary"
	"errors"
)

// message1 is M1, admin to server: who asks whom for what (PROTOCOL.md 5.1).
type message1 struct {
	nonce  [nonceSize]byte
	admin  Fingerprint
	server Fingerprint
	unix   uint64 // seconds; anti-flood only
	op     Op
}

var errM1 = errors.New("not an M1")

// append appends everything before the signature.
func (m message1) append(b []byte) []byte {
	b = append(append(b, magic...), typeM1, 1, suite>>8, suite&0xff)
	b = append(append(append(b, m.nonce[:]...), m.admin[:]...), m.server[:]...)
	return append(binary.BigEndian.AppendUint64(b, m.unix), byte(m.op))
}

// parseM1 reads b, all of it. signed and sig point into b.
func parseM1(b []byte) (m message1, signed, sig []byte, err error) {
	if len(b) != m1Size {
		return m, nil, nil, errM1
	}
	c := cursor{b: b}
	c.want(magic + "\x01\x01\x00\x01")
	c.fill(m.nonce[:])
	c.fill(m.admin[:])
	c.fill(m.server[:])
	m.unix = c.u64()
	m.op = Op(c.u8())
	sig = c.take(sigSize)
	if !c.done() || !m.op.valid() {
		return message1{}, nil, nil, errM1
	}
	return m, b[:m1Size-sigSize], sig, nil
}
