package pipeline

import (
	"fmt"
	"runtime/debug"
	"time"
)

// job is one batch on its way through a worker, or through its own caller.
//
// The pump owns it, lends it with the batch by sending it on Engine.jobs, and
// has both back when done is told. Between, only the worker touches either.
type job struct {
	batch  *Batch
	first  int64
	sealer Sealer // one of the two
	opener Opener
	err    error
	panics string        // what a panic on another goroutine said, with its stack
	done   chan struct{} // capacity 1: a worker never waits for the pump
	handed bool          // a worker has it; done will be told
}

// run does the work.
func (j *job) run(e *Engine) {
	b, began := j.batch, time.Now()
	room := b.bytes()[:e.occupied(b.plain)]
	if j.sealer != nil {
		if n := j.sealer.SealInPlace(room, b.plain, j.first); n != len(room) {
			panic(fmt.Sprintf("BUG: a sealer made %d bytes of %d, not %d", n, b.plain, len(room)))
		}
		b.state = sealed
		e.stats.sealed.Add(int64(b.plain))
		e.stats.sealTime.Add(int64(time.Since(began)))
		return
	}
	if j.err = j.opener.OpenInPlace(room, j.first); j.err == nil {
		b.state = opened
		e.stats.opened.Add(int64(b.plain))
	}
	e.stats.openTime.Add(int64(time.Since(began)))
}

// runForOwner is run on a goroutine that the stream does not own. A panic must
// reach the stream that caused it: here it would end the process and every other
// stream with it.
func (j *job) runForOwner(e *Engine) {
	defer func() {
		if p := recover(); p != nil {
			j.panics = fmt.Sprintf("%v\n\non a worker:\n%s", p, debug.Stack())
		}
	}()
	j.run(e)
}
