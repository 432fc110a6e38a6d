package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// workerCounts are the pools every differential test runs on.
func workerCounts() []int {
	if testing.Short() {
		return []int{1, 3}
	}
	return []int{1, 2, 3, 8, 13}
}

// worthwhile leaves the tedious sources to the shorter streams, which have all
// the edges too.
func worthwhile(source string, n int64) bool {
	switch {
	case source == "at once":
		return true
	case source == "byte by byte":
		return n <= testSegment+1 || n == testBatch+1
	}
	return n <= 2*testBatch+1 && !testing.Short() || n <= testBatch+1
}

// awkward are sources that give the same bytes in an uncomfortable way.
var awkward = map[string]func([]byte) io.Reader{
	"at once":              func(b []byte) io.Reader { return bytes.NewReader(b) },
	"byte by byte":         func(b []byte) io.Reader { return iotest.OneByteReader(bytes.NewReader(b)) },
	"by halves":            func(b []byte) io.Reader { return iotest.HalfReader(bytes.NewReader(b)) },
	"EOF with the last":    func(b []byte) io.Reader { return iotest.DataErrReader(bytes.NewReader(b)) },
	"odd sizes":            func(b []byte) io.Reader { return &odd{b, 0} },
	"empty reads":          func(b []byte) io.Reader { return &hesitant{r: bytes.NewReader(b)} },
	"slow at a batch edge": func(b []byte) io.Reader { return &slowAtEdges{r: bytes.NewReader(b)} },
}

type odd struct {
	b []byte
	n int
}

func (o *odd) Read(p []byte) (int, error) {
	if len(o.b) == 0 {
		return 0, io.EOF
	}
	o.n = o.n%1031 + 7
	k := copy(p[:min(len(p), o.n)], o.b)
	o.b = o.b[k:]
	return k, nil
}

type hesitant struct {
	r io.Reader
	n int
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.n++; h.n%3 != 0 {
		return 0, nil
	}
	return h.r.Read(p)
}

type slowAtEdges struct {
	r  io.Reader
	at int
}

func (s *slowAtEdges) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if s.at/testBatch != (s.at+n)/testBatch {
		time.Sleep(time.Millisecond)
	}
	s.at += n
	return n, err
}

// sealBoth seals the same bytes on both paths.
func sealBoth(t *testing.T, e *Engine, plain []byte, src func([]byte) io.Reader) (fast, slow []byte) {
	t.Helper()
	n := int64(len(plain))
	if err := e.SealSerial(bytes.NewReader(plain), n, &toy{}, collect(&slow)); err != nil {
		t.Fatal(err)
	}
	return sealAll(t, e, src(plain), n, &toy{}), slow
}

func TestSealMatchesSerial(t *testing.T) {
	for _, workers := range workerCounts() {
		e := newEngine(t, workers)
		for _, n := range sizes() {
			plain := text(n)
			want := reference(plain)
			for name, src := range awkward {
				if !worthwhile(name, n) {
					continue
				}
				fast, slow := sealBoth(t, e, plain, src)
				if !bytes.Equal(slow, want) {
					t.Fatalf("%d bytes: the serial path is wrong", n)
				}
				if !bytes.Equal(fast, want) {
					t.Fatalf("%d workers, %d bytes, %s: differ", workers, n, name)
				}
			}
		}
	}
}

func TestOpenMatchesSerial(t *testing.T) {
	for _, workers := range workerCounts() {
		e := newEngine(t, workers)
		for _, n := range sizes() {
			plain := text(n)
			body := reference(plain)
			for name, src := range awkward {
				if !worthwhile(name, n) {
					continue
				}
				for _, from := range []int64{0, 1, 2, testBatch / testSegment} { // first segment
					if from > 0 && from*testSegment >= n {
						continue
					}
					part, want := body[from*testSlot:], plain[from*testSegment:]
					var fast, slow []byte
					if err := e.Open(context.Background(), src(part), int64(len(part)), from, &toy{}, collectPlain(&fast)); err != nil {
						t.Fatalf("%d workers, %d bytes from segment %d, %s: %v", workers, n, from, name, err)
					}
					if err := e.OpenSerial(bytes.NewReader(part), int64(len(part)), from, &toy{}, collectPlain(&slow)); err != nil {
						t.Fatalf("%d bytes from segment %d, serial: %v", n, from, err)
					}
					if !bytes.Equal(fast, want) || !bytes.Equal(slow, want) {
						t.Fatalf("%d workers, %d bytes from segment %d, %s: differ", workers, n, from, name)
					}
				}
			}
		}
	}
}

