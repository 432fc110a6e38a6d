package vault

import (
	"crypto/sha256"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// enrolment names what an admin wants to be pinned: equal ones have the same masters, since a verification tag belongs
// to one master.
type enrolment [32]byte

func enrolmentOf(p Pins) enrolment {
	h := sha256.New()
	h.Write([]byte("memkey/2 enrolment\x00"))
	h.Write(p.encode())
	return enrolment(h.Sum(nil))
}

// quorum remembers who asked for which enrolment: one for each admin, the last one, for confirmTime. It keeps no keys:
// the second admin brings them again.
type quorum struct {
	asked map[memkey.Fingerprint]asked
}

type asked struct {
	what enrolment
	when time.Time
}

// confirm notes that admin asks for what, and tells whether another one did within confirmTime.
func (q *quorum) confirm(admin memkey.Fingerprint, what enrolment, now time.Time) (other memkey.Fingerprint, confirmed bool) {
	for who, a := range q.asked {
		if age := now.Sub(a.when); age < 0 || age >= confirmTime { // a clock that was set back proves nothing
			delete(q.asked, who)
		}
	}
	for who, a := range q.asked {
		if who != admin && a.what == what {
			other, confirmed = who, true
		}
	}
	if q.asked == nil {
		q.asked = map[memkey.Fingerprint]asked{}
	}
	if _, known := q.asked[admin]; known || len(q.asked) < maxPending {
		q.asked[admin] = asked{what, now}
	}
	return other, confirmed
}

// clear forgets all.
func (q *quorum) clear() { q.asked = nil }
