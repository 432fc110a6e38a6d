package rewrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/reblock"
)

// Run is one walk through a bucket. Make it with Prepare, use it once.
type Run struct {
	cfg     Config
	state   *bucketState
	ring    Ring // seals under the bucket's active key
	mover   *reblock.Mover
	objects *limiter
	bytes   *limiter
	proofs  struct {
		put, parts         proof
		putKept, partsKept [1 << besideFields]proof // by what was tried
	}
	beside  beside
	resumed bool
	end     context.CancelCauseFunc

	ledger *ledger
	totals totals   // guarded by ledger.mu
	older  versions // guarded by ledger.mu

	failures failures
}

// Prepare checks cfg, reads the bucket's state and the checkpoint, and writes
// nothing. Errors: a plain one that names the bad field, ErrState, ErrKeys,
// ErrNotRecorded (not for a survey), ErrCheckpoint, and the store's.
func Prepare(ctx context.Context, cfg Config) (*Run, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	st, err := readState(ctx, cfg.Store, cfg.Ring, cfg.Bucket)
	if err != nil {
		return nil, err
	}
	active, err := cfg.Ring.Active()
	if err != nil {
		return nil, fmt.Errorf("cannot prepare the run: %w: %w", ErrKeys, err)
	}
	if _, ok := st.Keys[active]; !ok && !cfg.Survey {
		return nil, fmt.Errorf("cannot rewrap bucket %s: %w: it has %s, the ring %s", cfg.Bucket, ErrNotRecorded, st.active, active)
	}
	r := &Run{
		cfg: cfg, state: st, ring: &boundRing{cfg.Ring, st.active}, totals: newTotals(), older: versions{keys: map[string]Count{}},
		objects: newLimiter(cfg.Objects, cfg.clock), bytes: newLimiter(cfg.Bytes, cfg.clock),
	}
	r.mover, err = reblock.New(reblock.Config{Store: cfg.Store, Whole: whole, Spend: r.bytes.spend, Left: cfg.Warn})
	if err != nil {
		return nil, err
	}
	after, err := r.resume()
	if err != nil {
		return nil, err
	}
	r.ledger = newLedger(window, after, func(o Outcome) {
		r.totals.add(o, st.Keys)
		cfg.Each(o)
	})
	return r, nil
}

// resume takes a checkpoint over and returns the last key that is done.
func (r *Run) resume() (after string, err error) {
	if r.cfg.Checkpoint == "" {
		return "", nil
	}
	c, err := loadCheckpoint(r.cfg.Checkpoint)
	if err != nil || c == nil {
		return "", err
	}
	if c.Bucket != r.cfg.Bucket || c.BucketID != r.state.BucketID.String() || c.Active != r.state.active.String() {
		return "", fmt.Errorf("%w: %s is of bucket %s under key %s, and this is bucket %s under key %s",
			ErrCheckpoint, r.cfg.Checkpoint, c.Bucket, c.Active, r.cfg.Bucket, r.state.active)
	}
	r.resumed, r.totals = true, c.Totals
	return c.After, nil
}

// Walk goes through the bucket until its end, until ctx ends, or until it makes no
// sense to go on. The report is of what was done in every case; its Trouble is no
// error. Errors: that of ctx, ErrNoConditions, ErrStoreGone, ErrRotated, and the
// store's.
func (r *Run) Walk(ctx context.Context) (Report, error) {
	walk, end := context.WithCancelCause(ctx)
	defer end(nil)
	r.end = end
	if !r.cfg.Survey {
		r.sweep(walk)
		r.look(walk)
	}
	saver := r.startSaver()
	err := r.work(walk)
	if err == nil {
		r.ledger.end()
	} else if cause := context.Cause(walk); cause != nil {
		err = cause
	}
	saver.stop()
	switch {
	case r.cfg.Checkpoint == "":
	case err != nil:
		r.save()
	default:
		if rerr := os.Remove(r.cfg.Checkpoint); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
			r.cfg.Warn(fmt.Errorf("cannot remove the checkpoint: %w", rerr))
		}
	}
	if err == nil {
		err = r.versions(ctx)
	}
	if err == nil {
		err = r.checkActive(ctx)
	}
	report := r.Report()
	report.Complete = err == nil
	report.judge()
	return report, err
}

// checkActive: what was done under a key that is no longer the active one is
// well, but it is not what was asked for.
func (r *Run) checkActive(ctx context.Context) error {
	st, err := readState(ctx, r.cfg.Store, r.cfg.Ring, r.cfg.Bucket)
	if errors.Is(err, ErrKeys) || err == nil && st.active != r.state.active {
		return ErrRotated
	}
	return err
}

