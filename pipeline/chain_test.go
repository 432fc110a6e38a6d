package pipeline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

func chainOf(t testing.TB, e *Engine, n int64) *Chain {
	t.Helper()
	c := new(Chain)
	if err := e.Seal(context.Background(), bytes.NewReader(text(n)), n, &toy{}, func(b *Batch) error { c.Append(b); return nil }); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChainReaderIsAReader(t *testing.T) {
	e := newEngine(t, 2)
	for _, n := range []int64{0, 1, testBatch, 3*testBatch + 99} {
		c := chainOf(t, e, n)
		body := reference(text(n))
		if c.Len() != int64(len(body)) {
			t.Errorf("Len is %d, not %d", c.Len(), len(body))
		}
		for _, ends := range [][2]string{{"", ""}, {"head", ""}, {"", "tail"}, {"head", "tail"}} {
			r := c.NewReader([]byte(ends[0]), []byte(ends[1]))
			if err := iotest.TestReader(r, []byte(ends[0]+string(body)+ends[1])); err != nil {
				t.Errorf("%d bytes with %q: %v", n, ends, err)
			}
			r.Close()
		}
		c.Release()
	}
}

func TestChainReadersAreIndependent(t *testing.T) {
	e := newEngine(t, 2)
	n := int64(3*testBatch + 99)
	want := []byte("head" + string(reference(text(n))) + "tail")
	c := chainOf(t, e, n)
	defer c.Release()
	a, b := c.NewReader([]byte("head"), []byte("tail")), c.NewReader([]byte("head"), []byte("tail"))
	defer a.Close()
	defer b.Close()
	if _, err := io.CopyN(io.Discard, a, 1000); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(struct{ io.Reader }{b}); err != nil || !bytes.Equal(got, want) {
		t.Fatal("the second reader is disturbed")
	}
	for _, off := range []int64{0, 1, 4, 5, 1000, int64(len(want)) - 5, int64(len(want)), int64(len(want)) + 5} {
		for _, whence := range []int{io.SeekStart, io.SeekCurrent, io.SeekEnd} {
			o := off
			switch whence {
			case io.SeekCurrent:
				at, err := b.Seek(0, io.SeekCurrent)
				if err != nil {
					t.Fatal(err)
				}
				o -= at
			case io.SeekEnd:
				o -= int64(len(want))
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
	if _, err := b.Seek(0, 3); err == nil {
		t.Error("a seek from nowhere")
	}
}

// A failed attempt is sent again from the start, at whatever byte it failed.
func TestChainIsSentAgainAfterAFailure(t *testing.T) {
	e := newEngine(t, 2)
	n := int64(2*testBatch + 7)
	want := []byte("head" + string(reference(text(n))))
	c := chainOf(t, e, n)
	defer c.Release()
	r := c.NewReader([]byte("head"), nil)
	defer r.Close()
	for _, at := range []int{0, 1, 4, 5, testBatch, len(want) - 1} {
		w := &failing{left: at}
		got, err := r.WriteTo(w)
		if !errors.Is(err, io.ErrShortWrite) && !errors.Is(err, errSink) || got != int64(at) {
			t.Fatalf("a writer that fails at %d: %d bytes, %v", at, got, err)
		}
		// The cursor stands behind what was taken; a rewind sends all of it.
		rest, err := io.ReadAll(struct{ io.Reader }{r})
		if err != nil || !bytes.Equal(rest, want[at:]) {
			t.Fatalf("after a failure at %d: %d bytes, %v", at, len(rest), err)
		}
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := r.WriteTo(&out); err != nil || !bytes.Equal(out.Bytes(), want) {
			t.Fatal("the second attempt differs")
		}
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.WriteTo(endless{}); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a writer that says io.EOF: %v", err)
	}
}

// failing takes left bytes and then fails, every other time without saying so.
type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	n := min(len(p), f.left)
	f.left -= n
	if n < len(p) && len(p)%2 == 0 {
		return n, errSink
	}
	return n, nil
}

type endless struct{}

func (endless) Write([]byte) (int, error) { return 0, io.EOF }

func TestChainReaderOutlivesRelease(t *testing.T) {
	e := newEngine(t, 2)
	n := int64(3 * testBatch)
	want := reference(text(n))
	c := chainOf(t, e, n)
	r, idle := c.NewReader(nil, nil), c.NewReader(nil, nil)
	c.Release()
	c.Release()
	other := chainOf(t, e, n-1) // would take the same buffers
	got, err := io.ReadAll(struct{ io.Reader }{r})
	if err != nil || !bytes.Equal(got, want) {
		t.Fatal("the bytes changed under an open reader")
	}
	other.Release()
	r.Close()
	r.Close()
	if e.Stats().Pooled == 0 {
		t.Fatal("freed while a reader is open")
	}
	idle.Close()
	if got := e.Stats().Pooled; got != 0 {
		t.Fatalf("the last reader is closed, %d bytes are out", got)
	}
	if said := panicOf(func() { c.NewReader(nil, nil) }); !strings.HasPrefix(said, "BUG:") {
		t.Errorf("a reader of a released chain: %q", said)
	}
	b := batchOf(t, e, 1)
	if said := panicOf(func() { c.Append(b) }); !strings.HasPrefix(said, "BUG:") {
		t.Errorf("an append to a released chain: %q", said)
	}
	b.Release()
}

func TestClosedChainReaderGivesNothing(t *testing.T) {
	e := newEngine(t, 1)
	c := chainOf(t, e, 100)
	defer c.Release()
	r := c.NewReader([]byte("head"), nil)
	r.Close()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("Read: %v", err)
	}
	if _, err := r.Seek(0, io.SeekStart); !errors.Is(err, ErrClosed) {
		t.Errorf("Seek: %v", err)
	}
	if n, err := r.WriteTo(io.Discard); n != 0 || !errors.Is(err, ErrClosed) {
		t.Errorf("WriteTo: %d, %v", n, err)
	}
}

// Close beside a WriteTo that hangs in its writer returns at once, and the
// memory stays until the writer lets go.
func TestChainCloseBesideWriteTo(t *testing.T) {
	e := newEngine(t, 1)
	c := chainOf(t, e, 2*testBatch)
	r := c.NewReader(nil, nil)
	c.Release()
	w := &stuck{in: make(chan []byte), out: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { _, err := r.WriteTo(w); ended <- err }()
	lent := <-w.in
	r.Close()
	if e.Stats().Pooled == 0 {
		t.Fatal("the memory is gone while a writer has it")
	}
	if !bytes.Equal(lent, reference(text(2 * testBatch))[:len(lent)]) {
		t.Error("the lent bytes changed")
	}
	close(w.out)
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("WriteTo after Close: %v", err)
	}
	if got := e.Stats().Pooled; got != 0 {
		t.Errorf("%d bytes are still out", got)
	}
}

type stuck struct {
	in  chan []byte
	out chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	s.in <- p
	<-s.out
	return len(p), nil
}

// Readers on their own goroutines, closed at any moment, beside Release.
func TestChainReadersRace(t *testing.T) {
	e := newEngine(t, 2)
	for range 50 {
		c := chainOf(t, e, 3*testBatch)
		want := reference(text(3 * testBatch))
		var wg sync.WaitGroup
		for i := range 4 {
			r := c.NewReader(nil, nil)
			wg.Go(func() {
				got, err := io.ReadAll(struct{ io.Reader }{r})
				if err != nil && !errors.Is(err, ErrClosed) || !bytes.Equal(got, want[:len(got)]) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				r.Close()
			})
			if i%2 == 0 {
				wg.Go(func() { r.Close() })
			}
		}
		c.Release()
		wg.Wait()
		if got := e.Stats().Pooled; got != 0 {
			t.Fatalf("%d bytes are still out", got)
		}
	}
}

func TestChainWritesPlain(t *testing.T) {
	e := newEngine(t, 2)
	for _, n := range sizes() {
		body := reference(text(n))
		var c Chain
		if err := e.Open(context.Background(), bytes.NewReader(body), int64(len(body)), 0, &toy{}, func(b *Batch) error { c.Append(b); return nil }); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if got, err := c.WritePlainTo(&out); err != nil || got != n || !bytes.Equal(out.Bytes(), text(n)) {
			t.Fatalf("%d bytes: %d, %v", n, got, err)
		}
		if n > 10 {
			if got, err := c.WritePlainTo(&failing{left: 10}); err == nil || got != 10 {
				t.Errorf("a writer that fails at 10: %d, %v", got, err)
			}
		}
		c.Release()
	}
}
