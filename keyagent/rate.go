package keyagent

import (
	"sync"
	"time"
)

// rate is a token bucket that holds one second's worth. Safe for concurrent use.
type rate struct {
	perSecond float64

	mu     sync.Mutex
	tokens float64
	at     time.Time
}

func newRate(perSecond int) *rate {
	return &rate{perSecond: float64(perSecond), tokens: float64(perSecond)}
}

// take says whether one more may happen at now.
func (r *rate) take(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if gone := now.Sub(r.at); gone > 0 {
		r.tokens = min(r.perSecond, r.tokens+gone.Seconds()*r.perSecond)
		r.at = now
	}
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}
