package pipeline

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"time"
)

// gauge records the most pooled bytes at once.
type gauge struct {
	e    *Engine
	mu   sync.Mutex
	peak int64
}

func (g *gauge) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.peak = max(g.peak, g.e.Stats().Pooled)
}

func TestFootprintIsExact(t *testing.T) {
	for _, workers := range []int{1, 2, 8} {
		for _, batch := range []int{testBatch, testBatch + testSegment} {
			e := newEngine(t, workers, func(c *Config) { c.BatchBytes = batch })
			for _, n := range sizes() {
				g := gauge{e: e}
				var chain Chain
				if err := e.Seal(context.Background(), bytes.NewReader(text(n)), n, &toy{}, func(b *Batch) error { chain.Append(b); g.look(); return nil }); err != nil {
					t.Fatal(err)
				}
				if want := e.Footprint(n); g.peak != want {
					t.Errorf("%d workers, %d bytes: a chain held %d, Footprint says %d", workers, n, g.peak, want)
				}
				chain.Release()
			}
		}
	}
}

// A slow reader and slow workers fill every place a batch can be in. The bound
// is exact: it is reached and never passed.
func TestWindowIsExact(t *testing.T) {
	for _, workers := range []int{1, 2, 4, 8} {
		e := newEngine(t, workers)
		g := gauge{e: e}
		n := int64(40 * testBatch)
		w, r := NewPipe(PipeDepth)
		sealed := make(chan struct{})
		go func() {
			defer close(sealed)
			s := &slowFirst{toy: toy{delay: g.look}}
			w.CloseWithError(e.Seal(context.Background(), bytes.NewReader(text(n)), n, s, func(b *Batch) error {
				g.look()
				err := w.Send(context.Background(), b)
				g.look()
				return err
			}))
		}()
		one := make([]byte, 1)
		if _, err := r.Read(one); err != nil { // the reader holds a batch and stalls
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		g.look()
		rest, err := io.ReadAll(watched{r, g.look})
		if err != nil || int64(len(rest))+1 != n/testSegment*testSlot {
			t.Fatalf("%d bytes, %v", len(rest)+1, err)
		}
		<-sealed
		r.Close()
		if g.peak > e.Window() {
			t.Errorf("%d workers: a stream held %d, Window says %d", workers, g.peak, e.Window())
		}
		if g.peak < e.Window()-int64(2*testBatch/testSegment*testSlot) {
			t.Errorf("%d workers: a stream held %d at most, Window says %d: too much is reserved", workers, g.peak, e.Window())
		}
	}
}

// slowFirst makes some batches slow, so that the others pile up behind them.
type slowFirst struct{ toy }

func (s *slowFirst) SealInPlace(slots []byte, plain int, first int64) int {
	if first/(testBatch/testSegment)%7 == 3 {
		time.Sleep(5 * time.Millisecond)
	}
	return s.toy.SealInPlace(slots, plain, first)
}

type watched struct {
	r    io.Reader
	look func()
}

func (w watched) Read(p []byte) (int, error) {
	w.look()
	time.Sleep(20 * time.Microsecond)
	return w.r.Read(p)
}

func TestStatsCount(t *testing.T) {
	e := newEngine(t, 2)
	n := int64(6*testBatch + 1)
	body := sealAll(t, e, bytes.NewReader(text(n)), n, &toy{delay: func() { time.Sleep(time.Millisecond) }})
	if err := e.Open(context.Background(), bytes.NewReader(body), int64(len(body)), 0, &toy{}, release); err != nil {
		t.Fatal(err)
	}
	st := e.Stats()
	if st.Sealed != n || st.Opened != n || st.HandedOver+st.Inline != 14 || st.SealTime < 7*time.Millisecond || st.OpenTime <= 0 || st.Workers != 1 || st.Budget != 64<<20 {
		t.Errorf("%+v", st)
	}
	serial := newEngine(t, 1)
	sealAll(t, serial, bytes.NewReader(text(n)), n, &toy{})
	if st := serial.Stats(); st.HandedOver != 0 || st.Inline != 7 || st.Workers != 0 {
		t.Errorf("one worker is the serial path: %+v", st)
	}
}