// Progress tells how far the run is, the part before its checkpoint included.
func (r *Run) Progress() Progress {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	t := &r.totals
	return Progress{
		Seen: t.objects(), Rewrapped: t.Kinds[Rewrapped],
		Trouble: t.Kinds[Unreadable].Objects + t.Kinds[Changed].Objects + t.Kinds[Failed].Objects + t.Kinds[Held].Objects,
	}
}

// Progress is a moment of a run.
type Progress struct {
	Seen      Count
	Rewrapped Count
	Trouble   int64
}

// Report tells what was found so far.
func (r *Run) Report() Report {
	r.ledger.mu.Lock()
	t, older := r.totals.clone(), r.older.clone()
	r.ledger.mu.Unlock()
	report := t.report(r.state, r.cfg.Ring, &older)
	report.Bucket, report.Survey, report.Resumed = r.cfg.Bucket, r.cfg.Survey, r.resumed
	return report
}

// Count lists the bucket and returns how many objects a whole run looks at, those
// before its checkpoint too: for a display. It needs no key.
func (r *Run) Count(ctx context.Context) (Count, error) {
	var n Count
	err := r.list(ctx, "", func(e backend.Entry) bool {
		n.add(e.Size)
		return true
	})
	return n, err
}

// work feeds the workers and joins them.
func (r *Run) work(ctx context.Context) error {
	jobs := make(chan listed)
	var workers sync.WaitGroup
	for range r.cfg.Parallel {
		workers.Go(func() {
			for j := range jobs {
				r.one(ctx, j)
			}
		})
	}
	err := r.list(ctx, r.ledger.after, func(e backend.Entry) bool {
		if r.objects.spend(ctx, 1) != nil {
			return false
		}
		j, ok := r.ledger.begin(e.Key, ctx.Done())
		if !ok {
			return false
		}
		select {
		case jobs <- listed{j, e}:
			return true
		case <-ctx.Done():
			return false
		}
	})
	close(jobs)
	workers.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return err
}

type listed struct {
	job   *job
	entry backend.Entry
}

// one does one object. What was cut short stays open in the ledger: it is not
// done.
func (r *Run) one(ctx context.Context, l listed) {
	if ctx.Err() != nil {
		return
	}
	o := r.object(ctx, l.entry)
	if ctx.Err() != nil && o.Kind == Failed {
		return
	}
	if r.failures.add(o.Kind == Failed) {
		r.end(fmt.Errorf("%w: %w", ErrStoreGone, o.Err))
	}
	r.ledger.finish(l.job, o)
}

// failures counts those in a row.
type failures struct {
	mu sync.Mutex
	n  int
}

// add says whether there are too many.
func (f *failures) add(failed bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !failed {
		f.n = 0
		return false
	}
	f.n++
	return f.n >= maxFailures
}

// list calls each for every object of clients behind the key after, in order,
// until it returns false.
func (r *Run) list(ctx context.Context, after string, each func(backend.Entry) bool) error {
	opt := backend.ListOptions{StartAfter: after, MaxKeys: pageSize}
	last := after
	for {
		page, err := r.cfg.Store.List(ctx, r.cfg.Bucket, opt)
		if err != nil {
			return fmt.Errorf("cannot list bucket %s: %w", r.cfg.Bucket, err)
		}
		for _, e := range page.Objects {
			if e.Key <= last && r.cfg.Checkpoint != "" {
				return fmt.Errorf("cannot list bucket %s in order: %w: the store's order is its own", r.cfg.Bucket, ErrCheckpoint)
			}
			last = e.Key
			if strings.HasPrefix(e.Key, format.ReservedPrefix) {
				continue
			}
			if !each(e) {
				return nil
			}
		}
		if !page.Truncated {
			return nil
		}
		opt.ContinuationToken = page.NextToken
	}
}

// save writes the checkpoint, if something is done.
func (r *Run) save() {
	r.ledger.mu.Lock()
	c := &checkpoint{checkpointVersion, r.cfg.Bucket, r.state.BucketID.String(), r.state.active.String(), r.ledger.after, r.totals.clone()}
	r.ledger.mu.Unlock()
	if c.After == "" {
		return
	}
	if err := c.save(r.cfg.Checkpoint); err != nil {
		r.cfg.Warn(err)
	}
}

// saver writes checkpoints from time to time.
type saver struct{ quit, done chan struct{} }

func (r *Run) startSaver() saver {
	s := saver{make(chan struct{}), make(chan struct{})}
	go func() {
		defer close(s.done)
		if r.cfg.Checkpoint == "" {
			return
		}
		tick := time.NewTicker(saveEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.save()
			case <-s.quit:
				return
			}
		}
	}()
	return s
}

func (s saver) stop() {
	close(s.quit)
	<-s.done
}
