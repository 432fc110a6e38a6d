package rewrap

import (
	"context"
	"sync"
	"time"
)

// clock is time as a run sees it.
type clock struct {
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration) error
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// limiter is a token bucket that holds one second's tokens and may go into debt:
// who spends more than there is goes on at once, and the next ones wait for it.
// So one piece of any size passes, and the average holds. Safe for concurrent use.
type limiter struct {
	rate  float64 // tokens a second; 0 = no limit
	clock clock

	mu     sync.Mutex
	tokens float64
	last   time.Time
}

func newLimiter(rate float64, c clock) *limiter {
	return &limiter{rate: rate, clock: c, tokens: rate, last: c.now()}
}

// spend waits until the debt before it is paid, then takes n tokens.
func (l *limiter) spend(ctx context.Context, n int64) error {
	if err := ctx.Err(); err != nil || l.rate == 0 {
		return err
	}
	l.mu.Lock()
	now := l.clock.now()
	l.tokens = min(l.tokens+now.Sub(l.last).Seconds()*l.rate, max(l.rate, 1))
	l.last = now
	var wait time.Duration
	if need := min(float64(n), 1); l.tokens < need { // a whole object, or any byte
		wait = time.Duration((need - l.tokens) / l.rate * float64(time.Second))
	}
	l.tokens -= float64(n)
	l.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	return l.clock.sleep(ctx, wait)
}
