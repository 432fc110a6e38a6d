package pipeline

import (
	"bytes"
	"context"
	"errors"
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
	testBatch   = minBatch // plain bytes of a batch in the tests
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
		s.mark(first + i)
	}
	return sealed
}

func (s *toy) mark(i int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[int64]bool{}
	}
	if s.seen[i] {
		panic("a segment is sealed twice")
	}
	s.seen[i] = true
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

// reference seals a whole stream with nothing of this package: the oracle of the
// serial path.
func reference(plain []byte) []byte {
	var out []byte
	for i := int64(0); i == 0 || len(plain) > 0; i++ {
		seg := bytes.Clone(plain[:min(len(plain), testSegment)])
		plain = plain[len(seg):]
		var t [testTag]byte
		tag(t[:], seg, i)
		xor(seg, i)
		out = append(append(out, seg...), t[:]...)
	}
	return out
}

// newEngine makes an engine that must be left empty at the end of the test.
func newEngine(t testing.TB, workers int, change ...func(*Config)) *Engine {
	t.Helper()
	cfg := Config{SegmentBytes: testSegment, TagBytes: testTag, Workers: workers, BatchBytes: testBatch, Budget: 64 << 20, QueueTimeout: 100 * time.Millisecond}
	for _, f := range change {
		f(&cfg)
	}
	base := runtime.NumGoroutine()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if st := e.Stats(); st.Pooled != 0 || st.BudgetUsed != 0 || st.Busy != 0 || st.Waiting != 0 {
			t.Errorf("the engine is left with %+v", st)
		}
		e.Close()
		settle(t, base)
	})
	return e
}

// settle waits until no more goroutines run than before.
func settle(t testing.TB, base int) {
	t.Helper()
	for i := 0; runtime.NumGoroutine() > base; i++ {
		if i > 4000 {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), base, buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// text is n bytes in which every segment differs.
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
	for _, base := range []int64{testSegment, 2 * testSegment, testBatch, testBatch + testSegment, 2 * testBatch, 5 * testBatch, 5*testBatch + testSegment} {
		out = append(out, base-1, base, base+1)
	}
	return out
}

// collect appends what was sealed and releases it.
func collect(out *[]byte) func(*Batch) error {
	return func(b *Batch) error {
		*out = append(*out, b.Sealed()...)
		b.Release()
		return nil
	}
}

// collectPlain appends what was opened and releases it.
func collectPlain(out *[]byte) func(*Batch) error {
	return func(b *Batch) error {
		defer b.Release()
		n := len(*out)
		for p := range b.PlainSegments() {
			*out = append(*out, p...)
		}
		if len(*out)-n != b.PlainLen() {
			return errors.New("PlainLen is wrong")
		}
		return nil
	}
}

func release(b *Batch) error { b.Release(); return nil }

func sealAll(t testing.TB, e *Engine, src io.Reader, n int64, s Sealer) []byte {
	t.Helper()
	var out []byte
	if err := e.Seal(context.Background(), src, n, s, collect(&out)); err != nil {
		t.Fatal(err)
	}
	return out
}

// jitter delays up to 200 µs, by chance; safe for concurrent use.
func jitter(rnd *rand.Rand) func() {
	var mu sync.Mutex
	return func() {
		mu.Lock()
		d := rnd.IntN(200)
		mu.Unlock()
		time.Sleep(time.Duration(d) * time.Microsecond)
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

// withLast is a source that gives err together with its last bytes, once, and
// then a clean end: what a careless digest checker might do.
type withLast struct {
	left []byte
	err  error
}

func (w *withLast) Read(p []byte) (int, error) {
	if len(w.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, w.left)
	w.left = w.left[n:]
	if len(w.left) == 0 {
		return n, w.err
	}
	return n, nil
}
