package memkey

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// M4 and M4e, server to admin: it is done, or why not (PROTOCOL.md 5.4 and 5.5).

var (
	errM4  = errors.New("not an M4")
	errM4e = errors.New("not an M4e")
)

// appendM4 appends everything before the MAC.
func appendM4(b []byte, session [sessionSize]byte, r Receipt) ([]byte, error) {
	if err := checkKeyStates(r.Keys, r.Active); err != nil {
		return nil, fmt.Errorf("cannot tell the receipt: %w", err)
	}
	b = append(append(append(b, magic...), typeM4), session[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(StatusOK))
	b = append(binary.BigEndian.AppendUint64(b, r.Generation), r.Active[:]...)
	b = appendKeyStates(b, r.Keys)
	return append(binary.BigEndian.AppendUint64(b, r.AuditSeq), r.AuditHead[:]...), nil
}

// parseM4 reads b, all of it. before and mac point into b.
func parseM4(b []byte) (session [sessionSize]byte, r Receipt, before, mac []byte, err error) {
	if len(b) < m4Fixed || len(b) > m4Fixed+MaxKeys*keyInfoSize {
		return session, r, nil, nil, errM4
	}
	c := cursor{b: b}
	c.want(magic + "\x04")
	c.fill(session[:])
	status := Status(c.u16())
	r.Generation = c.u64()
	c.fill(r.Active[:])
	r.Keys = c.takeKeyStates()
	r.AuditSeq = c.u64()
	c.fill(r.AuditHead[:])
	mac = c.take(macSize)
	if !c.done() || status != StatusOK || checkKeyStates(r.Keys, r.Active) != nil {
		return [sessionSize]byte{}, Receipt{}, nil, nil, errM4
	}
	return session, r, b[:len(b)-macSize], mac, nil
}

// appendM4e appends everything before the signature.
func appendM4e(b []byte, session [sessionSize]byte, r *Refusal) []byte {
	seconds := min((max(r.RetryAfter, 0)+time.Second-1)/time.Second, 1<<16-1)
	b = append(append(append(b, magic...), typeM4e), session[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(r.Status))
	return binary.BigEndian.AppendUint16(b, uint16(seconds))
}

// parseM4e reads b, all of it. before and sig point into b.
func parseM4e(b []byte) (session [sessionSize]byte, r *Refusal, before, sig []byte, err error) {
	c := cursor{b: b}
	c.want(magic + "\x05")
	c.fill(session[:])
	r = &Refusal{Status: Status(c.u16()), RetryAfter: time.Duration(c.u16()) * time.Second}
	sig = c.take(sigSize)
	if !c.done() || r.Status == StatusOK {
		return [sessionSize]byte{}, nil, nil, nil, errM4e
	}
	return session, r, b[:len(b)-sigSize], sig, nil
}
