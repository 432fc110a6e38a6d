package memkey

import (
	"encoding/binary"
	"errors"
)

// message3 is M3, admin to server: the sealed package (PROTOCOL.md 5.3).
type message3 struct {
	session [sessionSize]byte
	enc     []byte // kemEncSize
	ct      []byte // sealed package: n·packageUnit + aeadTag
}

var errM3 = errors.New("not an M3")

// appendM3Head appends what comes before enc: also the AAD of the sealed package.
func appendM3Head(b []byte, session [sessionSize]byte) []byte {
	return append(append(append(b, magic...), typeM3), session[:]...)
}

func (m message3) append(b []byte) []byte {
	b = appendM3Head(b, m.session)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(m.enc))), m.enc...)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(m.ct))), m.ct...)
}

// parseM3Head reads the session from the first m3Head bytes of an M3.
func parseM3Head(b []byte) (session [sessionSize]byte, err error) {
	c := cursor{b: b}
	c.want(magic + "\x03")
	c.fill(session[:])
	if !c.done() {
		return [sessionSize]byte{}, errM3
	}
	return session, nil
}

// validM3Size reports whether an M3 can have n bytes.
func validM3Size(n int64) bool {
	n -= m3Fixed + aeadTag
	return n >= packageUnit && n <= MaxPackage && n%packageUnit == 0
}

// parseM3 reads b, all of it. What it returns points into b.
func parseM3(b []byte) (m message3, signed, sig []byte, err error) {
	if !validM3Size(int64(len(b))) {
		return m, nil, nil, errM3
	}
	m.session, err = parseM3Head(b[:m3Head])
	if err != nil {
		return message3{}, nil, nil, err
	}
	c := cursor{b: b[m3Head:]}
	if c.u16() != kemEncSize {
		return message3{}, nil, nil, errM3
	}
	m.enc = c.take(kemEncSize)
	if int64(c.u32()) != int64(len(b)-m3Fixed) {
		return message3{}, nil, nil, errM3
	}
	m.ct = c.take(len(b) - m3Fixed)
	sig = c.take(sigSize)
	if !c.done() {
		return message3{}, nil, nil, errM3
	}
	return m, b[:len(b)-sigSize], sig, nil
}
