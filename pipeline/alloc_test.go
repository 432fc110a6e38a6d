package pipeline

import (
	"context"
	"testing"
)

func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates by itself, and makes sync.Pool drop buffers")
	}
	for _, workers := range []int{1, 2, 4} {
		// Batches of one size, whatever this CPU's caches are.
		coarse, fine := realEngine(t, workers, 1<<20), realEngine(t, workers, 256<<10)
		for side, stream := range map[string]func(e *Engine, n int64) error{
			"seal": func(e *Engine, n int64) error {
				return e.Seal(context.Background(), &free{n}, n, quiet{}, release)
			},
			"open": func(e *Engine, n int64) error {
				n = n / realSegment * realSlot
				return e.Open(context.Background(), &free{n}, n, 0, quiet{}, release)
			},
		} {
			count := func(e *Engine, n int64) float64 {
				return testing.AllocsPerRun(50, func() {
					if err := stream(e, n); err != nil {
						t.Fatal(err)
					}
				})
			}
			for _, e := range []*Engine{coarse, fine} {
				if got := count(e, 4<<20); got > 40 {
					t.Errorf("%s, %d workers, batches of %d: %.0f allocations for a 4 MiB stream", side, workers, e.BatchBytes(), got)
				}
			}
			// 12 batches and 192 segments more: one allocation a batch, none a
			// segment. A little slack is for the pools after a collection.
			if more := count(coarse, 16<<20) - count(coarse, 4<<20); more > 12+4 {
				t.Errorf("%s, %d workers: 12 MiB more are %.0f allocations more", side, workers, more)
			}
		}
	}
}

// quiet does nothing and allocates nothing.
type quiet struct{}

func (quiet) SealInPlace(_ []byte, plain int, _ int64) int {
	return plain + max(1, (plain+realSegment-1)/realSegment)*realTag
}

func (quiet) OpenInPlace([]byte, int64) error { return nil }
