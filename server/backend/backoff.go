package backend

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// backoff computes the waits between attempts.
type backoff struct {
	base, throttle, max, askedMax time.Duration
}

func newBackoff() backoff {
	return backoff{base: backoffBase, throttle: throttleBase, max: backoffMax, askedMax: retryAfterMax}
}

// delay returns the wait after failed attempt n (from 1): exponential with full jitter, and at least
// what the backend asked for, as far as that is reasonable.
func (b backoff) delay(n int, throttled bool, asked time.Duration) time.Duration {
	d := b.base
	if throttled {
		d = b.throttle
	}
	for ; n > 1 && d < b.max; n-- {
		d *= 2
	}
	d = rand.N(min(d, b.max) + 1)
	return max(d, min(asked, b.askedMax))
}

// retryAfter reads the header of that name: seconds or a date (RFC 9110 section 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

// sleep waits for d, or returns false as soon as ctx ends.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
