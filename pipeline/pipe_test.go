package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// feed seals n bytes into a pipe on its own goroutine and tells the outcome.
func feed(e *Engine, src io.Reader, n int64, s Sealer, w *PipeWriter) <-chan error {
	sealed := make(chan error, 1)
	go func() {
		err := e.Seal(context.Background(), src, n, s, func(b *Batch) error { return w.Send(context.Background(), b) })
		w.CloseWithError(err)
		sealed <- err
	}()
	return sealed
}

func TestPipeGivesTheSealedBytes(t *testing.T) {
	for _, workers := range []int{1, 3} {
		e := newEngine(t, workers)
		for _, n := range sizes() {
			for _, depth := range []int{0, 1, 4} {
				if testing.Short() && n > 2*testBatch {
					continue
				}
				w, r := NewPipe(depth)
				sealed := feed(e, bytes.NewReader(text(n)), n, &toy{}, w)
				if err := iotest.TestReader(r, reference(text(n))); err != nil {
					t.Fatalf("%d bytes, depth %d: %v", n, depth, err)
				}
				if _, err := r.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("after the end: %v", err)
				}
				if err := <-sealed; err != nil {
					t.Fatal(err)
				}
				r.Close()
				if _, err := r.Read(make([]byte, 1)); !errors.Is(err, ErrClosed) {
					t.Errorf("after Close: %v", err)
				}
			}
		}
	}
}

func TestPipeGivesTheErrorNeverACleanEnd(t *testing.T) {
	e := newEngine(t, 2)
	n := int64(5 * testBatch)
	for name, broken := range map[string]error{
		"an error":      errors.New("the source broke"),
		"a wrapped end": fmt.Errorf("a digest that ends in %w", io.EOF),
	} {
		for at := int64(0); at <= n; at += testBatch / 2 {
			w, r := NewPipe(PipeDepth)
			sealed := feed(e, &ends{bytes.NewReader(text(n)), at, broken}, n, &toy{}, w)
			got, err := io.ReadAll(r)
			if err == nil || len(got) >= len(reference(text(n))) {
				t.Fatalf("%s after %d: the reader got %d bytes and a clean end", name, at, len(got))
			}
			if errors.Is(err, io.EOF) {
				t.Fatalf("%s: %v is taken for an end by some readers", name, err)
			}
			if name == "an error" && !errors.Is(err, broken) {
				t.Fatalf("%s: the reader got %v", name, err)
			}
			if _, again := r.Read(make([]byte, 1)); again == nil || again.Error() != err.Error() {
				t.Fatalf("%s: then %v", name, again)
			}
			<-sealed
			r.Close()
		}
	}
	w, r := NewPipe(1)
	w.CloseWithError(io.EOF) // a bare end, given as a failure
	w.CloseWithError(nil)    // the first call counts
	if _, err := io.ReadAll(r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("CloseWithError(io.EOF): %v", err)
	}
	r.Close()
}

