package pipeline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

var errSink = errors.New("the sink is full")

// A stream is ended from every side at random points; nothing may be left.
func TestCancellationLeavesNothing(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() {
		seeds = 60
	}
	broken := errors.New("the source broke")
	base := runtime.NumGoroutine()
	e := newEngine(t, 4)
	running := runtime.NumGoroutine()
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 2))
		n := int64(rnd.IntN(12 * testBatch))
		after, pause := rnd.IntN(6), time.Duration(rnd.IntN(500))*time.Microsecond
		ctx, cancel := context.WithCancel(context.Background())
		s := &toy{delay: jitter(rand.New(rand.NewPCG(seed, 3)))}
		var src io.Reader = bytes.NewReader(text(n))
		way := seed % 4
		switch way {
		case 0:
			time.AfterFunc(pause, cancel)
		case 2:
			src = &ends{src, n / 2, broken}
		}
		sink := func(b *Batch) error {
			b.Release()
			if after--; after < 0 && way == 1 {
				return errSink
			}
			return nil
		}
		var err error
		if seed%8 < 4 {
			err = e.Seal(ctx, src, n, s, sink)
		} else {
			body := reference(text(n))
			err = e.Open(ctx, bytes.NewReader(body), int64(len(body)), 0, s, sink)
		}
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errSink) && !errors.Is(err, broken) {
			t.Fatal(err)
		}
		if st := e.Stats(); st.Pooled != 0 {
			t.Fatalf("seed %d: %d bytes are still out", seed, st.Pooled)
		}
		cancel()
	}
	settle(t, running)
	e.Close()
	settle(t, base)
}

// The sink's error comes back as it is, and the sink is not called again.
func TestSinkErrorStopsTheStream(t *testing.T) {
	for _, workers := range []int{1, 2, 6} {
		e := newEngine(t, workers)
		n := int64(9 * testBatch)
		body := reference(text(n))
		for stopAt := range 9 {
			for _, p := range paths {
				calls := 0
				sink := func(b *Batch) error {
					b.Release()
					if calls++; calls > stopAt {
						return errSink
					}
					return nil
				}
				if err := p.seal(e, bytes.NewReader(text(n)), n, &toy{}, sink); err != errSink || calls != stopAt+1 {
					t.Fatalf("seal, %s: %d calls, %v", p.name, calls, err)
				}
				calls = 0
				if err := p.open(e, bytes.NewReader(body), int64(len(body)), &toy{}, sink); err != errSink || calls != stopAt+1 {
					t.Fatalf("open, %s: %d calls, %v", p.name, calls, err)
				}
			}
		}
	}
}

// A request that was cancelled while its last bytes arrived must not become an
// object.
func TestCancelledStreamSealsNoLastBatch(t *testing.T) {
	for _, workers := range []int{1, 3} {
		e := newEngine(t, workers)
		for _, n := range []int64{0, 1, testBatch, 3*testBatch + 1} {
			ctx, cancel := context.WithCancel(context.Background())
			s := &toy{}
			err := e.Seal(ctx, &atEOF{bytes.NewReader(text(n)), cancel}, n, s, release)
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("%d bytes: %v", n, err)
			}
			if s.seen[max(0, (n-1)/testSegment)] {
				t.Fatalf("%d bytes: the last segment was sealed", n)
			}
		}
	}
}

type atEOF struct {
	r    io.Reader
	hook func()
}

func (a *atEOF) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if err == io.EOF {
		a.hook()
	}
	return n, err
}

// bomb is a sealer and opener that panics at one batch.
type bomb struct {
	toy
	at int64
}

func (s *bomb) SealInPlace(slots []byte, plain int, first int64) int {
	if first == s.at {
		panic("BUG: the sealer broke")
	}
	return s.toy.SealInPlace(slots, plain, first)
}

func (s *bomb) OpenInPlace(sealed []byte, first int64) error {
	if first == s.at {
		panic("BUG: the opener broke")
	}
	return s.toy.OpenInPlace(sealed, first)
}

