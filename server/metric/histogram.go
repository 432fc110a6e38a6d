package metric

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// Histogram counts durations by size. Make it with NewHistogram.
type Histogram struct {
	bounds []time.Duration
	counts []atomic.Uint64 // one more than bounds: the last is beyond them
	sum    atomic.Int64    // ns
}

// NewHistogram makes a histogram with n buckets, the first up to first, each twice
// as wide as the one before.
func NewHistogram(first time.Duration, n int) *Histogram {
	h := &Histogram{bounds: make([]time.Duration, n), counts: make([]atomic.Uint64, n+1)}
	for i := range h.bounds {
		h.bounds[i] = first << i
	}
	return h
}

// Observe counts one duration; a negative one, of a clock that was set, as none.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	i, _ := slices.BinarySearch(h.bounds, d) // bounds are inclusive, as le is
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// Counts reads the histogram; each number is exact, the whole is not one moment.
func (h *Histogram) Counts() Counts {
	c := Counts{Bounds: h.bounds, N: make([]uint64, len(h.counts)), Sum: time.Duration(h.sum.Load())}
	for i := range h.counts {
		c.N[i] = h.counts[i].Load()
	}
	return c
}

// Counts is a histogram at one time, or what was added between two.
type Counts struct {
	Bounds []time.Duration // upper, inclusive; shared, not to be changed
	N      []uint64        // by bucket, not cumulative; the last is beyond the bounds
	Sum    time.Duration
}

// Total is how many durations were counted.
func (c Counts) Total() uint64 {
	var n uint64
	for _, v := range c.N {
		n += v
	}
	return n
}

// Since returns what was added after an earlier reading of the same histogram; of
// the zero Counts, everything.
func (c Counts) Since(earlier Counts) Counts {
	if len(earlier.N) == 0 {
		return c
	}
	d := Counts{Bounds: c.Bounds, N: make([]uint64, len(c.N)), Sum: c.Sum - earlier.Sum}
	for i := range c.N {
		d.N[i] = c.N[i] - earlier.N[i]
	}
	return d
}

// Quantile estimates, as PromQL's histogram_quantile does, below what duration the
// share q of all lies: linear within a bucket, and the highest bound for what is
// beyond. false = nothing was counted.
func (c Counts) Quantile(q float64) (time.Duration, bool) {
	total := c.Total()
	if total == 0 || len(c.Bounds) == 0 {
		return 0, false
	}
	rank := q * float64(total)
	var below uint64
	for i, n := range c.N[:len(c.Bounds)] {
		if n > 0 && float64(below+n) >= rank {
			low := time.Duration(0)
			if i > 0 {
				low = c.Bounds[i-1]
			}
			share := math.Max(0, rank-float64(below)) / float64(n)
			return low + time.Duration(share*float64(c.Bounds[i]-low)), true
		}
		below += n
	}
	return c.Bounds[len(c.Bounds)-1], true
}
