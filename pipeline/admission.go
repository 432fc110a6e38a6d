package pipeline

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// admission decides which bodies move. At most limit of them hold a turn; the rest
// wait in one line for each party, which take turns, so that a party with a thousand
// connections waits behind its own.
//
// A body that mostly waits, for its client or for the backend, loses its turn as soon
// as somebody wants it, and goes on without: it has memory by then, and memory must
// not wait for turns. So turns always move on, whatever those who hold them wait for.
// Who waits for memory keeps the turn, so that the rest waits in this line, which is
// fair, and not in that for memory.
type admission struct {
	limit   int
	maxWait int
	wait    time.Duration
	epoch   time.Time // of every time below

	mu       sync.Mutex
	held     []*Turn
	lines    []*line // with at least one waiter each, in the order of their turns
	waiting  int
	sweeping bool // a timer runs, as long as somebody waits

	entered, rested, refused, waited atomic.Int64 // totals; waited in ns
}

// line is who waits of one party, first come first.
type line struct {
	party   string
	waiters []*waiter
}

type waiter struct {
	turn  *Turn
	ready chan struct{} // closed under the lock when the turn is there
}

// Turn is leave to move one body. Pause and Resume are for the one goroutine that
// moves it; End may be called by any, more than once. A nil Turn is of a body that
// needs none.
type Turn struct {
	a *admission
	// began is when it was given, or, once moving, when the body began to move; both are
	// under the lock. begun is moving, for the one goroutine.
	began         int64
	moving, begun bool
	// since is when the present wait began, 0 while at work; idle is what all waits
	// before took. In ns since a.epoch.
	since, idle atomic.Int64
}

// Admit waits for a turn on behalf of party, at most LineTimeout. It must not be
// called by who holds a Reservation. Errors: ErrBusy,
// ErrClosed, or ctx's own.
func (e *Engine) Admit(ctx context.Context, party string) (*Turn, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("cannot admit a body: %w", err)
	}
	if e.closed.Load() {
		return nil, fmt.Errorf("cannot admit a body: the engine is %w", ErrClosed)
	}
	a := &e.admission
	w, err := a.join(party)
	if err != nil || w.ready == nil {
		return w.turn, err
	}
	began := time.Now()
	defer func() { a.waited.Add(int64(time.Since(began))) }()
	timer := time.NewTimer(a.wait)
	defer timer.Stop()
	select {
	case <-w.ready:
		return w.turn, nil
	case <-ctx.Done():
		a.leave(party, w)
		return nil, fmt.Errorf("cannot admit a body: %w", ctx.Err())
	case <-timer.C:
		a.leave(party, w)
		a.refused.Add(1)
		return nil, fmt.Errorf("cannot admit a body within %v: %w", a.wait, ErrBusy)
	}
}

// join takes a free turn, which has no ready, or waits in line.
func (a *admission) join(party string) (waiter, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == 0 && len(a.held) < a.limit {
		return waiter{turn: a.give(&Turn{a: a})}, nil
	}
	if a.waiting >= a.maxWait {
		a.refused.Add(1)
		return waiter{}, fmt.Errorf("cannot admit a body: %w: too many wait", ErrBusy)
	}
	w := &waiter{turn: &Turn{a: a}, ready: make(chan struct{})}
	i := slices.IndexFunc(a.lines, func(l *line) bool { return l.party == party })
	if i < 0 {
		i = len(a.lines)
		a.lines = append(a.lines, &line{party: party})
	}
	a.lines[i].waiters = append(a.lines[i].waiters, w)
	a.waiting++
	if !a.sweeping {
		a.sweeping = true
		time.AfterFunc(sweepEvery, a.sweep)
	}
	return *w, nil
}

// give makes t one of those that hold a turn.
func (a *admission) give(t *Turn) *Turn {
	t.began = a.now()
	a.held = append(a.held, t)
	a.entered.Add(1)
	return t
}

// next gives free turns to who waits: the first of the first line, which goes to the
// end.
func (a *admission) next() {
	for a.waiting > 0 && len(a.held) < a.limit {
		l := a.lines[0]
		w := l.waiters[0]
		l.waiters = l.waiters[1:]
		a.lines = slices.Delete(a.lines, 0, 1)
		if len(l.waiters) > 0 {
			a.lines = append(a.lines, l)
		}
		a.waiting--
		a.give(w.turn)
		close(w.ready)
	}
}

// leave takes a waiter out who gives up; if it got its turn meanwhile, that goes on.
func (a *admission) leave(party string, w waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, l := range a.lines {
		k := slices.IndexFunc(l.waiters, func(x *waiter) bool { return x.turn == w.turn })
		if l.party != party || k < 0 {
			continue
		}
		a.waiting--
		if l.waiters = slices.Delete(l.waiters, k, k+1); len(l.waiters) == 0 {
			a.lines = slices.Delete(a.lines, i, i+1)
		}
		return
	}
	a.drop(w.turn)
}

// drop ends a turn, if it is still held.
func (a *admission) drop(t *Turn) bool {
	i := slices.Index(a.held, t)
	if i < 0 {
		return false
	}
	a.held = slices.Delete(a.held, i, i+1)
	a.next()
	return true
}

// sweep takes turns from those who mostly wait, for those who wait for a turn.
func (a *admission) sweep() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	for _, t := range slices.Clone(a.held) {
		if a.waiting == 0 {
			break
		}
		if t.rests(now) {
			a.drop(t)
			a.rested.Add(1)
		}
	}
	if a.sweeping = a.waiting > 0; a.sweeping {
		time.AfterFunc(sweepEvery, a.sweep)
	}
}

func (a *admission) now() int64 { return max(1, int64(time.Since(a.epoch))) }

// rests reports whether a body waits more than it works, by more than patience. One
// that waits for memory first keeps its turn: others would have to wait for memory, too,
// and those who have it need no turn to go on.
func (t *Turn) rests(now int64) bool {
	if !t.moving {
		return now-t.began > int64(startTime)
	}
	idle := t.idle.Load()
	if since := t.since.Load(); since != 0 {
		idle += max(0, now-since)
	}
	return idle > int64(patience)+idleShare*(now-t.began-idle)
}

// Pause says that what follows may block: a read of a socket, a write.
func (t *Turn) Pause() {
	if t != nil {
		t.begin()
		t.since.Store(t.a.now())
	}
}

// begin notes that the body begins to move.
func (t *Turn) begin() {
	if t.begun {
		return
	}
	t.begun = true
	t.a.mu.Lock()
	defer t.a.mu.Unlock()
	t.began, t.moving = t.a.now(), true
}

// Resume says that it is over, and that n bytes were moved by it; what these cost on
// a core does not count as waiting.
func (t *Turn) Resume(n int) {
	if t == nil {
		return
	}
	t.begin()
	if since := t.since.Swap(0); since != 0 {
		t.idle.Add(max(0, t.a.now()-since-int64(n)/bytesPerNano))
	}
}

// End gives the turn up.
func (t *Turn) End() {
	if t == nil {
		return
	}
	t.a.mu.Lock()
	defer t.a.mu.Unlock()
	t.a.drop(t)
}

// autoAdmission is how many bodies keep cores busy: while one waits for its socket
// another is at work on the same core. A few more on few cores are hashed together.
func autoAdmission(cores int) int { return max(minAdmission, turnsPerCore*cores) }