// panicOf runs f and says what it panicked with, "" for nothing.
func panicOf(f func()) (said string) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case string:
			said = p
		case error:
			said = p.Error()
		}
	}()
	f()
	return ""
}

// A panic in a worker belongs to the stream that caused it: its caller sees it,
// other streams do not, and nothing is left.
func TestPanicReachesItsOwnStream(t *testing.T) {
	for _, workers := range []int{1, 3} {
		e := newEngine(t, workers)
		n := int64(8 * testBatch)
		body := reference(text(n))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { // bystanders
				for range 5 {
					if got := sealAll(t, e, bytes.NewReader(text(n)), n, &toy{}); !bytes.Equal(got, body) {
						t.Error("a bystander got other bytes")
					}
				}
			})
		}
		for at := range int64(8) {
			s := &bomb{at: at * testBatch / testSegment}
			if said := panicOf(func() {
				_ = e.Seal(context.Background(), bytes.NewReader(text(n)), n, s, release)
			}); !strings.HasPrefix(said, "BUG: the sealer broke") {
				t.Errorf("batch %d sealed: %q", at, said)
			}
			if said := panicOf(func() {
				_ = e.Open(context.Background(), bytes.NewReader(body), int64(len(body)), 0, s, release)
			}); !strings.HasPrefix(said, "BUG: the opener broke") {
				t.Errorf("batch %d opened: %q", at, said)
			}
		}
		wg.Wait()
		for name, f := range map[string]func(){
			"source": func() { _ = e.Seal(context.Background(), bombReader{}, n, &toy{}, release) },
			"sink": func() {
				_ = e.Seal(context.Background(), bytes.NewReader(text(n)), n, &toy{}, func(b *Batch) error { b.Release(); panic("BUG: broke") })
			},
		} {
			if said := panicOf(f); !strings.HasPrefix(said, "BUG:") {
				t.Errorf("%s: %q", name, said)
			}
		}
		if st := e.Stats(); st.Pooled != 0 {
			t.Errorf("%d bytes are still out", st.Pooled)
		}
	}
}

type bombReader struct{}

func (bombReader) Read([]byte) (int, error) { panic("BUG: the source broke") }

// A sealer that returns another length would make another object than the size
// law says.
func TestWrongSealedLengthIsABug(t *testing.T) {
	e := newEngine(t, 1)
	if said := panicOf(func() {
		_ = e.Seal(context.Background(), bytes.NewReader(text(5)), 5, short{}, release)
	}); !strings.HasPrefix(said, "BUG: a sealer") {
		t.Error(said)
	}
}

type short struct{}

func (short) SealInPlace(_ []byte, plain int, _ int64) int { return plain }

// Close ends the pool; what runs still ends right, what is new is refused.
func TestCloseRefusesNewAndFinishesRunning(t *testing.T) {
	e := newEngine(t, 3)
	n := int64(10 * testBatch)
	var got []byte
	closeOnce := sync.OnceFunc(e.Close)
	err := e.Seal(context.Background(), bytes.NewReader(text(n)), n, &toy{}, func(b *Batch) error {
		closeOnce()
		return collect(&got)(b)
	})
	if err != nil || !bytes.Equal(got, reference(text(n))) {
		t.Fatalf("the running stream: %v", err)
	}
	e.Close()
	if err := e.Seal(context.Background(), bytes.NewReader(nil), 0, &toy{}, release); !errors.Is(err, ErrClosed) {
		t.Errorf("seal: %v", err)
	}
	if err := e.Open(context.Background(), bytes.NewReader(nil), 0, 0, &toy{}, release); !errors.Is(err, ErrClosed) {
		t.Errorf("open: %v", err)
	}
	if _, err := e.Reserve(context.Background(), 1); !errors.Is(err, ErrClosed) {
		t.Errorf("reserve: %v", err)
	}
}
