package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// The tests use small segments so that many edges fit in little time: 1 KiB
// with an 8-byte tag.
const (
	testSegment = 1 << 10
	testTag     = 8
	testSlot    = testSegment + testTag
)

var table = crc64.MakeTable(crc64.ECMA)

// toy seals by XOR with the segment number and tags with a CRC of number and
// plaintext: wrong order, wrong place and wrong bytes all show.
type toy struct {
	delay func()
	mu    sync.Mutex
	seen  map[int64]bool // segments sealed, to notice a repetition
}

func (s *toy) SealInPlace(slots []byte, plain int, first int64) int {
	if s.delay != nil {
		s.delay()
	}
	sealed := 0
	for i := int64(0); i == 0 || plain > 0; i++ {
		n := min(plain, testSegment)
		seg := slots[int(i)*testSlot:][:n+testTag]
		tag(seg[n:], seg[:n], first+i)
		xor(seg[:n], first+i)
		sealed += n + testTag
		plain -= n
		s.mu.Lock()
		if s.seen == nil {
			s.seen = map[int64]bool{}
		}
		if s.seen[first+i] {
			panic("a segment is sealed twice")
		}
		s.seen[first+i] = true
		s.mu.Unlock()
	}
	return sealed
}

var errToy = errors.New("the tag is wrong")

func (s *toy) OpenInPlace(sealed []byte, first int64) error {
	if s.delay != nil {
		s.delay()
	}
	for i := int64(0); len(sealed) > 0; i++ {
		n := min(len(sealed), testSlot)
		seg := sealed[:n]
		xor(seg[:n-testTag], first+i)
		var want [testTag]byte
		tag(want[:], seg[:n-testTag], first+i)
		if !bytes.Equal(want[:], seg[n-testTag:]) {
			return errToy
		}
		sealed = sealed[n:]
	}
	return nil
}

func tag(dst, plain []byte, i int64) {
	c := crc64.Update(uint64(i)*0x9e3779b97f4a7c15, table, plain)
	for k := range testTag {
		dst[k] = byte(c >> (8 * k))
	}
}

func xor(p []byte, i int64) {
	for k := range p {
		p[k] ^= byte(i*31) + 0x5a
	}
}

func newEngine(t testing.TB, workers int, change ...func(*Config)) *Engine {
	t.Helper()
	cfg := Config{SegmentBytes: testSegment, TagBytes: testTag, Workers: workers, BatchBytes: minBatch, Budget: 64 << 20, QueueTimeout: 100 * time.Millisecond}
	for _, f := range change {
		f(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if st := e.Stats(); st.Pooled != 0 || st.BudgetUsed != 0 || st.Busy != 0 || st.Waiting != 0 {
			t.Errorf("the engine is left with %+v", st)
		}
		e.Close()
	})
	return e
}

func text(n int64) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// sizes are every edge of segment and batch, plus and minus one.
func sizes() []int64 {
	out := []int64{0, 1}
	for _, base := range []int64{testSegment, 2 * testSegment, minBatch, 2 * minBatch, 5 * minBatch, 5*minBatch + testSegment} {
		out = append(out, base-1, base, base+1)
	}
	return out
}

func collect(out *[]byte) func(*Batch) error {
	return func(b *Batch) error {
		*out = append(*out, b.Sealed()...)
		b.Release()
		return nil
	}
}

func sealAll(t testing.TB, e *Engine, src io.Reader, n int64, s Sealer) []byte {
	t.Helper()
	var out []byte
	if err := e.Seal(context.Background(), src, n, s, collect(&out)); err != nil {
		t.Fatal(err)
	}
	return out
}

// one gives a byte at a time; jitter delays now and then.
type one struct{ r io.Reader }

func (o one) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

func jitter(rnd *rand.Rand) func() {
	var mu sync.Mutex
	return func() {
		mu.Lock()
		d := rnd.IntN(200)
		mu.Unlock()
		time.Sleep(time.Duration(d) * time.Microsecond)
	}
}

func TestSealMatchesSerial(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 8} {
		e := newEngine(t, workers)
		for _, n := range sizes() {
			plain := text(n)
			var want []byte
			if err := e.SealSerial(bytes.NewReader(plain), n, &toy{}, collect(&want)); err != nil {
				t.Fatal(err)
			}
			if got := sealAll(t, e, bytes.NewReader(plain), n, &toy{}); !bytes.Equal(got, want) {
				t.Fatalf("%d workers, %d bytes: differ", workers, n)
			}
			if n <= minBatch+1 {
				if got := sealAll(t, e, one{bytes.NewReader(plain)}, n, &toy{}); !bytes.Equal(got, want) {
					t.Fatalf("%d workers, %d bytes, byte by byte: differ", workers, n)
				}
			}
		}
	}
}

