package memkey

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"
)

// flips calls f with every copy of message that differs in one bit; in short runs in one bit of each byte.
func flips(message []byte, f func(at int, changed []byte)) {
	for i := range message {
		for bit := range 8 {
			if testing.Short() && bit != i%8 {
				continue
			}
			changed := bytes.Clone(message)
			changed[i] ^= 1 << bit
			f(i, changed)
		}
	}
}

func TestEveryFlipInM1IsRefusedAlike(t *testing.T) {
	r := newRig(t, patient, func(c *AgentConfig) { c.NoClock = true }) // the clock must not be what saves us
	_, m1, err := r.client(r.admin).Begin(OpDeliver)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	flips(m1, func(at int, changed []byte) {
		m2, err := r.agent.Challenge(ctx, home, changed)
		if m2 != nil || statusOf(t, err) != StatusDenied {
			if statusOf(t, err) == StatusBusy && at >= 3 { // bad signatures, faster than the throttle allows
				r.advance(time.Second)
				return
			}
			t.Fatalf("a flip in byte %d: %v", at, err)
		}
	})
	if n := r.agent.sessions.len(); n != 0 {
		t.Errorf("%d sessions from changed M1s", n)
	}
	for _, wrong := range [][]byte{nil, m1[:len(m1)-1], append(bytes.Clone(m1), 0)} {
		if _, err := r.agent.Challenge(ctx, home, wrong); statusOf(t, err) != StatusDenied {
			t.Errorf("%d bytes: %v", len(wrong), err)
		}
	}
	if _, err := r.agent.Challenge(ctx, home, m1); err != nil {
		t.Errorf("the unchanged M1: %v", err)
	}
}

func TestEveryFlipInM2IsRefused(t *testing.T) {
	r := newRig(t)
	x, _, m2 := r.begin(OpDeliver)
	flips(m2, func(at int, changed []byte) {
		y := *x
		if _, err := y.Challenge(changed); err == nil {
			t.Fatalf("a flip in byte %d is accepted", at)
		}
		if y.kem != nil {
			t.Fatalf("a flip in byte %d leaves a key to seal to", at)
		}
	})
	if _, err := x.Challenge(m2); err != nil {
		t.Errorf("the unchanged M2: %v", err)
	}
}

