package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
)

// path is one of the two ways through the package; both keep these promises.
type path struct {
	name string
	seal func(e *Engine, src io.Reader, n int64, s Sealer, sink func(*Batch) error) error
	open func(e *Engine, src io.Reader, n int64, o Opener, sink func(*Batch) error) error
}

var paths = []path{
	{"parallel",
		func(e *Engine, src io.Reader, n int64, s Sealer, sink func(*Batch) error) error {
			return e.Seal(context.Background(), src, n, s, sink)
		},
		func(e *Engine, src io.Reader, n int64, o Opener, sink func(*Batch) error) error {
			return e.Open(context.Background(), src, n, 0, o, sink)
		}},
	{"serial",
		func(e *Engine, src io.Reader, n int64, s Sealer, sink func(*Batch) error) error {
			return e.SealSerial(src, n, s, sink)
		},
		func(e *Engine, src io.Reader, n int64, o Opener, sink func(*Batch) error) error {
			return e.OpenSerial(src, n, 0, o, sink)
		}},
}

func TestLastBatchWaitsForEOF(t *testing.T) {
	refused := errors.New("the digest is wrong")
	for _, workers := range []int{1, 3} {
		e := newEngine(t, workers)
		for _, n := range sizes() {
			plain := text(n)
			full := reference(plain)
			cases := map[string]struct {
				src  io.Reader
				want error
			}{
				"refused at the end":       {&ends{bytes.NewReader(plain), n, refused}, refused},
				"refused by a wrapped EOF": {&ends{bytes.NewReader(plain), n, fmt.Errorf("%w: %w", refused, io.EOF)}, refused},
				"long":                     {bytes.NewReader(text(n + 1)), ErrLongSource},
				"no end":                   {&ends{bytes.NewReader(plain), n, nil}, io.ErrNoProgress},
			}
			if n > 0 {
				cases["refused with the last bytes"] = struct {
					src  io.Reader
					want error
				}{&withLast{plain, refused}, refused}
				cases["short"] = struct {
					src  io.Reader
					want error
				}{bytes.NewReader(plain[:n-1]), ErrShortSource}
			}
			for name, c := range cases {
				mustWithhold(t, e, fmt.Sprintf("%d workers, %d bytes, %s", workers, n, name), c.src, n, full, c.want)
			}
		}
	}
}

// mustWithhold seals from a source that fails and demands that no last batch
// was sealed, and that what was given is a front of the right bytes.
func mustWithhold(t *testing.T, e *Engine, name string, src io.Reader, n int64, full []byte, want error) {
	t.Helper()
	s, out := &toy{}, []byte(nil)
	err := e.Seal(context.Background(), src, n, s, collect(&out))
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v", name, err)
	}
	if last := max(0, (n-1)/testSegment); s.seen[last] || len(out) >= len(full) || !bytes.Equal(out, full[:len(out)]) {
		t.Fatalf("%s: the last batch was sealed", name)
	}
	if st := e.Stats(); st.Pooled != 0 {
		t.Fatalf("%s: %d bytes are still out", name, st.Pooled)
	}
}

// A source that fails at any edge, one before and one after it.
func TestSourceErrorAtEveryEdge(t *testing.T) {
	broken := errors.New("the source broke")
	for _, workers := range []int{1, 4} {
		e := newEngine(t, workers)
		n := int64(5*testBatch + testSegment + 2)
		full := reference(text(n))
		for _, at := range append(sizes(), n-1, n) {
			plain := text(n)
			mustWithhold(t, e, fmt.Sprintf("an error after %d", at), &ends{bytes.NewReader(plain), at, broken}, n, full, broken)
			mustWithhold(t, e, fmt.Sprintf("an error with byte %d", at), &withLast{plain[:max(at, 1)], broken}, n, full, broken)
			if at < n {
				mustWithhold(t, e, fmt.Sprintf("an end after %d", at), bytes.NewReader(plain[:at]), n, full, ErrShortSource)
			}
		}
		for _, at := range sizes() {
			for _, c := range []struct {
				src  io.Reader
				want error
			}{{&ends{bytes.NewReader(full), at, broken}, broken}, {bytes.NewReader(full[:at]), ErrShortSource}} {
				var got []byte
				err := e.Open(context.Background(), c.src, int64(len(full)), 0, &toy{}, collectPlain(&got))
				if !errors.Is(err, c.want) || !bytes.Equal(got, text(n)[:len(got)]) || int64(len(got)) > at {
					t.Fatalf("open, a source that ends after %d: %v, %d bytes", at, err, len(got))
				}
			}
		}
	}
}

