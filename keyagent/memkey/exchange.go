package memkey

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/hpke"
	"fmt"
)

// An Exchange is the admin's side of one M1 to M4, without the transport: Begin, Challenge, Seal, Finish, each once and in
// this order. Not for concurrent use.
type Exchange struct {
	client *Client
	op     Op
	step   int // steps done
	h1     [hashSize]byte
	th2    [hashSize]byte
	kem    hpke.PublicKey
	public ed25519.PublicKey // the server's
	id     [sessionSize]byte
	h3     [hashSize]byte
	ck     []byte
}

// next keeps the order: a step out of turn is a bug of the caller.
func (x *Exchange) next(step int) {
	if x.step != step-1 {
		panic(fmt.Sprintf("BUG: memkey: step %d of an exchange after step %d", step, x.step))
	}
	x.step = step
}

// Begin makes the M1 for op.
func (c *Client) Begin(op Op) (x *Exchange, m1 []byte, err error) {
	if !op.valid() {
		return nil, nil, fmt.Errorf("cannot ask for %s: there is no such operation", op)
	}
	m := message1{admin: AdminFingerprint(c.cfg.Identity.Public()), server: c.cfg.Server, unix: uint64(c.cfg.Now().Unix()), op: op}
	if err := readRandom(c.cfg.Rand, m.nonce[:]); err != nil {
		return nil, nil, err
	}
	m1 = m.append(make([]byte, 0, m1Size))
	sig, err := sign(c.cfg.Identity, labelM1, m1)
	if err != nil {
		return nil, nil, err
	}
	m1 = append(m1, sig...)
	return &Exchange{client: c, op: op, step: 1, h1: hashOf(m1)}, m1, nil
}

// Challenge verifies an M2 and returns the state in it. ErrFingerprint unless the expected server made it, in answer to
// this very M1.
func (x *Exchange) Challenge(m2 []byte) (State, error) {
	x.next(2)
	m, signed, sig, err := parseM2(m2)
	if err != nil {
		return State{}, fmt.Errorf("cannot use the server's answer: %w", err)
	}
	if got := ServerFingerprint(m.public); got != x.client.cfg.Server {
		return State{}, fmt.Errorf("cannot go on: %w: its fingerprint is %s", ErrFingerprint, got)
	}
	if !verify(m.public, sig, labelM2, x.h1[:], signed) {
		return State{}, fmt.Errorf("cannot go on: %w: the answer is not signed by it for this request", ErrFingerprint)
	}
	state, err := parseState(m.state)
	if err != nil {
		return State{}, err
	}
	x.kem, err = hpke.MLKEM768X25519().NewPublicKey(m.kem)
	if err != nil {
		return State{}, fmt.Errorf("cannot use the server's ephemeral key: %w", err)
	}
	x.id, x.th2 = m.session, transcript2(x.h1, hashOf(m2))
	x.public = append(x.public[:0], m.public...)
	return state, nil
}

// Seal makes the M3 with p, which stays the caller's. ErrPackage if p is not one for the wire.
func (x *Exchange) Seal(p *Package) (m3 []byte, err error) {
	x.next(3)
	if p.Op != x.op {
		return nil, fmt.Errorf("cannot send a package for %s in an exchange for %s: %w", p.Op, x.op, ErrPackage)
	}
	enc, sender, err := hpke.NewSender(x.kem, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), labelled(labelHPKE, x.th2[:]))
	if err != nil {
		return nil, fmt.Errorf("cannot seal the package: %w", err)
	}
	plain, err := appendPackage(p)
	if err != nil {
		return nil, err
	}
	ct, err := sealAndClear(sender, appendM3Head(make([]byte, 0, m3Head), x.id), plain)
	if err != nil {
		return nil, err
	}
	m3 = message3{session: x.id, enc: enc, ct: ct}.append(make([]byte, 0, m3Fixed+len(ct)))
	hash := hashOf(m3)
	sig, err := sign(x.client.cfg.Identity, labelM3, x.th2[:], hash[:])
	if err != nil {
		return nil, err
	}
	if x.ck, err = sender.Export(labelConfirm, macSize); err != nil {
		return nil, fmt.Errorf("cannot derive the confirmation key: %w", err)
	}
	m3 = append(m3, sig...)
	x.h3 = hashOf(m3)
	return m3, nil
}

// sealAndClear seals plain and clears it in every case.
func sealAndClear(sender *hpke.Sender, aad, plain []byte) ([]byte, error) {
	defer clear(plain)
	ct, err := sender.Seal(aad, plain)
	if err != nil {
		return nil, fmt.Errorf("cannot seal the package: %w", err)
	}
	return ct, nil
}

// Finish verifies an M4 or M4e: a receipt that only who opened the package can have made, or the *Refusal that the
// server signed. Anything else is ErrUnconfirmed.
func (x *Exchange) Finish(reply []byte) (Receipt, error) {
	x.next(4)
	defer clear(x.ck)
	if id, refusal, before, sig, err := parseM4e(reply); err == nil {
		if id != x.id || !verify(x.public, sig, labelM4e, x.h3[:], before) {
			return Receipt{}, fmt.Errorf("%w: a refusal that it did not sign for this package", ErrUnconfirmed)
		}
		refusal.Signed = true
		return Receipt{}, refusal
	}
	id, receipt, before, mac, err := parseM4(reply)
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: neither an M4 nor an M4e", ErrUnconfirmed)
	}
	want := confirmation(x.ck, transcript3(x.th2, x.h3), before)
	if !hmac.Equal(mac, want) || id != x.id {
		return Receipt{}, fmt.Errorf("%w: the receipt does not come from who opened the package", ErrUnconfirmed)
	}
	return receipt, nil
}