// TestEveryFlipInM3IsRefused: by the signature, and behind a valid signature by HPKE.
func TestEveryFlipInM3IsRefused(t *testing.T) {
	r := newRig(t, patient)
	x, m3 := r.seal()
	ctx := context.Background()
	live := r.agent.sessions.live[x.id]
	again := func() {
		s := *live
		r.agent.sessions.add(&s, time.Minute)
	}
	flips(m3, func(at int, changed []byte) {
		reply, err := r.agent.Key(ctx, home, changed)
		switch status := statusOf(t, err); {
		case status == StatusOK:
			t.Fatalf("a flip in byte %d is accepted", at)
		case at >= m3Head && reply == nil:
			t.Fatalf("a flip in byte %d of a live session's M3 has no signed answer: %v", at, err)
		}
		if at >= m3Head {
			again()
		}
	})
	signed := func(body []byte) []byte {
		hash := sha256.Sum256(body)
		sig, err := sign(r.admin, labelM3, x.th2[:], hash[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(bytes.Clone(body), sig...)
	}
	body := m3[:len(m3)-sigSize]
	for i := m3Head; i < len(body); i += 7 {
		changed := bytes.Clone(body)
		changed[i] ^= 0x10
		status := StatusDecrypt
		if i < m3Head+2 || i >= m3Head+2+kemEncSize && i < m3Head+2+kemEncSize+4 {
			status = StatusMalformed // one of the lengths
		}
		if _, err := r.agent.Key(ctx, home, signed(changed)); statusOf(t, err) != status {
			t.Fatalf("a flip in byte %d behind a valid signature: %v, want %v", i, err, status)
		}
		again()
	}
	if r.appliedCount() != 0 {
		t.Fatal("a changed M3 was carried out")
	}
	m4, err := r.agent.Key(ctx, home, m3)
	if err != nil {
		t.Fatalf("the unchanged M3: %v", err)
	}
	if _, err := x.Finish(m4); err != nil {
		t.Fatal(err)
	}
}

func TestEveryFlipInM4IsUnconfirmed(t *testing.T) {
	r := newRig(t)
	x, m3 := r.seal()
	m4, err := r.agent.Key(context.Background(), home, m3)
	if err != nil {
		t.Fatal(err)
	}
	testFinishFlips(t, x, m4)
	if _, err := x.Finish(m4); err != nil {
		t.Errorf("the unchanged M4: %v", err)
	}
}

func TestEveryFlipInM4eIsUnconfirmed(t *testing.T) {
	r := newRig(t)
	r.refuse = &Refusal{Status: StatusBusy, Detail: "secret reason", RetryAfter: 1500 * time.Millisecond}
	x, m3 := r.seal()
	m4e, err := r.agent.Key(context.Background(), home, m3)
	if statusOf(t, err) != StatusBusy {
		t.Fatal(err)
	}
	testFinishFlips(t, x, m4e)
	_, err = x.Finish(m4e)
	var refusal *Refusal
	if !errors.As(err, &refusal) || !refusal.Signed || refusal.RetryAfter != 2*time.Second || refusal.Detail != "" {
		t.Errorf("the unchanged M4e: %#v", err)
	}
}

func testFinishFlips(t *testing.T, x *Exchange, message []byte) {
	t.Helper()
	flips(message, func(at int, changed []byte) {
		y := *x
		y.ck = bytes.Clone(x.ck)
		if _, err := y.Finish(changed); !errors.Is(err, ErrUnconfirmed) {
			t.Fatalf("a flip in byte %d: %v", at, err)
		}
	})
	for _, wrong := range [][]byte{nil, message[:len(message)-1], append(bytes.Clone(message), 0)} {
		y := *x
		y.ck = bytes.Clone(x.ck)
		if _, err := y.Finish(wrong); !errors.Is(err, ErrUnconfirmed) {
			t.Errorf("%d bytes: %v", len(wrong), err)
		}
	}
}

// TestReplayAndReorder: every message counts once, in its place, in its session.
func TestReplayAndReorder(t *testing.T) {
	r := newRig(t, patient)
	ctx := context.Background()
	x, m1, m2 := r.begin(OpDeliver)
	if _, err := r.agent.Challenge(ctx, home, m1); statusOf(t, err) != StatusDenied {
		t.Errorf("M1 again: %v", err)
	}
	other, _, otherM2 := r.begin(OpDeliver)
	if _, err := (&Exchange{client: x.client, op: x.op, step: 1, h1: x.h1}).Challenge(otherM2); !errors.Is(err, ErrFingerprint) {
		t.Errorf("the M2 of another M1: %v", err)
	}
	if _, err := x.Challenge(m2); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Challenge(otherM2); err != nil {
		t.Fatal(err)
	}
	m3, err := x.Seal(testPackage(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	otherM3, err := other.Seal(testPackage(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	// The sealed part of one session under the id of the other, while both live.
	crossed := append(bytes.Clone(otherM3[:m3Head]), m3[m3Head:]...)
	if _, err := r.agent.Key(ctx, home, crossed); statusOf(t, err) != StatusDenied {
		t.Errorf("an M3 in another session: %v", err)
	}
	m4, err := r.agent.Key(ctx, home, m3)
	if err != nil {
		t.Fatal(err)
	}
	m4e, err := r.agent.Key(ctx, home, m3)
	if statusOf(t, err) != StatusSession {
		t.Errorf("M3 again: %v", err)
	}
	if _, err := r.agent.Key(ctx, home, m1); statusOf(t, err) != StatusDenied {
		t.Errorf("M1 instead of M3: %v", err)
	}
	if _, err := r.agent.Challenge(ctx, home, m3); statusOf(t, err) != StatusDenied {
		t.Errorf("M3 instead of M1: %v", err)
	}
	other.step = 3
	for name, wrong := range map[string][]byte{"the M4 of another session": m4, "the M4e of another session": m4e, "M2": m2, "M3": otherM3} {
		y := *other
		y.ck = bytes.Clone(other.ck)
		if _, err := y.Finish(wrong); !errors.Is(err, ErrUnconfirmed) {
			t.Errorf("%s instead of M4: %v", name, err)
		}
	}
	if _, err := x.Finish(m4); err != nil {
		t.Error(err)
	}
	if n := r.appliedCount(); n != 1 {
		t.Errorf("carried out %d times", n)
	}
}

func TestStepsOutOfTurnAreABug(t *testing.T) {
	r := newRig(t)
	x, _, m2 := r.begin(OpDeliver)
	if _, err := x.Challenge(m2); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a second Challenge did not panic")
		}
	}()
	_, _ = x.Challenge(m2)
}
