package memkey

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
)

// message2 is M2, server to admin: a session with its ephemeral key, and the state (PROTOCOL.md 5.2).
type message2 struct {
	public  ed25519.PublicKey
	session [sessionSize]byte
	nonce   [nonceSize]byte
	boot    [bootSize]byte
	expires uint64 // unix seconds by the server's clock
	kem     []byte // kemKeySize
	state   []byte
}

var errM2 = errors.New("not an M2")

func (m message2) append(b []byte) []byte {
	b = append(append(b, magic...), typeM2, suite>>8, suite&0xff)
	b = append(append(append(append(b, m.public...), m.session[:]...), m.nonce[:]...), m.boot[:]...)
	b = binary.BigEndian.AppendUint64(b, m.expires)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(m.kem))), m.kem...)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(m.state))), m.state...)
}

// parseM2 reads b, all of it. What it returns points into b. The state is not looked into.
func parseM2(b []byte) (m message2, signed, sig []byte, err error) {
	if len(b) < m2Fixed+stateFixed || len(b) > m2Fixed+stateFixed+MaxKeys*keyInfoSize {
		return m, nil, nil, errM2
	}
	c := cursor{b: b}
	c.want(magic + "\x02\x00\x01")
	m.public = c.take(ed25519.PublicKeySize)
	c.fill(m.session[:])
	c.fill(m.nonce[:])
	c.fill(m.boot[:])
	m.expires = c.u64()
	if c.u16() != kemKeySize {
		return message2{}, nil, nil, errM2
	}
	m.kem = c.take(kemKeySize)
	m.state = c.take(int(c.u16()))
	sig = c.take(sigSize)
	if !c.done() {
		return message2{}, nil, nil, errM2
	}
	return m, b[:len(b)-sigSize], sig, nil
}
