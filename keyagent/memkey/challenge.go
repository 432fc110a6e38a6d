package memkey

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Challenge answers an M1 with an M2. Everything that is wrong with the M1 gives the same *Refusal, StatusDenied, or
// StatusBusy from a source that failed too often; an agent that cannot answer at all gives StatusFailed. The checks come
// cheapest first, and nothing is remembered of an M1 before its signature holds (PROTOCOL.md 8.1). m1 is not kept.
func (a *Agent) Challenge(_ context.Context, source netip.Addr, m1 []byte) (m2 []byte, err error) {
	m, admin, refusal := a.admit(source, m1)
	if refusal != nil {
		return nil, refusal
	}
	m2, err = a.open(m, hashOf(m1))
	if err != nil {
		r := refuse(StatusFailed, "%v", err)
		a.cfg.Audit(Event{Op: m.op, Admin: &m.admin, Source: source, Status: r.Status, Detail: r.Detail})
		return nil, r
	}
	if m.op == OpStatus {
		a.cfg.Audit(Event{Op: m.op, Admin: &m.admin, Source: source, Status: StatusOK, Detail: "to " + admin.Name})
	}
	return m2, nil
}

// admit lets an M1 through that a listed admin with the role for its op has signed just now, for this server.
func (a *Agent) admit(source netip.Addr, m1 []byte) (message1, Admin, *Refusal) {
	deny := func(op Op, format string, args ...any) (message1, Admin, *Refusal) {
		return message1{}, Admin{}, a.denied(source, op, fmt.Sprintf(format, args...))
	}
	m, signed, sig, err := parseM1(m1)
	if err != nil {
		return deny(0, "%v: %d bytes", err, len(m1))
	}
	if m.server != a.self {
		return deny(m.op, "for another server")
	}
	admin, ok := a.admin(m.admin)
	if !ok || !admin.Roles.Has(m.op.Role()) {
		return deny(m.op, "%s is not listed with the role %s", m.admin, m.op)
	}
	if skew, ok := a.skew(m.unix); !ok {
		return deny(m.op, "the clock of %s is off by %s", m.admin, skew)
	}
	if a.sessions.seen(m.nonce) {
		return deny(m.op, "an M1 of %s came again", m.admin)
	}
	if !a.throttle.takeCheck(source, m.admin) {
		a.auditStranger(Event{Op: m.op, Source: source, Status: StatusBusy, Detail: "too many bad signatures in the name of " + m.admin.String()})
		return message1{}, Admin{}, &Refusal{Status: StatusBusy, RetryAfter: time.Second}
	}
	if !verify(admin.Public, sig, labelM1, signed) {
		return deny(m.op, "not signed by %s", m.admin)
	}
	a.throttle.giveCheck(source, m.admin)
	if !a.sessions.remember(m.nonce) {
		return deny(m.op, "an M1 of %s came twice at once", m.admin)
	}
	return m, admin, nil
}

// skew tells how far unix seconds are from the agent's clock, and whether that will do.
func (a *Agent) skew(unix uint64) (time.Duration, bool) {
	const far = 1 << 33 // seconds, two centuries: a Duration must not overflow
	now := a.cfg.Now().Unix()
	off := int64(min(unix, 1<<62)) - now
	skew := time.Duration(min(max(off, -far), far)) * time.Second
	return skew, a.cfg.NoClock || skew.Abs() <= a.cfg.MaxClockSkew
}

// open makes a session and its M2. For OpStatus nothing is remembered: no M3 follows.
func (a *Agent) open(m message1, h1 [hashSize]byte) ([]byte, error) {
	s := &session{admin: m.admin, op: m.op, expires: a.cfg.Now().Add(a.cfg.SessionLife)}
	state, err := appendState(nil, a.cfg.State())
	if err != nil {
		return nil, err
	}
	reply := message2{public: a.public, boot: a.cfg.BootID, expires: uint64(s.expires.Unix()), state: state}
	if err := a.random(s.id[:]); err != nil {
		return nil, err
	}
	if err := a.random(reply.nonce[:]); err != nil {
		return nil, err
	}
	if s.key, err = a.ephemeral(); err != nil {
		return nil, err
	}
	reply.session, reply.kem = s.id, s.key.PublicKey().Bytes()
	m2 := reply.append(make([]byte, 0, m2Fixed+len(state)))
	sig, err := sign(a.cfg.Identity, labelM2, h1[:], m2)
	if err != nil {
		return nil, err
	}
	m2 = append(m2, sig...)
	s.th2 = transcript2(h1, hashOf(m2))
	if m.op != OpStatus {
		a.sessions.add(s, a.cfg.SessionLife)
	}
	return m2, nil
}
