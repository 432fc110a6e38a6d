package pipeline

import (
	"sync/atomic"
	"time"
)

// Stats is what an engine did and does. Totals only grow.
type Stats struct {
	Budget, BudgetUsed int64         // bytes
	Waiting            int64         // streams waiting for budget
	Refused            int64         // total of ErrBusy
	Admission          int64         // bodies that may hold a turn
	Admitted, InLine   int64         // that hold one, that wait for one
	AdmittedTotal      int64         // turns given
	Rested             int64         // total of turns taken from bodies that mostly waited
	LineTime           time.Duration // total of the waits for a turn
	Workers, Busy      int64         // goroutines of the pool, and those at work
	Pooled             int64         // bytes of batches that have an owner now
	HandedOver, Inline int64         // total of batches offered to the pool, done by their caller
	Sealed, Opened     int64         // total of plain bytes
	SealTime, OpenTime time.Duration
}

type counters struct {
	used, waiting, refused, busy, pooled atomic.Int64
	handed, inline                       atomic.Int64
	sealed, opened                       atomic.Int64
	sealTime, openTime                   atomic.Int64
}

// Stats reads every figure; each is exact, the whole is not one moment.
func (e *Engine) Stats() Stats {
	c, a := &e.stats, &e.admission
	a.mu.Lock()
	held, inLine := len(a.held), a.waiting
	a.mu.Unlock()
	return Stats{
		Budget: e.total, BudgetUsed: c.used.Load(), Waiting: c.waiting.Load(), Refused: c.refused.Load() + a.refused.Load(),
		Admission: int64(a.limit), Admitted: int64(held), InLine: int64(inLine),
		AdmittedTotal: a.entered.Load(), Rested: a.rested.Load(), LineTime: time.Duration(a.waited.Load()),
		Workers: int64(e.workers - 1), Busy: c.busy.Load(), Pooled: c.pooled.Load(),
		HandedOver: c.handed.Load(), Inline: c.inline.Load(),
		Sealed: c.sealed.Load(), Opened: c.opened.Load(),
		SealTime: time.Duration(c.sealTime.Load()), OpenTime: time.Duration(c.openTime.Load()),
	}
}