func TestOpenMatchesSerial(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 8} {
		e := newEngine(t, workers)
		for _, n := range sizes() {
			plain := text(n)
			sealed := sealAll(t, e, bytes.NewReader(plain), n, &toy{})
			open := func(f func(func(*Batch) error) error) (out []byte) {
				err := f(func(b *Batch) error {
					for p := range b.PlainSegments() {
						out = append(out, p...)
					}
					b.Release()
					return nil
				})
				if err != nil {
					t.Fatalf("%d workers, %d bytes: %v", workers, n, err)
				}
				return out
			}
			fast := open(func(sink func(*Batch) error) error {
				return e.Open(context.Background(), bytes.NewReader(sealed), int64(len(sealed)), 0, &toy{}, sink)
			})
			slow := open(func(sink func(*Batch) error) error {
				return e.OpenSerial(bytes.NewReader(sealed), int64(len(sealed)), 0, &toy{}, sink)
			})
			if !bytes.Equal(fast, plain) || !bytes.Equal(slow, plain) {
				t.Fatalf("%d workers, %d bytes: differ", workers, n)
			}
			// From a segment in the middle.
			if n > 3*testSegment {
				mid := open(func(sink func(*Batch) error) error {
					return e.Open(context.Background(), bytes.NewReader(sealed[2*testSlot:]), int64(len(sealed)-2*testSlot), 2, &toy{}, sink)
				})
				if !bytes.Equal(mid, plain[2*testSegment:]) {
					t.Fatalf("%d bytes from segment 2: differ", n)
				}
			}
		}
	}
}

func TestOrderUnderRandomDelays(t *testing.T) {
	e := newEngine(t, 6)
	n := int64(20*minBatch + 17)
	want := sealAll(t, e, bytes.NewReader(text(n)), n, &toy{})
	for seed := range uint64(10) {
		s := &toy{delay: jitter(rand.New(rand.NewPCG(seed, 1)))}
		if got := sealAll(t, e, bytes.NewReader(text(n)), n, s); !bytes.Equal(got, want) {
			t.Fatalf("seed %d: out of order", seed)
		}
	}
}

// ends is a source that gives n bytes and then err.
type ends struct {
	r   io.Reader
	n   int64
	err error
}

func (e *ends) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, e.err
	}
	k, err := e.r.Read(p[:min(int64(len(p)), e.n)])
	e.n -= int64(k)
	return k, err
}

func TestLastBatchWaitsForEOF(t *testing.T) {
	refused := errors.New("the digest is wrong")
	for _, workers := range []int{1, 3} {
		e := newEngine(t, workers)
		for _, n := range sizes() {
			full := sealAll(t, e, bytes.NewReader(text(n)), n, &toy{})
			for name, c := range map[string]struct {
				src  io.Reader
				want error
			}{
				"refused at the end": {&ends{bytes.NewReader(text(n)), n, refused}, refused},
				"long":               {bytes.NewReader(text(n + 1)), ErrLongSource},
				"short":              {bytes.NewReader(text(max(0, n-1))), ErrShortSource},
				"fails early":        {&ends{bytes.NewReader(text(n)), n / 2, refused}, refused},
			} {
				if n == 0 && (name == "short" || name == "fails early") {
					continue
				}
				s, out := &toy{}, []byte(nil)
				err := e.Seal(context.Background(), c.src, n, s, collect(&out))
				if !errors.Is(err, c.want) {
					t.Fatalf("%d bytes, %s: %v", n, name, err)
				}
				if name == "short" && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
					t.Errorf("%v hides the end", err)
				}
				last := max(0, (n-1)/testSegment)
				if s.seen[last] || len(out) >= len(full) || !bytes.Equal(out, full[:len(out)]) {
					t.Fatalf("%d bytes, %s: the last batch was sealed", n, name)
				}
			}
		}
	}
}

