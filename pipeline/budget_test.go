package pipeline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func reserve(t *testing.T, e *Engine, n int64) *Reservation {
	t.Helper()
	r, err := e.Reserve(context.Background(), n)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTooLargeIsRefusedAtOnce(t *testing.T) {
	e := newEngine(t, 1, func(c *Config) { c.Budget = 10 << 20 })
	if _, err := e.Reserve(context.Background(), 10<<20+1); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	if _, ok := e.TryReserve(10<<20 + 1); ok {
		t.Fatal("more than the budget")
	}
	reserve(t, e, 10<<20).Release()
}

func TestBusyAfterQueueTimeout(t *testing.T) {
	e := newEngine(t, 1, func(c *Config) { c.Budget = 10 << 20; c.QueueTimeout = 100 * time.Millisecond })
	defer reserve(t, e, 10<<20).Release()
	began := time.Now()
	if _, err := e.Reserve(context.Background(), 1); !errors.Is(err, ErrBusy) || time.Since(began) < 90*time.Millisecond {
		t.Fatalf("%v after %v", err, time.Since(began))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := e.Reserve(ctx, 1); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrBusy) {
		t.Fatalf("the caller's own deadline: %v", err)
	}
	if _, err := e.Reserve(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a context that is over: %v", err)
	}
	if st := e.Stats(); st.Refused != 1 || st.Waiting != 0 || st.BudgetUsed != 10<<20 {
		t.Errorf("%+v", st)
	}
}

func TestBudgetIsFairAndBounded(t *testing.T) {
	e := newEngine(t, 1, func(c *Config) { c.Budget = 10 << 20; c.MaxWaiting = 5; c.QueueTimeout = time.Minute })
	all := reserve(t, e, 10<<20)
	order := make(chan int, 5)
	// queued counts who is in the semaphore's line: Waiting counts them a moment before.
	queued := func() (n int) {
		buf := make([]byte, 1<<20)
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "[select") && strings.Contains(g, "semaphore.(*Weighted).Acquire") {
				n++
			}
		}
		return n
	}
	var done sync.WaitGroup
	// The first waiter is large; the small ones behind it must not overtake.
	for i, n := range []int64{10 << 20, 1, 10 << 20, 1, 10 << 20} {
		done.Go(func() {
			r, err := e.Reserve(context.Background(), n)
			if err != nil {
				t.Error(err)
				return
			}
			order <- i
			r.Release()
			r.Release() // twice is fine
		})
		until(t, "it waits", func() bool { return e.Stats().Waiting == int64(i+1) && queued() == i+1 })
	}
	began := time.Now()
	if _, err := e.Reserve(context.Background(), 1); !errors.Is(err, ErrBusy) || time.Since(began) > 10*time.Second {
		t.Fatalf("one waiter too many: %v", err)
	}
	if _, ok := e.TryReserve(1); ok {
		t.Fatal("TryReserve overtakes")
	}
	all.Release()
	for want := range 5 {
		if got := <-order; got != want {
			t.Fatalf("waiter %d came before %d", got, want)
		}
	}
	done.Wait()
}

// 64 streams share a budget for a few: the pooled bytes never exceed it.
func TestBudgetBoundsManyStreams(t *testing.T) {
	const streams, budget = 64, 2 << 20
	e := newEngine(t, 3, func(c *Config) { c.Budget = budget; c.QueueTimeout = time.Minute })
	n := int64(4*testBatch + 77)
	want := reference(text(n))
	stop := make(chan struct{})
	var over atomic.Int64
	var watch, wg sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				over.Store(max(over.Load(), e.Stats().Pooled))
				time.Sleep(20 * time.Microsecond)
			}
		}
	})
	for i := range streams {
		wg.Go(func() {
			var got []byte
			var err error
			if i%2 == 0 {
				got, err = throughChain(e, n)
			} else {
				got, err = throughPipe(e, n)
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("stream %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	close(stop)
	watch.Wait()
	if over.Load() > budget {
		t.Errorf("%d bytes were out, the budget is %d", over.Load(), budget)
	}
}

func throughChain(e *Engine, n int64) ([]byte, error) {
	r, err := e.Reserve(context.Background(), e.Footprint(n))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	var chain Chain
	defer chain.Release()
	if err := e.Seal(context.Background(), bytes.NewReader(text(n)), n, &toy{}, func(b *Batch) error { chain.Append(b); return nil }); err != nil {
		return nil, err
	}
	body := chain.NewReader(nil, nil)
	defer body.Close()
	return io.ReadAll(body)
}

func throughPipe(e *Engine, n int64) ([]byte, error) {
	res, err := e.Reserve(context.Background(), e.Window())
	if err != nil {
		return nil, err
	}
	defer res.Release()
	w, r := NewPipe(PipeDepth)
	defer r.Close()
	sealed := make(chan struct{})
	go func() {
		defer close(sealed)
		w.CloseWithError(e.Seal(context.Background(), bytes.NewReader(text(n)), n, &toy{}, func(b *Batch) error { return w.Send(context.Background(), b) }))
	}()
	got, err := io.ReadAll(r)
	<-sealed
	return got, err
}

func TestNegativeReservationIsABug(t *testing.T) {
	e := newEngine(t, 1)
	for name, f := range map[string]func(){
		"Reserve":    func() { _, _ = e.Reserve(context.Background(), -1) },
		"TryReserve": func() { e.TryReserve(-1) },
		"Footprint":  func() { e.Footprint(-1) },
	} {
		if said := panicOf(f); said == "" {
			t.Errorf("%s of -1: no panic", name)
		}
	}
}
