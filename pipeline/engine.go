package pipeline

import (
	"errors"
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
// bytes. It must be safe for concurrent use on disjoint slots and cannot fail.
type Sealer interface {
	SealInPlace(slots []byte, plain int, first int64) int
}

// Opener opens contiguous sealed segments where they lie; after it, the
// plaintext of segment first+i is at slot i. On an error nothing of sealed may
// be used. Safe for concurrent use on disjoint slots.
type Opener interface {
	OpenInPlace(sealed []byte, first int64) error
}

// Errors a caller decides on.
var (
	// ErrBusy: no budget within QueueTimeout, or too many wait already.
	ErrBusy = errors.New("the byte budget is taken")
	// ErrTooLarge: the reservation exceeds the whole budget.
	ErrTooLarge = errors.New("larger than the whole byte budget")
	// ErrClosed: the engine, or the other side of a Pipe, is closed.
	ErrClosed = errors.New("closed")
	// ErrShortSource: src ended before its announced length. It wraps
	// io.ErrUnexpectedEOF in the returned error.
	ErrShortSource = errors.New("the source ended early")
	// ErrLongSource: src goes on past its announced length.
	ErrLongSource = errors.New("the source goes on past its length")
)

// Config of an Engine; not changed after New.
type Config struct {
	// SegmentBytes and TagBytes are the format's: plain bytes of a full segment,
	// and what sealing adds to each. Required.
	SegmentBytes, TagBytes int

	// Workers is how many cores may work on one stream: its caller and Workers-1
	// goroutines of the pool. 1 is the serial path. 0 = all cores.
	Workers int
	// BatchBytes is the plain bytes of one hand-over, rounded down to whole
	// segments; 0 = from the caches of this CPU, see Tune.
	BatchBytes int
	// Budget is the bytes all reservations share; 0 = 256 MiB.
	Budget int64
	// QueueTimeout is how long Reserve waits; 0 = 5 s.
	QueueTimeout time.Duration
	// MaxWaiting is how many may wait in Reserve at once; 0 = 4096.
	MaxWaiting int
}

// Engine is the shared machinery of all streams: the workers, the buffer pools
// and the byte budget. Make one with New for the life of the process. All
// methods are safe for concurrent use; Close is called once, after the last
// stream.
type Engine struct {
	segment, slot int
	segments      int // per batch
	workers       int
	depth         int

	jobs    chan *job
	running sync.WaitGroup

	large, small sync.Pool // of *buffer

	budget  *semaphore.Weighted
	total   int64
	wait    time.Duration
	maxWait int64

	stats counters
}

// New checks a Config, starts the workers, and makes an Engine. The error names
// the bad field.
func New(cfg Config) (*Engine, error) {
	auto := Tune(cfg.SegmentBytes)
	if cfg.Workers == 0 {
		cfg.Workers = auto.Workers
	}
	if cfg.BatchBytes == 0 {
		cfg.BatchBytes = auto.BatchBytes
	}
	if cfg.Budget == 0 {
		cfg.Budget = defaultBudget
	}
	if cfg.QueueTimeout == 0 {
		cfg.QueueTimeout = defaultQueueTimeout
	}
	if cfg.MaxWaiting == 0 {
		cfg.MaxWaiting = defaultMaxWaiting
	}
	switch {
	case cfg.SegmentBytes <= 0:
		return nil, fmt.Errorf("cannot make an engine: SegmentBytes is %d", cfg.SegmentBytes)
	case cfg.TagBytes <= 0:
		return nil, fmt.Errorf("cannot make an engine: TagBytes is %d", cfg.TagBytes)
	case cfg.Workers < 0:
		return nil, fmt.Errorf("cannot make an engine: Workers is %d", cfg.Workers)
	case cfg.BatchBytes < minBatch || cfg.BatchBytes > maxBatch:
		return nil, fmt.Errorf("cannot make an engine: BatchBytes is %d, %d to %d are allowed", cfg.BatchBytes, minBatch, maxBatch)
	case cfg.Budget < 0:
		return nil, fmt.Errorf("cannot make an engine: Budget is %d", cfg.Budget)
	case cfg.QueueTimeout < 0:
		return nil, fmt.Errorf("cannot make an engine: QueueTimeout is %v", cfg.QueueTimeout)
	case cfg.MaxWaiting < 0:
		return nil, fmt.Errorf("cannot make an engine: MaxWaiting is %d", cfg.MaxWaiting)
	}
	e := &Engine{
		segment:  cfg.SegmentBytes,
		slot:     cfg.SegmentBytes + cfg.TagBytes,
		segments: max(1, cfg.BatchBytes/cfg.SegmentBytes),
		workers:  cfg.Workers,
		depth:    min(2*cfg.Workers+1, maxDepth),
		jobs:     make(chan *job, 2*(cfg.Workers-1)),
		budget:   semaphore.NewWeighted(cfg.Budget),
		total:    cfg.Budget,
		wait:     cfg.QueueTimeout,
		maxWait:  int64(cfg.MaxWaiting),
	}
	if cfg.Workers == 1 {
		e.depth = 1
	}
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
	for j := range e.jobs {
		e.stats.busy.Add(1)
		j.run(e)
		e.stats.busy.Add(-1)
		j.done <- struct{}{}
	}
}

// Close ends the workers. No stream may be running.
func (e *Engine) Close() {
	close(e.jobs)
	e.running.Wait()
}

// Workers is how many cores may work on one stream.
func (e *Engine) Workers() int { return e.workers }

// BatchBytes is the plain bytes of one hand-over.
func (e *Engine) BatchBytes() int { return e.segments * e.segment }

// Stats is what an engine did and does. Totals only grow.
type Stats struct {
	Budget, BudgetUsed int64 // bytes
	Waiting            int64 // streams waiting for budget
	Refused            int64 // total of ErrBusy
	Workers, Busy      int64 // goroutines of the pool, and those at work
	Pooled             int64 // bytes of batches that have an owner now
	HandedOver, Inline int64 // total of batches done by the pool, by their caller
	Sealed, Opened     int64 // total of plain bytes
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
	c := &e.stats
	return Stats{
		Budget: e.total, BudgetUsed: c.used.Load(), Waiting: c.waiting.Load(), Refused: c.refused.Load(),
		Workers: int64(e.workers - 1), Busy: c.busy.Load(), Pooled: c.pooled.Load(),
		HandedOver: c.handed.Load(), Inline: c.inline.Load(),
		Sealed: c.sealed.Load(), Opened: c.opened.Load(),
		SealTime: time.Duration(c.sealTime.Load()), OpenTime: time.Duration(c.openTime.Load()),
	}
}

func allCores() int { return runtime.GOMAXPROCS(0) }
