package pipeline

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// Sealer seals segments where they lie. slots holds the plaintext of segment
// first+i at slot i, each full segment followed by the room of its tag; plain is
// the number of plaintext bytes. It returns the number of contiguous sealed
// bytes: plain and one tag a segment. It must be safe for concurrent use on
// disjoint slots, keeps no part of slots, and cannot fail.
type Sealer interface {
	SealInPlace(slots []byte, plain int, first int64) int
}

// Opener opens contiguous sealed segments where they lie; after it, the
// plaintext of segment first+i is at slot i. On an error nothing of sealed may
// be used. Safe for concurrent use on disjoint slots; it keeps no part of sealed.
type Opener interface {
	OpenInPlace(sealed []byte, first int64) error
}

// Engine is the shared machinery of all streams: the workers, the buffer pools
// and the byte budget. Make one with New for the life of the process. All
// methods are safe for concurrent use.
type Engine struct {
	segment, slot int // bytes of a segment: plain, and with its tag
	segments      int // per batch
	workers       int
	depth         int // batches one stream may have in flight
	tuning        Tuning

	jobs    chan *job
	quit    chan struct{} // closed by Close
	once    sync.Once
	closed  atomic.Bool
	running sync.WaitGroup

	large, small sync.Pool // of *buffer: a whole batch, one slot

	budget  *semaphore.Weighted
	total   int64
	wait    time.Duration
	maxWait int64

	admission admission

	stats counters
}

// New checks a Config, starts the workers, and makes an Engine. The error names
// the bad field.
func New(cfg Config) (*Engine, error) {
	cfg, tuning := cfg.filled()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	e := &Engine{
		segment:  cfg.SegmentBytes,
		slot:     cfg.SegmentBytes + cfg.TagBytes,
		segments: cfg.BatchBytes / cfg.SegmentBytes,
		workers:  cfg.Workers,
		depth:    min(2*cfg.Workers+1, maxDepth),
		jobs:     make(chan *job, 2*(cfg.Workers-1)),
		quit:     make(chan struct{}),
		budget:   semaphore.NewWeighted(cfg.Budget),
		total:    cfg.Budget,
		wait:     cfg.QueueTimeout,
		maxWait:  int64(cfg.MaxWaiting),
	}
	e.admission.limit, e.admission.maxWait = cfg.Admission, cfg.MaxWaiting
	e.admission.wait, e.admission.epoch = cfg.LineTimeout, time.Now()
	e.tuning = Tuning{Workers: e.workers, BatchBytes: e.BatchBytes(), Why: tuning.Why}
	if w := e.Window(); w > cfg.Budget {
		return nil, fmt.Errorf("cannot make an engine: Budget is %d, one stream alone needs %d", cfg.Budget, w)
	}
	e.large.New = func() any { return &buffer{bytes: make([]byte, e.segments*e.slot)} }
	e.small.New = func() any { return &buffer{bytes: make([]byte, e.slot)} }
	for range cfg.Workers - 1 {
		e.running.Add(1)
		go e.work()
	}
	return e, nil
}

// work is one goroutine of the pool.
func (e *Engine) work() {
	defer e.running.Done()
	for {
		select {
		case j := <-e.jobs:
			e.stats.busy.Add(1)
			j.runForOwner(e)
			e.stats.busy.Add(-1)
			j.done <- struct{}{}
		case <-e.quit:
			return
		}
	}
}

// Close ends the workers and refuses new streams and reservations with
// ErrClosed. It waits for the workers, not for streams: those still running end
// correctly on their callers' goroutines. More than once is fine.
func (e *Engine) Close() {
	e.once.Do(func() {
		e.closed.Store(true)
		close(e.quit)
	})
	e.running.Wait()
}

// Workers is how many cores may work on one stream.
func (e *Engine) Workers() int { return e.workers }

// BatchBytes is the plain bytes of one hand-over.
func (e *Engine) BatchBytes() int { return e.segments * e.segment }

// Tuning is what this engine runs with and why, for a log line.
func (e *Engine) Tuning() Tuning { return e.tuning }

func allCores() int { return runtime.GOMAXPROCS(0) }
