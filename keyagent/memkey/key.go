package memkey

import (
	"bytes"
	"context"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// Key answers an M3 with an M4, or with an M4e and the *Refusal in it. A refusal without a reply is one that is not worth
// a signature: StatusDenied or StatusBusy. m3 is not kept.
//
// Once the package is verified, Apply runs to its end also when ctx is done: half a delivery is worse than a late one.
func (a *Agent) Key(ctx context.Context, source netip.Addr, m3 []byte) (reply []byte, err error) {
	return a.receive(ctx, source, int64(len(m3)), bytes.NewReader(m3))
}

// receive is Key on a stream of n bytes. Only for a live session it takes more memory than a hash: strangers cannot make
// the agent hold bodies.
func (a *Agent) receive(ctx context.Context, source netip.Addr, n int64, body io.Reader) (reply []byte, err error) {
	if !validM3Size(n) {
		return nil, a.denied(source, 0, fmt.Sprintf("not an M3: %d bytes", n))
	}
	var head [m3Head]byte
	if _, err := io.ReadFull(body, head[:]); err != nil {
		return nil, a.denied(source, 0, "the M3 ends early")
	}
	id, err := parseM3Head(head[:])
	if err != nil {
		return nil, a.denied(source, 0, "not an M3")
	}
	s := a.sessions.claim(id, a.cfg.Now())
	if s == nil {
		return a.noSession(source, id, head[:], n, body)
	}
	m3 := make([]byte, n)
	copy(m3, head[:])
	if _, err := io.ReadFull(body, m3[m3Head:]); err != nil {
		return nil, a.denied(source, s.op, "the M3 ends early")
	}
	return a.process(ctx, source, s, m3)
}

// noSession says so, signed: an honest admin who was too slow has to know. It needs no session and no admin, therefore a
// source that is locked out does not get it.
func (a *Agent) noSession(source netip.Addr, id [sessionSize]byte, head []byte, n int64, body io.Reader) ([]byte, error) {
	h := sha256.New()
	h.Write(head)
	if _, err := io.CopyN(h, body, n-m3Head); err != nil {
		return nil, a.denied(source, 0, "the M3 ends early")
	}
	if r := a.denied(source, 0, "no such session"); r.Status == StatusBusy {
		return nil, r
	}
	return a.refused(id, [hashSize]byte(h.Sum(nil)), &Refusal{Status: StatusSession, Detail: "no such session"})
}

// refused makes the M4e of r. It returns r as the error.
func (a *Agent) refused(id [sessionSize]byte, h3 [hashSize]byte, r *Refusal) ([]byte, error) {
	reply := appendM4e(make([]byte, 0, m4eSize), id, r)
	sig, err := sign(a.cfg.Identity, labelM4e, h3[:], reply)
	if err != nil {
		return nil, refuse(StatusFailed, "%s: %v", r.Detail, err)
	}
	return append(reply, sig...), r
}

// process answers the M3 of a session that is claimed. The session's key is dropped with s.
func (a *Agent) process(ctx context.Context, source netip.Addr, s *session, m3 []byte) ([]byte, error) {
	h3 := hashOf(m3)
	event := Event{Op: s.op, Admin: &s.admin, Source: source}
	receipt, ck, refusal := a.carryOut(ctx, source, s, m3, &event)
	defer clear(ck)
	if refusal == nil {
		reply, err := appendM4(make([]byte, 0, m4Fixed+len(receipt.Keys)*keyInfoSize), s.id, receipt)
		if err == nil {
			return append(reply, confirmation(ck, transcript3(s.th2, h3), reply)...), nil
		}
		refusal = refuse(StatusFailed, "done, but %v", err)
	}
	event.Status, event.Detail = refusal.Status, refusal.Detail
	a.cfg.Audit(event)
	return a.refused(s.id, h3, refusal)
}

// carryOut verifies, opens and applies. It returns the confirmation key with the receipt.
func (a *Agent) carryOut(ctx context.Context, source netip.Addr, s *session, m3 []byte, event *Event) (Receipt, []byte, *Refusal) {
	m, signed, sig, err := parseM3(m3)
	if err != nil {
		return Receipt{}, nil, refuse(StatusMalformed, "%v", err)
	}
	admin, ok := a.admin(s.admin)
	if !ok || !admin.Roles.Has(s.op.Role()) {
		return Receipt{}, nil, refuse(StatusDenied, "taken off the list, or out of the role, since M1")
	}
	hash := hashOf(signed)
	if !verify(admin.Public, sig, labelM3, s.th2[:], hash[:]) {
		event.Admin = nil
		a.throttle.failed(source)
		return Receipt{}, nil, refuse(StatusDenied, "the M3 is not signed by %s", s.admin)
	}
	p, ck, refusal := s.unseal(m, m3[:m3Head])
	if refusal != nil {
		return Receipt{}, nil, refusal
	}
	event.Generation, event.Keys = p.Generation, keyIDs(p)
	done := false
	defer func() {
		if !done {
			p.Wipe()
			clear(ck)
		}
	}()
	receipt, err := a.apply(ctx, Request{Admin: admin, Fingerprint: s.admin, Source: source, Package: p})
	if err != nil {
		if !errors.As(err, &refusal) || refusal.Status == StatusOK {
			refusal = refuse(StatusFailed, "%v", err)
		}
		return Receipt{}, nil, refusal
	}
	done = true
	return receipt, ck, nil
}

// apply calls Apply. A panic there is a bug, but not one that may take the process down: the keys live only here.
func (a *Agent) apply(ctx context.Context, r Request) (receipt Receipt, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("BUG: Apply panics: %v", v)
		}
	}()
	return a.cfg.Apply(context.WithoutCancel(ctx), r)
}

// unseal opens the package of m and derives the confirmation key.
func (s *session) unseal(m message3, aad []byte) (*Package, []byte, *Refusal) {
	info := labelled(labelHPKE, s.th2[:])
	r, err := hpke.NewRecipient(m.enc, s.key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info)
	if err != nil {
		return nil, nil, refuse(StatusDecrypt, "cannot decapsulate: %v", err)
	}
	plain, err := r.Open(aad, m.ct)
	if err != nil {
		return nil, nil, refuse(StatusDecrypt, "cannot open the package: %v", err)
	}
	p, refusal := parsePackage(plain)
	if refusal != nil {
		return nil, nil, refusal
	}
	if p.Op != s.op {
		p.Wipe()
		return nil, nil, refuse(StatusMalformed, "a package for %s in a session for %s", p.Op, s.op)
	}
	ck, err := r.Export(labelConfirm, macSize)
	if err != nil {
		p.Wipe()
		return nil, nil, refuse(StatusFailed, "cannot derive the confirmation key: %v", err)
	}
	return p, ck, nil
}
