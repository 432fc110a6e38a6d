package memkey

import (
	"testing"
	"time"
)

func (t *sessions) addTest(admin byte) *session {
	t.mu.Lock()
	n := t.order + 1
	t.mu.Unlock()
	s := &session{id: [sessionSize]byte{byte(n >> 8), byte(n)}, admin: Fingerprint{admin}, expires: time.Now().Add(time.Hour)}
	t.add(s, time.Hour)
	return s
}

// TestSessionsAreSharedFairly: an admin pushes out their own oldest; in a full table the oldest of the greediest goes.
func TestSessionsAreSharedFairly(t *testing.T) {
	table := newSessions()
	modest := table.addTest(1)
	for admin := byte(2); admin < 20; admin++ {
		for range 3 * maxAdminSessions {
			table.addTest(admin)
		}
		if table.len() > maxSessions {
			t.Fatalf("%d sessions", table.len())
		}
		count := make(map[Fingerprint]int)
		for _, s := range table.live {
			count[s.admin]++
		}
		for fp, n := range count {
			if n > maxAdminSessions {
				t.Fatalf("%d sessions of %s", n, fp)
			}
		}
		if admin <= 15 && table.live[modest.id] == nil {
			t.Fatalf("admin %d pushed out another one's only session", admin)
		}
		if count[Fingerprint{admin}] == 0 {
			t.Fatalf("admin %d gets no session", admin)
		}
	}
}

func TestOwnOldestSessionGoesFirst(t *testing.T) {
	table := newSessions()
	var mine []*session
	for range maxAdminSessions + 1 {
		mine = append(mine, table.addTest(1))
	}
	if table.claim(mine[0].id, time.Now()) != nil {
		t.Error("the oldest is still there")
	}
	for i, s := range mine[1:] {
		if table.claim(s.id, time.Now()) != s {
			t.Errorf("session %d is gone", i+1)
		}
		if table.claim(s.id, time.Now()) != nil {
			t.Errorf("session %d serves twice", i+1)
		}
	}
}

func TestNonceRingForgetsTheOldest(t *testing.T) {
	table := newSessions()
	nonce := func(i int) [nonceSize]byte { return [nonceSize]byte{byte(i >> 8), byte(i)} }
	for i := range seenNonces + 10 {
		if !table.remember(nonce(i)) || table.remember(nonce(i)) || !table.seen(nonce(i)) {
			t.Fatalf("nonce %d", i)
		}
	}
	for i := range seenNonces + 10 {
		if table.seen(nonce(i)) != (i >= 10) {
			t.Fatalf("nonce %d: seen is %t", i, i < 10)
		}
	}
}