// Every batch size, also those that fall on no segment's edge.
func TestEveryBatchSizeGivesTheSameBytes(t *testing.T) {
	n := int64(3*testBatch + 5)
	want := reference(text(n))
	for _, batch := range []int{testBatch, testBatch + 1, testBatch + testSegment, 2*testBatch - 1, 1 << 20} {
		e := newEngine(t, 3, func(c *Config) { c.BatchBytes = batch })
		if got := e.BatchBytes(); got > batch || got <= batch-testSegment || got%testSegment != 0 {
			t.Errorf("BatchBytes %d became %d", batch, got)
		}
		if !bytes.Equal(sealAll(t, e, bytes.NewReader(text(n)), n, &toy{}), want) {
			t.Errorf("batches of %d: differ", batch)
		}
	}
}

func TestOrderUnderRandomDelays(t *testing.T) {
	n := int64(20*testBatch + 17)
	want := reference(text(n))
	for _, workers := range []int{2, 6} {
		e := newEngine(t, workers)
		for seed := range uint64(10) {
			s := &toy{delay: jitter(rand.New(rand.NewPCG(seed, 1)))}
			if got := sealAll(t, e, bytes.NewReader(text(n)), n, s); !bytes.Equal(got, want) {
				t.Fatalf("%d workers, seed %d: out of order", workers, seed)
			}
		}
	}
}

func TestManyStreamsShareOneEngine(t *testing.T) {
	e := newEngine(t, 3)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			n := int64(i * 5000)
			plain := text(n)
			var sealed, opened []byte
			if err := e.Seal(context.Background(), bytes.NewReader(plain), n, &toy{}, collect(&sealed)); err != nil || !bytes.Equal(sealed, reference(plain)) {
				t.Errorf("stream %d: %v", i, err)
			}
			if err := e.Open(context.Background(), bytes.NewReader(sealed), int64(len(sealed)), 0, &toy{}, collectPlain(&opened)); err != nil || !bytes.Equal(opened, plain) {
				t.Errorf("stream %d, opened: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// What is done goes out between two reads; it does not wait for the batch that
// is being read.
func TestFinishedBatchesAreNotHeldBack(t *testing.T) {
	e := newEngine(t, 2)
	n := int64(3 * testBatch)
	read, write := io.Pipe()
	got := make(chan int64, 8)
	done := make(chan error, 1)
	go func() {
		done <- e.Seal(context.Background(), read, n, &toy{}, func(b *Batch) error { got <- int64(b.PlainLen()); return release(b) })
	}()
	plain := text(n)
	// One batch and two segments: the third segment never comes, yet the first
	// batch must go out once its worker is done.
	if _, err := write.Write(plain[:testBatch+testSegment]); err != nil {
		t.Fatal(err)
	}
	until(t, "the first batch is sealed", func() bool { return e.Stats().Sealed >= testBatch })
	if _, err := write.Write(plain[testBatch+testSegment : testBatch+2*testSegment]); err != nil {
		t.Fatal(err)
	}
	select {
	case k := <-got:
		if k != testBatch {
			t.Fatalf("%d bytes", k)
		}
	case <-time.After(20 * time.Second):
		t.Error("a finished batch waits for the source")
	}
	write.CloseWithError(fmt.Errorf("enough"))
	if err := <-done; err == nil || err.Error() != "enough" {
		t.Fatal(err)
	}
}
