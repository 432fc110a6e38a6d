package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func admit(t *testing.T, e *Engine, party string) *Turn {
	t.Helper()
	turn, err := e.Admit(context.Background(), party)
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

// works makes a turn one that is at work for as long as no test lasts: it is never taken.
func works(turn *Turn) *Turn {
	turn.Resume(0)
	turn.a.mu.Lock()
	defer turn.a.mu.Unlock()
	turn.began -= int64(time.Hour) // it moves since then
	return turn
}

// until polls a condition that must come true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come true: " + what)
		}
	}
}

func TestAdmissionIsBounded(t *testing.T) {
	e := newEngine(t, 2, func(c *Config) { c.Admission = 3; c.LineTimeout = time.Minute })
	var now, most atomic.Int64
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			turn, err := e.Admit(context.Background(), fmt.Sprint(i%4))
			if err != nil {
				t.Error(err)
				return
			}
			turn.Resume(0)
			for n := now.Add(1); ; {
				if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
					break
				}
			}
			for began := time.Now(); time.Since(began) < 200*time.Microsecond; {
			}
			now.Add(-1)
			turn.End()
			turn.End()
		})
	}
	all.Wait()
	if most.Load() > 3 {
		t.Errorf("%d at once, 3 are admitted", most.Load())
	}
	if st := e.Stats(); st.Admitted != 0 || st.InLine != 0 || st.AdmittedTotal != 60 || st.Rested != 0 {
		t.Errorf("%+v", st)
	}
}