// The error overtakes what is queued: the transport stops at once.
func TestPipeErrorOvertakesTheQueue(t *testing.T) {
	e := newEngine(t, 1)
	w, r := NewPipe(2)
	for range 2 {
		if err := w.Send(context.Background(), batchOf(t, e, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	w.CloseWithError(errSink)
	for range 3 {
		if _, err := r.Read(make([]byte, 1)); err != errSink {
			t.Fatal(err)
		}
	}
	if err := w.Send(context.Background(), batchOf(t, e, 100)); !errors.Is(err, ErrClosed) {
		t.Errorf("Send after the end: %v", err)
	}
	r.Close()
}

func TestPipeIsBounded(t *testing.T) {
	e := newEngine(t, 1)
	for _, depth := range []int{0, 1, 3} {
		w, r := NewPipe(depth)
		for range depth {
			if err := w.Send(context.Background(), batchOf(t, e, 10)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		if err := w.Send(ctx, batchOf(t, e, 10)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("depth %d: one more went in: %v", depth, err)
		}
		cancel()
		r.Close()
		if err := w.Send(context.Background(), batchOf(t, e, 10)); !errors.Is(err, ErrClosed) {
			t.Errorf("Send to a closed reader: %v", err)
		}
	}
}

// A blocked Send and a blocked Read both end when the reader is closed.
func TestPipeCloseFreesBothSides(t *testing.T) {
	e := newEngine(t, 1)
	w, r := NewPipe(0)
	sent := make(chan error, 1)
	b := batchOf(t, e, 10)
	go func() { sent <- w.Send(context.Background(), b) }()
	time.Sleep(2 * time.Millisecond)
	r.Close()
	if err := <-sent; !errors.Is(err, ErrClosed) {
		t.Errorf("Send: %v", err)
	}
	w, r = NewPipe(0)
	read := make(chan error, 1)
	go func() { _, err := r.Read(make([]byte, 1)); read <- err }()
	time.Sleep(2 * time.Millisecond)
	r.Close()
	if err := <-read; !errors.Is(err, ErrClosed) {
		t.Errorf("Read: %v", err)
	}
	w.CloseWithError(nil)
}

func TestPipeCloseBesideRead(t *testing.T) {
	e := newEngine(t, 3)
	seeds := uint64(300)
	if testing.Short() {
		seeds = 100
	}
	n := int64(10 * testBatch)
	want := reference(text(n))
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 4))
		w, r := NewPipe(1)
		sealed := feed(e, bytes.NewReader(text(n)), n, &toy{}, w)
		var wg sync.WaitGroup
		wg.Go(func() {
			got, err := io.ReadAll(r)
			if !bytes.Equal(got, want[:len(got)]) {
				t.Error("other bytes")
			}
			if err == nil && len(got) != len(want) {
				t.Errorf("a clean end after %d of %d bytes", len(got), len(want))
			}
		})
		time.Sleep(time.Duration(rnd.IntN(300)) * time.Microsecond)
		wg.Go(func() { r.Close() })
		r.Close()
		wg.Wait()
		if err := <-sealed; err != nil && !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
		if st := e.Stats(); st.Pooled != 0 {
			t.Fatalf("seed %d: %d bytes are still out", seed, st.Pooled)
		}
	}
}

// The three moments between Close's steps, each forced; a select takes either
// way by chance, hence the rounds.
const rounds = 64

// What Close threw away must not look like the end of the stream.
func TestPipeCloseIsNoCleanEnd(t *testing.T) {
	e := newEngine(t, 1)
	for range rounds {
		w, r := NewPipe(1)
		if err := w.Send(context.Background(), batchOf(t, e, 10)); err != nil {
			t.Fatal(err)
		}
		close(r.p.closed) // Close has come this far
		r.p.empty()
		w.CloseWithError(nil)
		if _, err := r.next(); !errors.Is(err, ErrClosed) {
			t.Fatalf("a reader that waits gets %v", err)
		}
	}
}

// A batch that goes in while Close empties the queue is freed by Send.
func TestPipeSendBesideClose(t *testing.T) {
	e := newEngine(t, 1)
	for range rounds {
		w, r := NewPipe(1)
		ctx := &hookedContext{Context: context.Background(), hook: func() { r.Close() }}
		err := w.Send(ctx, batchOf(t, e, 10))
		if err != nil && !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
		if got := e.Stats().Pooled; got != 0 {
			t.Fatalf("%d bytes are still out", got)
		}
	}
}

// hookedContext calls hook when Done is asked for the second time: Send's first
// look is over, its select begins.
type hookedContext struct {
	context.Context
	asked int
	hook  func()
}

func (c *hookedContext) Done() <-chan struct{} {
	if c.asked++; c.asked == 2 {
		c.hook()
	}
	return nil
}

// A batch that a Read took just before Close is freed by that Read.
func TestPipeReadBesideClose(t *testing.T) {
	e := newEngine(t, 1)
	w, r := NewPipe(1)
	if err := w.Send(context.Background(), batchOf(t, e, 10)); err != nil {
		t.Fatal(err)
	}
	b, err := r.next()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	r.keep(b)
	if got := e.Stats().Pooled; got != 0 {
		t.Fatalf("%d bytes are still out", got)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}
