package pipeline

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

// batchOf gives one sealed batch of n plain bytes.
func batchOf(t *testing.T, e *Engine, n int64) (got *Batch) {
	t.Helper()
	if err := e.Seal(context.Background(), bytes.NewReader(text(n)), n, &toy{}, func(b *Batch) error { got = b; return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestReleaseTwiceIsABug(t *testing.T) {
	e := newEngine(t, 1)
	b := batchOf(t, e, 10)
	b.Release()
	for name, f := range map[string]func(){
		"Release":       b.Release,
		"Sealed":        func() { b.Sealed() },
		"PlainSegments": func() { b.PlainSegments() },
	} {
		if said := panicOf(f); !strings.HasPrefix(said, "BUG: ") {
			t.Errorf("%s after Release: %q", name, said)
		}
	}
}

// Sealed bytes taken for plain ones, or the reverse, must not leave silently.
func TestBatchKnowsItsSide(t *testing.T) {
	e := newEngine(t, 1)
	b := batchOf(t, e, 10)
	if said := panicOf(func() { b.PlainSegments() }); !strings.HasPrefix(said, "BUG: plaintext") {
		t.Errorf("plaintext of a sealed batch: %q", said)
	}
	body := bytes.Clone(b.Sealed())
	b.Release()
	err := e.Open(context.Background(), bytes.NewReader(body), int64(len(body)), 0, &toy{}, func(b *Batch) error {
		if said := panicOf(func() { b.Sealed() }); !strings.HasPrefix(said, "BUG: sealed") {
			t.Errorf("sealed bytes of an opened batch: %q", said)
		}
		w, r := NewPipe(1)
		if said := panicOf(func() { _ = w.Send(context.Background(), b) }); !strings.HasPrefix(said, "BUG: sealed") {
			t.Errorf("an opened batch in a pipe: %q", said)
		}
		r.Close()
		var c Chain
		c.Append(b)
		if said := panicOf(func() { c.NewReader(nil, nil) }); !strings.HasPrefix(said, "BUG: sealed") {
			t.Errorf("a reader of opened batches: %q", said)
		}
		c.Release()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Neighbours in the buffer are out of reach of append.
func TestSlicesEndWhereTheyEnd(t *testing.T) {
	e := newEngine(t, 1)
	b := batchOf(t, e, 3*testSegment)
	if s := b.Sealed(); cap(s) != len(s) {
		t.Error("Sealed has spare capacity")
	}
	body := bytes.Clone(b.Sealed())
	b.Release()
	err := e.Open(context.Background(), bytes.NewReader(body), int64(len(body)), 0, &toy{}, func(b *Batch) error {
		for p := range b.PlainSegments() {
			if cap(p) != len(p) {
				t.Error("a plain segment has spare capacity")
			}
			break // an early end is fine
		}
		return release(b)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Plaintext must not survive in a pooled buffer, on any way out.
func TestPlaintextIsClearedBeforeThePool(t *testing.T) {
	e := newEngine(t, 1)
	n := int64(testBatch)
	body := reference(text(n))
	var buf []byte
	grab := func(b *Batch) { buf = b.bytes() }
	clean := func(way string) {
		t.Helper()
		for i, x := range buf {
			if x != 0 {
				t.Fatalf("%s: byte %d of a released batch is %#x", way, i, x)
			}
		}
	}
	fresh := func() { // what is sealed stays in a pooled buffer: wipe it to see plaintext only
		b := e.newBatch(int(n))
		clear(b.bytes())
		b.Release()
	}
	fresh()
	if err := e.Open(context.Background(), bytes.NewReader(body), int64(len(body)), 0, &toy{}, func(b *Batch) error { grab(b); return release(b) }); err != nil {
		t.Fatal(err)
	}
	clean("opened")

	fresh()
	src := &ends{bytes.NewReader(text(n)), n, errors.New("refused")}
	p := &peek{toy: &toy{}}
	p.src = src
	if err := e.Seal(context.Background(), p, n, p.toy, release); err == nil {
		t.Fatal("no error")
	}
	for i, x := range p.first {
		if x != 0 {
			t.Fatalf("failed seal: byte %d is %#x", i, x)
		}
	}

	bad := bytes.Clone(body)
	bad[len(bad)-1] ^= 1
	seen := &peekOpener{}
	if err := e.Open(context.Background(), bytes.NewReader(bad), int64(len(bad)), 0, seen, release); err == nil {
		t.Fatal("no error")
	}
	buf = seen.buf
	clean("failed open")
}

// peek is a source that remembers the first buffer it was given: the batch's own
// memory.
type peek struct {
	*toy
	src   *ends
	first []byte
}

func (p *peek) Read(b []byte) (int, error) {
	if p.first == nil {
		p.first = b
	}
	return p.src.Read(b)
}

// peekOpener opens and remembers where.
type peekOpener struct {
	toy
	buf []byte
}

func (p *peekOpener) OpenInPlace(sealed []byte, first int64) error {
	p.buf = sealed
	return p.toy.OpenInPlace(sealed, first)
}

// A batch of one segment is the small class itself; its buffers must come back.
func TestSmallAndLargeBuffersAreReused(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector sync.Pool drops buffers at random")
	}
	for _, segment := range []int{testSegment, minBatch} {
		e := newEngine(t, 1, func(c *Config) { c.SegmentBytes = segment })
		for _, n := range []int{1, minBatch} {
			mallocs := testing.AllocsPerRun(50, func() { e.newBatch(n).Release() })
			if mallocs > 1 { // the Batch itself, never its buffer
				t.Errorf("segments of %d, a batch of %d: %.0f allocations", segment, n, mallocs)
			}
		}
	}
}
