package backend

import (
	"context"
	"sync/atomic"
	"time"
)

// Effort is the context of a request that would rather be told soon that the store
// cannot be reached than wait, as long as nothing was put into it that its client would
// have to bring again: its calls are bounded by Config.UnreachableTime until Spend, or
// until one of them succeeded. Afterwards they get all of Config.RetryTime. The zero
// value with a Context is ready; it must not be copied. Safe for concurrent use.
type Effort struct {
	context.Context
	spent atomic.Bool
}

type effortKey struct{}

// Value gives the Effort itself to this package, and what the context below has to
// everybody else.
func (e *Effort) Value(key any) any {
	if key == (effortKey{}) {
		return e
	}
	return e.Context.Value(key)
}

// Spend notes that giving up is costly from now on. A nil Effort has nothing to note.
func (e *Effort) Spend() {
	if e != nil && !e.spent.Load() {
		e.spent.Store(true)
	}
}

// effortOf is the Effort that ctx is, or comes from; nil is none.
func effortOf(ctx context.Context) *Effort {
	e, _ := ctx.Value(effortKey{}).(*Effort)
	return e
}

// patience is how long after it began a call may go on when the store cannot be reached.
func (c *Client) patience(ctx context.Context) (limit time.Duration) {
	if e := effortOf(ctx); e != nil && e.spent.Load() {
		return c.config.RetryTime
	}
	return min(c.config.UnreachableTime, c.config.RetryTime)
}
