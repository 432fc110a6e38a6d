package memkey

import (
	"context"
	"net/netip"
	"testing"
	"time"
)

func testThrottle(now *time.Time) *throttle {
	return newThrottle(&AgentConfig{Now: func() time.Time { return *now }, MaxFailed: 5, Lockout: time.Minute})
}

func TestLockoutIsPerSourceAndEnds(t *testing.T) {
	now := time.Unix(1e9, 0)
	th := testThrottle(&now)
	for i := range 5 {
		if left := th.failed(home); left != 0 {
			t.Fatalf("refusal %d: locked out for %s", i+1, left)
		}
	}
	if left := th.failed(home); left != time.Minute {
		t.Errorf("the sixth: locked out for %s", left)
	}
	if th.failed(other) != 0 || th.locked(other) != 0 {
		t.Error("another source is locked out")
	}
	now = now.Add(59 * time.Second)
	if left := th.failed(home); left != time.Second {
		t.Errorf("near the end: %s", left)
	}
	now = now.Add(time.Second)
	if th.locked(home) != 0 || th.failed(home) != 0 {
		t.Error("the lockout does not end, or refusals within it prolong it")
	}
	for range 3 {
		th.failed(home)
	}
	now = now.Add(2 * time.Minute)
	for i := range 5 {
		if th.failed(home) != 0 {
			t.Errorf("old refusals count: %d", i)
		}
	}
	now = now.Add(-365 * 24 * time.Hour)
	if left := th.locked(home); left > time.Minute {
		t.Errorf("a clock that was set back locks out for %s", left)
	}
}

func TestSourceIsAnAddressOrASite(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::2", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		th := testThrottle(&now)
		for range 5 {
			th.failed(netip.MustParseAddr(c.a))
		}
		if got := th.locked(netip.MustParseAddr(c.b)) > 0; got != c.same {
			t.Errorf("%s and %s: same is %t", c.a, c.b, got)
		}
	}
	th := testThrottle(&now)
	if th.failed(netip.Addr{}) != 0 { // no address: one source like others
		t.Error("the zero address is locked out")
	}
}

// TestChecksInTheNameOfAnAdmin: bad ones are bounded per source and admin, good ones are free.
func TestChecksInTheNameOfAnAdmin(t *testing.T) {
	now := time.Unix(1e9, 0)
	th := testThrottle(&now)
	alice, bob := Fingerprint{1}, Fingerprint{2}
	for range 10 * checksPerSecond {
		if !th.takeCheck(home, alice) {
			t.Fatal("a good check is not free")
		}
		th.giveCheck(home, alice)
	}
	for i := range checksPerSecond {
		if !th.takeCheck(home, alice) {
			t.Fatalf("bad check %d is refused", i)
		}
	}
	if th.takeCheck(home, alice) {
		t.Error("no bound")
	}
	if !th.takeCheck(home, bob) || !th.takeCheck(other, alice) {
		t.Error("another admin, or another source, is bound by it")
	}
	now = now.Add(10 * time.Millisecond)
	n := 0
	for th.takeCheck(home, alice) {
		n++
	}
	if n != checksPerSecond/100 {
		t.Errorf("%d checks after 10 ms", n)
	}
}

// TestLockedOutSourceLearnsNothing: there, a listed and an unlisted admin's bad M1 read alike, and a good one passes.
func TestLockedOutSourceLearnsNothing(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	for range DefaultMaxFailed {
		if _, err := r.agent.Challenge(ctx, home, nil); statusOf(t, err) != StatusDenied {
			t.Fatal(err)
		}
	}
	for name, identity := range map[string]Signer{
		"a stranger": testSigner(t, 0x55), "an impostor": liar{testSigner(t, 0x55), r.admin.Public()},
	} {
		_, m1, err := r.client(identity).Begin(OpDeliver)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.agent.Challenge(ctx, home, m1); statusOf(t, err) != StatusBusy {
			t.Errorf("%s: %v", name, err)
		}
	}
	x, m3 := r.seal() // from home; ends the lockout too
	if _, err := r.agent.Key(ctx, home, m3); err != nil {
		t.Errorf("the admin: %v", err)
	}
	_ = x
	if r.agent.throttle.locked(home) != 0 {
		t.Error("the lockout goes on after the admin came")
	}
}