func TestShortSourceIsNeverEOF(t *testing.T) {
	e := newEngine(t, 2)
	for _, p := range paths {
		for _, have := range []int64{0, 1, testSegment, testBatch} {
			for side, err := range map[string]error{
				"seal": p.seal(e, bytes.NewReader(text(have)), testBatch+9, &toy{}, release),
				"open": p.open(e, bytes.NewReader(reference(text(testBatch))[:have]), testBatch+9*testSlot, &toy{}, release),
			} {
				if !errors.Is(err, ErrShortSource) || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
					t.Errorf("%s %s of %d bytes: %v", p.name, side, have, err)
				}
			}
		}
	}
}

// An empty stream is one batch of one empty segment, after its EOF was seen.
func TestEmptyStreamIsOneEmptySegment(t *testing.T) {
	e := newEngine(t, 2)
	for _, p := range paths {
		batches := 0
		if err := p.seal(e, bytes.NewReader(nil), 0, &toy{}, func(b *Batch) error {
			batches++
			if len(b.Sealed()) != testTag || b.PlainLen() != 0 {
				t.Errorf("%s: %d sealed bytes, %d plain", p.name, len(b.Sealed()), b.PlainLen())
			}
			return release(b)
		}); err != nil || batches != 1 {
			t.Errorf("%s: %d batches, %v", p.name, batches, err)
		}
		var plain []byte
		if err := p.open(e, bytes.NewReader(reference(nil)), testTag, &toy{}, collectPlain(&plain)); err != nil || len(plain) != 0 {
			t.Errorf("%s, opened: %d bytes, %v", p.name, len(plain), err)
		}
		if err := p.open(e, bytes.NewReader(nil), 0, &toy{}, func(*Batch) error { t.Error("a batch of nothing"); return nil }); err != nil {
			t.Errorf("%s: nothing to open: %v", p.name, err)
		}
	}
}

func TestFailedOpenIsWithheld(t *testing.T) {
	for _, workers := range []int{1, 4} {
		e := newEngine(t, workers)
		n := int64(4*testBatch + 100)
		plain := text(n)
		body := reference(plain)
		for _, p := range paths {
			for at := 0; at < len(body); at += len(body)/40 + 1 {
				bad := bytes.Clone(body)
				bad[at] ^= 1
				var got []byte
				err := p.open(e, bytes.NewReader(bad), int64(len(bad)), &toy{}, collectPlain(&got))
				before := at / (testBatch / testSegment * testSlot) * testBatch
				if !errors.Is(err, errToy) || len(got) > before || !bytes.Equal(got, plain[:len(got)]) {
					t.Fatalf("%s, a flip at %d: %v, %d bytes given", p.name, at, err, len(got))
				}
			}
			for _, no := range []int64{1, testTag - 1, testSlot + 1, testSlot + testTag, -1} {
				if p.name == "serial" && no < 0 {
					continue // the oracle does not check its caller
				}
				if err := p.open(e, bytes.NewReader(body), no, &toy{}, release); err == nil {
					t.Errorf("%s: %d sealed bytes are no whole segments", p.name, no)
				}
			}
		}
	}
}

// A tampered batch is what is reported, not the short or broken source behind
// it: the one is an attack, the other a retry.
func TestFirstErrorInStreamOrderWins(t *testing.T) {
	e := newEngine(t, 4)
	n := int64(4 * testBatch)
	bad := reference(text(n))
	bad[10] ^= 1
	for range 50 {
		err := e.Open(context.Background(), bytes.NewReader(bad[:len(bad)/2]), int64(len(bad)), 0, &toy{}, release)
		if !errors.Is(err, errToy) {
			t.Fatal(err)
		}
	}
}

func TestNegativeLengthIsRefused(t *testing.T) {
	e := newEngine(t, 2)
	none := func(*Batch) error { t.Error("a batch"); return nil }
	if err := e.Seal(context.Background(), bytes.NewReader(nil), -1, &toy{}, none); err == nil {
		t.Error("a seal of -1 bytes")
	}
	if err := e.Open(context.Background(), bytes.NewReader(nil), -1, 0, &toy{}, none); err == nil {
		t.Error("an open of -1 bytes")
	}
}