// TestAdmissionIsFair: a party with many waiters keeps none of another party waiting, and
// of one party the first comes first.
func TestAdmissionIsFair(t *testing.T) {
	e := newEngine(t, 1, func(c *Config) { c.Admission = 1; c.LineTimeout = time.Minute })
	held := works(admit(t, e, "a"))
	order := make(chan string, 8)
	var all sync.WaitGroup
	for i, who := range []string{"a1", "a2", "a3", "a4", "b1", "b2", "c1"} {
		all.Go(func() {
			turn, err := e.Admit(context.Background(), who[:1])
			if err != nil {
				t.Error(err)
				return
			}
			order <- who
			works(turn).End()
		})
		until(t, "it waits", func() bool { return e.Stats().InLine == int64(i+1) })
	}
	held.End()
	all.Wait()
	close(order)
	var got []string
	for who := range order {
		got = append(got, who)
	}
	if want := "[a1 b1 c1 a2 b2 a3 a4]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// TestRestingBodiesLoseTheirTurn: who waits for a socket holds nobody up, who works keeps
// the turn, and who waits for memory does.
func TestRestingBodiesLoseTheirTurn(t *testing.T) {
	e := newEngine(t, 1, func(c *Config) { c.Admission = 2; c.LineTimeout = time.Minute })
	silent, busy := admit(t, e, "a"), works(admit(t, e, "a"))
	silent.Pause()
	next := admit(t, e, "b") // silent's
	works(next)
	if st := e.Stats(); st.Rested != 1 || st.Admitted != 2 {
		t.Errorf("%+v", st)
	}
	silent.Resume(1)
	silent.Pause()
	silent.End()
	if st := e.Stats(); st.Admitted != 2 {
		t.Errorf("a turn that was lost freed another: %+v", st)
	}
	busy.End()
	next.End()

	all := reserve(t, e, e.Stats().Budget)
	got := make(chan error, 3)
	for range 3 {
		go func() {
			turn, err := e.Admit(context.Background(), "a")
			if err == nil {
				var r *Reservation
				if r, err = e.Reserve(context.Background(), 1); err == nil {
					r.Release()
				}
				turn.End()
			}
			got <- err
		}()
	}
	until(t, "two wait for memory, one in line", func() bool { st := e.Stats(); return st.Waiting == 2 && st.InLine == 1 })
	time.Sleep(4 * sweepEvery)
	if st := e.Stats(); st.Waiting != 2 || st.InLine != 1 || st.Rested != 1 {
		t.Errorf("who waits for memory lost the turn: %+v", st)
	}
	all.Release()
	for range 3 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
}

// TestRests: what a turn is taken for.
func TestRests(t *testing.T) {
	const ms = int64(time.Millisecond)
	for _, c := range []struct {
		name             string
		age, idle, since int64
		rests            bool
	}{
		{"new", 0, 0, 1, false},
		{"patience", 4 * ms, 0, 1, false},
		{"silent", 6 * ms, 0, 1, true},
		{"at work", 500 * ms, 0, 0, false},
		{"two thirds of the time", 300 * ms, 200 * ms, 0, false},
		{"more", 300 * ms, 210 * ms, 0, true},
		{"worked, then silent", 100 * ms, 0, 21 * ms, true},
		{"worked, then waits", 100 * ms, 0, 61 * ms, false},
	} {
		turn := &Turn{began: 1, moving: true}
		turn.idle.Store(c.idle)
		turn.since.Store(c.since)
		if turn.rests(1+c.age) != c.rests {
			t.Errorf("%s: not %v", c.name, c.rests)
		}
	}
	waits := &Turn{began: 1}
	if waits.rests(int64(startTime)) || !waits.rests(int64(startTime)+2) {
		t.Error("a turn whose body does not begin to move is not held for startTime")
	}
}

func TestAdmissionGivesUp(t *testing.T) {
	e := newEngine(t, 1, func(c *Config) { c.Admission = 1; c.MaxWaiting = 1; c.LineTimeout = 100 * time.Millisecond })
	held := works(admit(t, e, "a"))
	if _, err := e.Admit(context.Background(), "b"); !errors.Is(err, ErrBusy) {
		t.Errorf("after the timeout: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	go func() {
		_, err := e.Admit(ctx, "b")
		gone <- err
	}()
	until(t, "it waits, or has given up", func() bool { return e.Stats().InLine == 1 || e.Stats().Refused > 1 })
	if _, err := e.Admit(context.Background(), "c"); !errors.Is(err, ErrBusy) && e.Stats().Refused < 3 {
		t.Errorf("one may wait: %v", err)
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) && !errors.Is(err, ErrBusy) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := e.Admit(ctx, "b"); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is over: %v", err)
	}
	if st := e.Stats(); st.InLine != 0 || st.Admitted != 1 {
		t.Errorf("%+v", st)
	}
	held.End()
	works(admit(t, e, "d")).End()
	e.Close()
	if _, err := e.Admit(context.Background(), "d"); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	var none *Turn
	none.Pause()
	none.Resume(1)
	none.End()
}

// TestAdmissionStorm: whatever waiters, holders and sweeps do at once, no turn is lost and
// none is made.
func TestAdmissionStorm(t *testing.T) {
	e := newEngine(t, 2, func(c *Config) { c.Admission = 2; c.LineTimeout = 3 * time.Millisecond })
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for k := range 60 {
				ctx, cancel := context.WithCancel(context.Background())
				if (i+k)%5 == 0 {
					time.AfterFunc(time.Millisecond, cancel)
				}
				turn, err := e.Admit(ctx, fmt.Sprint(i%3))
				if err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				if k%7 == 0 {
					time.Sleep(patience + sweepEvery) // it rests
				}
				turn.Resume(1)
				turn.Pause()
				turn.End()
				cancel()
			}
		})
	}
	all.Wait()
	if st := e.Stats(); st.Admitted != 0 || st.InLine != 0 {
		t.Errorf("%+v", st)
	}
	a, b := admit(t, e, "x"), admit(t, e, "y")
	a.End()
	b.End()
	e.admission.mu.Lock()
	defer e.admission.mu.Unlock()
	if len(e.admission.lines) != 0 || len(e.admission.held) != 0 {
		t.Errorf("%d lines, %d turns are left", len(e.admission.lines), len(e.admission.held))
	}
}
