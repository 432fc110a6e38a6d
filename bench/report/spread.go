package report

import (
	"fmt"
	"slices"
)

// Spread is the median, the lowest and the highest of repeated figures.
type Spread struct{ Median, Low, High float64 }

// SpreadOf sorts a copy of v, which must not be empty.
func SpreadOf(v []float64) Spread {
	v = slices.Clone(v)
	slices.Sort(v)
	mid := v[len(v)/2]
	if len(v)%2 == 0 {
		mid = (v[len(v)/2-1] + mid) / 2
	}
	return Spread{mid, v[0], v[len(v)-1]}
}

// Text writes the median with its spread.
func (s Spread) Text(decimals int) string {
	return fmt.Sprintf("%.*f (%.*f–%.*f)", decimals, s.Median, decimals, s.Low, decimals, s.High)
}
