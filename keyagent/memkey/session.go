package memkey

import (
	"crypto/hpke"
	"sync"
	"time"
)

// A session is what M2 leaves behind until M3. Its private key exists here only.
type session struct {
	id      [sessionSize]byte
	admin   Fingerprint
	op      Op
	key     hpke.PrivateKey
	th2     [hashSize]byte
	expires time.Time
	order   uint64
	timer   *time.Timer
}

// sessions are the live ones, at most maxSessions, and the nonces of the M1s that were good.
type sessions struct {
	mu     sync.Mutex
	live   map[[sessionSize]byte]*session
	order  uint64
	nonces map[[nonceSize]byte]bool
	ring   [][nonceSize]byte // the same nonces; the oldest at next once it is full
	next   int
}

func newSessions() *sessions {
	return &sessions{live: make(map[[sessionSize]byte]*session), nonces: make(map[[nonceSize]byte]bool)}
}

// seen reports whether nonce came with a good M1 lately.
func (t *sessions) seen(nonce [nonceSize]byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.nonces[nonce]
}

// remember enters a nonce; false if it is there already.
func (t *sessions) remember(nonce [nonceSize]byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.nonces[nonce] {
		return false
	}
	t.nonces[nonce] = true
	if len(t.ring) < seenNonces {
		t.ring = append(t.ring, nonce)
		return true
	}
	delete(t.nonces, t.ring[t.next])
	t.ring[t.next] = nonce
	t.next = (t.next + 1) % seenNonces
	return true
}

// add makes s live for the given time, which a timer of its own ends: no ephemeral key outlives it in an idle agent.
func (t *sessions) add(s *session, life time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if victim := t.victim(s.admin); victim != nil {
		t.remove(victim)
	}
	t.order++
	s.order = t.order
	t.live[s.id] = s
	s.timer = time.AfterFunc(life, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.remove(s)
	})
}

// victim is the session that has to go before admin may have another one: their own oldest if they have their share,
// else, in a full table, the oldest of the admin with most sessions. Nobody can push out another admin's only session
// by opening many.
func (t *sessions) victim(admin Fingerprint) *session {
	count := make(map[Fingerprint]int, maxSessions)
	for _, s := range t.live {
		count[s.admin]++
	}
	var from func(*session) bool
	switch {
	case count[admin] >= maxAdminSessions:
		from = func(s *session) bool { return s.admin == admin }
	case len(t.live) >= maxSessions:
		most := 0
		for _, n := range count {
			most = max(most, n)
		}
		from = func(s *session) bool { return count[s.admin] == most }
	default:
		return nil
	}
	var oldest *session
	for _, s := range t.live {
		if from(s) && (oldest == nil || s.order < oldest.order) {
			oldest = s
		}
	}
	return oldest
}

// remove ends s if it is still live. mu is held.
func (t *sessions) remove(s *session) {
	if t.live[s.id] == s {
		delete(t.live, s.id)
		s.timer.Stop()
	}
}

// claim takes the session out of the table: it is used now, whatever comes of it.
func (t *sessions) claim(id [sessionSize]byte, now time.Time) *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.live[id]
	if s == nil {
		return nil
	}
	t.remove(s)
	if !now.Before(s.expires) {
		return nil
	}
	return s
}

func (t *sessions) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.live)
}
