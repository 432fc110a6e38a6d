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

// The bound is exact: it is never passed, and it is reached when the reader
// stalls with a batch in hand, one is queued, and the third is slow to seal.
// Whether a worker takes the slow one is chance, hence the attempts.
func TestWindowIsExact(t *testing.T) {
	for _, workers := range []int{1, 2, 4, 8} {
		e := newEngine(t, workers)
		g := gauge{e: e}
		for range 50 {
			stalledStream(t, e, &g)
			if g.peak >= e.Window() {
				break
			}
		}
		if g.peak != e.Window() {
			t.Errorf("%d workers: a stream held %d at most, Window says %d", workers, g.peak, e.Window())
		}
	}
}

func stalledStream(t *testing.T, e *Engine, g *gauge) {
	t.Helper()
	n := int64(20 * testBatch)
	w, r := NewPipe(PipeDepth)
	sealed := feed(e, looking{bytes.NewReader(text(n)), g.look}, n, &slowThird{}, w)
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		time.Sleep(time.Millisecond)
		g.look()
	}
	rest, err := io.ReadAll(looking{r, g.look})
	if err != nil || int64(len(rest))+1 != n/testSegment*testSlot {
		t.Fatalf("%d bytes, %v", len(rest)+1, err)
	}
	if err := <-sealed; err != nil {
		t.Fatal(err)
	}
	r.Close()
}

// slowThird makes the third batch slow, so that the others pile up behind it.
type slowThird struct{ toy }

func (s *slowThird) SealInPlace(slots []byte, plain int, first int64) int {
	if first == 2*testBatch/testSegment {
		time.Sleep(15 * time.Millisecond)
	}
	return s.toy.SealInPlace(slots, plain, first)
}

type looking struct {
	r    io.Reader
	look func()
}

func (l looking) Read(p []byte) (int, error) {
	l.look()
	return l.r.Read(p)
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