func TestFailedOpenIsWithheld(t *testing.T) {
	for _, workers := range []int{1, 4} {
		e := newEngine(t, workers)
		n := int64(4*minBatch + 100)
		sealed := sealAll(t, e, bytes.NewReader(text(n)), n, &toy{})
		for at := 0; at < len(sealed); at += len(sealed)/40 + 1 {
			bad := bytes.Clone(sealed)
			bad[at] ^= 1
			var got []byte
			err := e.Open(context.Background(), bytes.NewReader(bad), int64(len(bad)), 0, &toy{}, func(b *Batch) error {
				for p := range b.PlainSegments() {
					got = append(got, p...)
				}
				b.Release()
				return nil
			})
			batch := at / (minBatch / testSegment * testSlot) * minBatch
			if !errors.Is(err, errToy) || len(got) > batch || !bytes.Equal(got, text(n)[:len(got)]) {
				t.Fatalf("a flip at %d: %v, %d bytes given", at, err, len(got))
			}
		}
		for _, cut := range []int{1, testSlot, len(sealed) - 1} {
			err := e.Open(context.Background(), bytes.NewReader(sealed[:len(sealed)-cut]), int64(len(sealed)), 0, &toy{}, func(b *Batch) error { b.Release(); return nil })
			if !errors.Is(err, ErrShortSource) {
				t.Fatalf("a source short by %d: %v", cut, err)
			}
		}
		for _, odd := range []int64{1, testTag - 1, testSlot + 1, testSlot + testTag} {
			if err := e.Open(context.Background(), bytes.NewReader(sealed), odd, 0, &toy{}, func(b *Batch) error { b.Release(); return nil }); err == nil {
				t.Errorf("%d sealed bytes are no whole segments", odd)
			}
		}
	}
}

