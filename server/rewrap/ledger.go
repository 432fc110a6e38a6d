package rewrap

import "sync"

// job is one listed object and, when done, its outcome.
type job struct {
	key     string
	done    bool
	outcome Outcome
}

// ledger puts outcomes back into the order of the listing. What is entered in the
// totals is always a run of keys from the first on, so that the totals and the
// last key entered are a checkpoint at any time. Failures at the end of that run
// wait for an outcome that is none: if the store is gone, they are not done.
type ledger struct {
	enter func(Outcome) // called in order, under mu
	slots chan struct{} // as many as jobs may be open

	mu    sync.Mutex
	open  []*job
	after string // the last key entered
}

func newLedger(size int, after string, enter func(Outcome)) *ledger {
	return &ledger{enter: enter, slots: make(chan struct{}, size), after: after}
}

// begin opens a job, once there is room; stop ends the wait.
func (l *ledger) begin(key string, stop <-chan struct{}) (*job, bool) {
	select {
	case l.slots <- struct{}{}:
	case <-stop:
		return nil, false
	}
	j := &job{key: key}
	l.mu.Lock()
	l.open = append(l.open, j)
	l.mu.Unlock()
	return j, true
}

// finish closes a job.
func (l *ledger) finish(j *job, o Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j.done, j.outcome = true, o
	n := l.run()
	for n > 0 && l.open[n-1].outcome.Kind == Failed {
		n--
	}
	l.take(n)
}

// end enters what is done at the end of a whole walk, failures too.
func (l *ledger) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.take(l.run())
}

// run is how many jobs from the first on are done.
func (l *ledger) run() (n int) {
	for n < len(l.open) && l.open[n].done {
		n++
	}
	return n
}

func (l *ledger) take(n int) {
	for _, j := range l.open[:n] {
		l.enter(j.outcome)
		l.after = j.key
		<-l.slots
	}
	clear(l.open[:n])
	l.open = l.open[n:]
}
