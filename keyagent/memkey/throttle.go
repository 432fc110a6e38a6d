package memkey

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// A throttle slows down who fails. It has two kinds of records in one bounded table, least recently used out first:
//
//	(source)         refusals of that source; at maxFailed it is locked out for a while
//	(source, admin)  failed signature checks in the name of that listed admin, from that source
//
// A lockout never concerns a message in the name of a listed admin: that one is checked, and a valid signature passes.
type throttle struct {
	now       func() time.Time
	maxFailed int
	lockout   time.Duration

	mu      sync.Mutex
	records map[throttleKey]*list.Element
	recent  list.List // of *throttleRecord, most recently used first
}

type throttleKey struct {
	source netip.Prefix
	admin  Fingerprint // zero for the source itself
}

type throttleRecord struct {
	key    throttleKey
	at     time.Time // of the last change
	failed int       // source: refusals
	until  time.Time // source: locked out until
	checks float64   // source and admin: signature checks left
}

func newThrottle(c *AgentConfig) *throttle {
	return &throttle{now: c.Now, maxFailed: c.MaxFailed, lockout: c.Lockout, records: make(map[throttleKey]*list.Element)}
}

// sourcePrefix is what counts as one source: an IPv4 address, an IPv6 /64 (what one site has at least).
func sourcePrefix(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero Addr gives the zero Prefix: all sources without address are one
	return p
}

// record returns the record of key, made if need be. mu is held.
func (t *throttle) record(key throttleKey) *throttleRecord {
	if e := t.records[key]; e != nil {
		t.recent.MoveToFront(e)
		return e.Value.(*throttleRecord)
	}
	if len(t.records) >= maxSources {
		oldest := t.recent.Back()
		delete(t.records, oldest.Value.(*throttleRecord).key)
		t.recent.Remove(oldest)
	}
	r := &throttleRecord{key: key, at: t.now(), checks: checksPerSecond}
	t.records[key] = t.recent.PushFront(r)
	return r
}

// failed counts one refusal of source. It returns for how long the source was locked out already; zero if it was not,
// and then the refusal may say what it is.
func (t *throttle) failed(source netip.Addr) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	r := t.record(throttleKey{source: sourcePrefix(source)})
	if left := r.until.Sub(now); left > 0 {
		return min(left, t.lockout) // a clock that was set back must not lock out for years
	}
	if !r.until.IsZero() || now.Sub(r.at) > t.lockout {
		r.failed, r.until = 0, time.Time{}
	}
	r.at = now
	r.failed++
	if r.failed >= t.maxFailed {
		r.until = now.Add(t.lockout)
	}
	return 0
}

// locked returns for how long source is still locked out.
func (t *throttle) locked(source netip.Addr) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.records[throttleKey{source: sourcePrefix(source)}]
	if e == nil {
		return 0
	}
	return max(0, min(e.Value.(*throttleRecord).until.Sub(t.now()), t.lockout))
}

// takeCheck takes one signature check in the name of admin; giveCheck brings it back when the signature was good.
func (t *throttle) takeCheck(source netip.Addr, admin Fingerprint) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	r := t.record(throttleKey{source: sourcePrefix(source), admin: admin})
	r.checks = min(checksPerSecond, r.checks+max(0, now.Sub(r.at).Seconds())*checksPerSecond)
	r.at = now
	if r.checks < 1 {
		return false
	}
	r.checks--
	return true
}

// giveCheck also forgets the refusals of source: an admin is there.
func (t *throttle) giveCheck(source netip.Addr, admin Fingerprint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.records[throttleKey{source: sourcePrefix(source), admin: admin}]; e != nil {
		r := e.Value.(*throttleRecord)
		r.checks = min(checksPerSecond, r.checks+1)
	}
	if e := t.records[throttleKey{source: sourcePrefix(source)}]; e != nil {
		r := e.Value.(*throttleRecord)
		r.failed, r.until = 0, time.Time{}
	}
}