func TestCancellationLeavesNothing(t *testing.T) {
	base := runtime.NumGoroutine()
	e, err := New(Config{SegmentBytes: testSegment, TagBytes: testTag, Workers: 4, BatchBytes: minBatch})
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("the sink is full")
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		n, after, pause := int64(rnd.IntN(12*minBatch)), rnd.IntN(6), time.Duration(rnd.IntN(500))*time.Microsecond
		ctx, cancel := context.WithCancel(context.Background())
		s := &toy{delay: jitter(rand.New(rand.NewPCG(seed, 3)))}
		if seed%3 == 0 {
			time.AfterFunc(pause, cancel)
		}
		err := e.Seal(ctx, bytes.NewReader(text(n)), n, s, func(b *Batch) error {
			b.Release()
			if after--; after < 0 && seed%3 == 1 {
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, stop) {
			t.Fatal(err)
		}
		if st := e.Stats(); st.Pooled != 0 {
			t.Fatalf("seed %d: %d bytes are still out", seed, st.Pooled)
		}
		cancel()
	}
	e.Close()
	for i := 0; runtime.NumGoroutine() > base; i++ {
		if i > 100 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), base)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

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

func TestWindowAndFootprintHold(t *testing.T) {
	for _, workers := range []int{1, 2, 8} {
		e := newEngine(t, workers)
		for _, n := range sizes() {
			g := gauge{e: e}
			var chain Chain
			if err := e.Seal(context.Background(), bytes.NewReader(text(n)), n, &toy{}, func(b *Batch) error { chain.Append(b); g.look(); return nil }); err != nil {
				t.Fatal(err)
			}
			g.look()
			if want := e.Footprint(n); g.peak != want {
				t.Errorf("%d workers, %d bytes: a chain held %d, Footprint says %d", workers, n, g.peak, want)
			}
			chain.Release()
		}
		g := gauge{e: e}
		n := int64(30 * minBatch)
		w, r := NewPipe(pipeDepth)
		go func() {
			err := e.Seal(context.Background(), bytes.NewReader(text(n)), n, &toy{delay: g.look}, func(b *Batch) error { return w.Send(context.Background(), b) })
			w.CloseWithError(err)
		}()
		got, err := io.ReadAll(slow{r})
		if err != nil || int64(len(got)) != n/testSegment*testSlot {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		r.Close()
		if g.peak > e.Window() {
			t.Errorf("%d workers: a stream held %d, Window says %d", workers, g.peak, e.Window())
		}
	}
}

type slow struct{ r io.Reader }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(50 * time.Microsecond)
	return s.r.Read(p)
}

func TestBudgetIsFairAndBounded(t *testing.T) {
	e := newEngine(t, 1, func(c *Config) { c.Budget = 10 << 20; c.MaxWaiting = 3; c.QueueTimeout = time.Second })
	if _, err := e.Reserve(context.Background(), 10<<20+1); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	all, err := e.Reserve(context.Background(), 10<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := e.TryReserve(1); ok {
		t.Fatal("more than the budget")
	}
	order := make(chan int, 3)
	for i := range 3 {
		go func() {
			r, err := e.Reserve(context.Background(), 10<<20)
			if err != nil {
				t.Error(err)
				return
			}
			order <- i
			r.Release()
			r.Release() // twice is fine
		}()
		for e.Stats().Waiting != int64(i+1) {
			time.Sleep(time.Millisecond)
		}
	}
	if _, err := e.Reserve(context.Background(), 1); !errors.Is(err, ErrBusy) {
		t.Fatalf("a fourth waiter: %v", err)
	}
	all.Release()
	for want := range 3 {
		if got := <-order; got != want {
			t.Fatalf("waiter %d came before %d", got, want)
		}
	}
	hold, _ := e.Reserve(context.Background(), 10<<20)
	defer hold.Release()
	began := time.Now()
	if _, err := e.Reserve(context.Background(), 1); !errors.Is(err, ErrBusy) || time.Since(began) < 500*time.Millisecond {
		t.Fatalf("%v after %v", err, time.Since(began))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Reserve(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func chainOf(t *testing.T, e *Engine, n int64) *Chain {
	t.Helper()
	c := new(Chain)
	if err := e.Seal(context.Background(), bytes.NewReader(text(n)), n, &toy{}, func(b *Batch) error { c.Append(b); return nil }); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChainReadersAreIndependent(t *testing.T) {
	e := newEngine(t, 2)
	n := int64(3*minBatch + 99)
	want := append(append([]byte("head"), sealAll(t, e, bytes.NewReader(text(n)), n, &toy{})...), "tail"...)
	c := chainOf(t, e, n)
	defer c.Release()
	a, b := c.NewReader([]byte("head"), []byte("tail")), c.NewReader([]byte("head"), []byte("tail"))
	defer a.Close()
	defer b.Close()
	io.CopyN(io.Discard, a, 1000)
	if got, err := io.ReadAll(struct{ io.Reader }{b}); err != nil || !bytes.Equal(got, want) {
		t.Fatal("the second reader is disturbed")
	}
	for _, off := range []int64{0, 1, 4, 5, 1000, int64(len(want)) - 5, int64(len(want)), int64(len(want)) + 5} {
		for _, whence := range []int{io.SeekStart, io.SeekEnd} {
			o := off
			if whence == io.SeekEnd {
				o = off - int64(len(want))
			}
			if at, err := b.Seek(o, whence); err != nil || at != off {
				t.Fatalf("seek to %d: %d, %v", off, at, err)
			}
			var out bytes.Buffer
			if _, err := b.WriteTo(&out); err != nil || !bytes.Equal(out.Bytes(), want[min(off, int64(len(want))):]) {
				t.Fatalf("from %d: %d bytes, %v", off, out.Len(), err)
			}
		}
	}
	if _, err := b.Seek(-1, io.SeekStart); err == nil {
		t.Error("a seek before the start")
	}
}

func TestChainReaderOutlivesRelease(t *testing.T) {
	e := newEngine(t, 2)
	n := int64(3 * minBatch)
	want := sealAll(t, e, bytes.NewReader(text(n)), n, &toy{})
	c := chainOf(t, e, n)
	r := c.NewReader(nil, nil)
	c.Release()
	c.Release()
	other := chainOf(t, e, n) // would take the same buffers
	got, err := io.ReadAll(struct{ io.Reader }{r})
	if err != nil || !bytes.Equal(got, want) {
		t.Fatal("the bytes changed under an open reader")
	}
	other.Release()
	r.Close()
	r.Close()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, ErrClosed) {
		t.Fatalf("a closed reader gives %v", err)
	}
}

func TestPipeGivesTheErrorNeverACleanEnd(t *testing.T) {
	e := newEngine(t, 1)
	broken := errors.New("the source broke")
	w, r := NewPipe(1)
	go func() {
		n := int64(5 * minBatch)
		w.CloseWithError(e.Seal(context.Background(), &ends{bytes.NewReader(text(n)), 3 * minBatch, broken}, n, &toy{}, func(b *Batch) error { return w.Send(context.Background(), b) }))
	}()
	if _, err := io.ReadAll(r); !errors.Is(err, broken) {
		t.Fatalf("the reader got %v", err)
	}
	r.Close()
}

func TestPipeCloseBesideRead(t *testing.T) {
	e := newEngine(t, 3)
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		w, r := NewPipe(1)
		sealed := make(chan error, 1)
		go func() {
			n := int64(10 * minBatch)
			err := e.Seal(context.Background(), bytes.NewReader(text(n)), n, &toy{}, func(b *Batch) error { return w.Send(context.Background(), b) })
			w.CloseWithError(err)
			sealed <- err
		}()
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			io.Copy(io.Discard, r)
		}()
		time.Sleep(time.Duration(rnd.IntN(300)) * time.Microsecond)
		r.Close()
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

func TestManyStreamsShareOneEngine(t *testing.T) {
	e := newEngine(t, 3)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			n := int64(i * 5000)
			var want, got []byte
			e.SealSerial(bytes.NewReader(text(n)), n, &toy{}, collect(&want))
			if err := e.Seal(context.Background(), bytes.NewReader(text(n)), n, &toy{}, collect(&got)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("stream %d: %v", i, err)
			}
		}()
	}
	wg.Wait()
}

func TestReleaseTwiceIsABug(t *testing.T) {
	e := newEngine(t, 1)
	e.Seal(context.Background(), bytes.NewReader(nil), 0, &toy{}, func(b *Batch) error {
		b.Release()
		defer func() {
			if p := recover(); p == nil {
				t.Error("no panic")
			}
		}()
		b.Release()
		return nil
	})
}

// Plaintext must not survive in a pooled buffer.
func TestPlaintextIsClearedBeforeThePool(t *testing.T) {
	e := newEngine(t, 1)
	n := int64(minBatch)
	sealed := sealAll(t, e, bytes.NewReader(text(n)), n, &toy{})
	var buf *buffer
	e.Open(context.Background(), bytes.NewReader(sealed), int64(len(sealed)), 0, &toy{}, func(b *Batch) error {
		buf = b.buf
		b.Release()
		return nil
	})
	for i, x := range buf.bytes {
		if x != 0 {
			t.Fatalf("byte %d of a released batch is %#x", i, x)
		}
	}
}

func TestConfigNamesTheBadField(t *testing.T) {
	good := Config{SegmentBytes: testSegment, TagBytes: testTag}
	for field, change := range map[string]func(*Config){
		"SegmentBytes": func(c *Config) { c.SegmentBytes = 0 },
		"TagBytes":     func(c *Config) { c.TagBytes = 0 },
		"Workers":      func(c *Config) { c.Workers = -1 },
		"BatchBytes":   func(c *Config) { c.BatchBytes = 1 },
		"Budget":       func(c *Config) { c.Budget = -1 },
		"QueueTimeout": func(c *Config) { c.QueueTimeout = -1 },
		"MaxWaiting":   func(c *Config) { c.MaxWaiting = -1 },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil || !bytes.Contains([]byte(err.Error()), []byte(field)) {
			t.Errorf("%s: %v", field, err)
		}
	}
	c := good
	c.Budget = 1 << 16
	if _, err := New(c); err == nil {
		t.Error("a budget that fits no stream")
	}
}

func TestTune(t *testing.T) {
	for l2, want := range map[int]int{-1: 1 << 20, 0: 1 << 20, 256 << 10: 256 << 10, 1 << 20: 512 << 10, 2 << 20: 1 << 20, 64 << 20: 1 << 20} {
		got := tune(64<<10, l2, 4, "")
		if got.BatchBytes != want || got.Workers != 4 || got.Why == "" {
			t.Errorf("L2 of %d: %+v", l2, got)
		}
	}
}

func FuzzSchedules(f *testing.F) {
	f.Add(uint64(1), uint32(0), uint8(1))
	f.Add(uint64(2), uint32(3*minBatch+1), uint8(4))
	f.Fuzz(func(t *testing.T, seed uint64, size uint32, workers uint8) {
		n := int64(size % (8 * minBatch))
		e, err := New(Config{SegmentBytes: testSegment, TagBytes: testTag, Workers: int(workers%8) + 1, BatchBytes: minBatch})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		var want, got []byte
		e.SealSerial(bytes.NewReader(text(n)), n, &toy{}, collect(&want))
		s := &toy{delay: jitter(rand.New(rand.NewPCG(seed, 5)))}
		if err := e.Seal(context.Background(), bytes.NewReader(text(n)), n, s, collect(&got)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if st := e.Stats(); st.Pooled != 0 {
			t.Fatal(fmt.Sprint(st))
		}
	})
}
