package pipeline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// stutter gives random pieces, sometimes nothing, sometimes its error or its end
// together with bytes.
type stutter struct {
	rnd  *rand.Rand
	left []byte
	err  error // after left; io.EOF is the clean end
}

func (s *stutter) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		return 0, s.err
	}
	n := 0
	switch s.rnd.IntN(4) {
	case 0:
		n = min(len(p), len(s.left), s.rnd.IntN(3))
	default:
		n = min(len(p), len(s.left), s.rnd.IntN(3*testSegment))
	}
	copy(p, s.left[:n])
	s.left = s.left[n:]
	if len(s.left) == 0 && s.rnd.IntN(2) == 0 {
		return n, s.err
	}
	return n, nil
}

// FuzzSchedules runs one stream under a random schedule of source, workers and
// sink, and demands what the serial path gives: the same bytes, or the same kind
// of end and no last batch.
func FuzzSchedules(f *testing.F) {
	f.Add(uint64(1), uint32(0), uint8(1), uint32(0))
	f.Add(uint64(2), uint32(3*testBatch+1), uint8(4), uint32(0))
	f.Add(uint64(3), uint32(testBatch), uint8(2), uint32(testBatch))
	f.Add(uint64(4), uint32(4*testBatch-1), uint8(7), uint32(2*testBatch))
	f.Fuzz(func(t *testing.T, seed uint64, size uint32, workers uint8, cut uint32) {
		n := int64(size % (6 * testBatch))
		have := n
		if cut%3 == 1 { // a source of another length
			have = int64(cut % (6 * testBatch))
		}
		var failure error = io.EOF
		if cut%3 == 2 {
			failure = errSink
		}
		e := newEngine(t, int(workers%8)+1)
		rnd := func(k uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, k)) }
		src := func(k uint64) io.Reader { return &stutter{rnd(k), text(have), failure} }
		var want, got []byte
		serial := e.SealSerial(src(1), n, &toy{}, collect(&want))
		pause := jitter(rnd(2))
		s := &toy{}
		if seed%5 == 0 {
			s.delay = pause
		}
		fast := e.Seal(context.Background(), src(3), n, s, func(b *Batch) error {
			if seed%7 == 0 {
				pause()
			}
			return collect(&got)(b)
		})
		full := reference(text(n))
		if have == n && failure == io.EOF {
			if serial != nil || fast != nil || !bytes.Equal(want, full) || !bytes.Equal(got, full) {
				t.Fatalf("%d bytes: serial %v, parallel %v", n, serial, fast)
			}
			return
		}
		if serial == nil || fast == nil {
			t.Fatalf("%d of %d bytes: serial %v, parallel %v", have, n, serial, fast)
		}
		if len(got) >= len(full) || !bytes.Equal(got, full[:len(got)]) || s.seen[max(0, (n-1)/testSegment)] {
			t.Fatalf("%d of %d bytes: the last batch was sealed", have, n)
		}
	})
}

// FuzzOpen opens a stream that was changed in one place, cut, or announced with
// another length: an error or the right bytes, never a panic, and what the serial
// path gives. The bytes follow from small numbers, so that the fuzzer need not
// carry whole batches.
func FuzzOpen(f *testing.F) {
	f.Add(uint32(0), uint32(0), byte(0), uint32(testTag), uint32(testTag), uint8(1), int64(0))
	f.Add(uint32(3*testSegment), uint32(5), byte(1), uint32(3*testSlot), uint32(3*testSlot), uint8(3), int64(0))
	f.Add(uint32(2*testBatch+1), uint32(0), byte(0), uint32(3*testBatch), uint32(2*testBatch), uint8(2), int64(0))
	f.Add(uint32(testBatch+1), uint32(testBatch), byte(4), uint32(2*testBatch), uint32(testSlot+1), uint8(2), int64(-1))
	f.Fuzz(func(t *testing.T, plain, at uint32, flip byte, have, announced uint32, workers uint8, first int64) {
		text := text(int64(plain % (4 * testBatch)))
		body := reference(text)
		body[int(at)%len(body)] ^= flip
		src := body[:min(int(have), len(body))]
		n := int64(announced % (5 * testBatch))
		e := newEngine(t, int(workers%8)+1)
		var want, got []byte
		serial := e.OpenSerial(bytes.NewReader(src), n, first, &toy{}, collectPlain(&want))
		fast := e.Open(context.Background(), bytes.NewReader(src), n, first, &toy{}, collectPlain(&got))
		if (serial == nil) != (fast == nil) || serial == nil && !bytes.Equal(got, want) || !bytes.HasPrefix(want, got) {
			t.Fatalf("serial %v, parallel %v", serial, fast)
		}
		for _, kind := range []error{errToy, ErrShortSource, io.ErrUnexpectedEOF} {
			if errors.Is(serial, kind) != errors.Is(fast, kind) {
				t.Fatalf("serial says %v, parallel %v", serial, fast)
			}
		}
		if first == 0 && !bytes.HasPrefix(text, got) {
			t.Fatal("other bytes")
		}
	})
}
