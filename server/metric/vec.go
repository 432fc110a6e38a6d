package metric

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Vec is a family of histograms, one for each value of a label. Whoever calls With
// sees to it that the values are bounded.
type Vec struct {
	name, label string
	first       time.Duration
	buckets     int

	mu sync.RWMutex
	of map[string]*Histogram
}

// NewVec makes a family; first and buckets are NewHistogram's. label "" = a family
// of one, which has no label.
func NewVec(name, label string, first time.Duration, buckets int) *Vec {
	return &Vec{name: name, label: label, first: first, buckets: buckets, of: map[string]*Histogram{}}
}

// With returns the histogram of a value, making it at first.
func (v *Vec) With(value string) *Histogram {
	v.mu.RLock()
	h := v.of[value]
	v.mu.RUnlock()
	if h != nil {
		return h
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if h = v.of[value]; h == nil {
		h = NewHistogram(v.first, v.buckets)
		v.of[value] = h
	}
	return h
}

// Counts reads all of them.
func (v *Vec) Counts() map[string]Counts {
	v.mu.RLock()
	defer v.mu.RUnlock()
	out := make(map[string]Counts, len(v.of))
	for value, h := range v.of {
		out[value] = h.Counts()
	}
	return out
}

// WritePrometheus writes the family, sorted by the label's values.
func (v *Vec) WritePrometheus(w io.Writer) {
	all := v.Counts()
	for _, value := range slices.Sorted(maps.Keys(all)) {
		c := all[value]
		pair, alone := "", ""
		if v.label != "" {
			pair = v.label + "=" + quote(value)
			alone, pair = "{"+pair+"}", pair+","
		}
		var n uint64
		for i, bound := range c.Bounds {
			n += c.N[i]
			fmt.Fprintf(w, "%s_bucket{%sle=%q} %d\n", v.name, pair, strconv.FormatFloat(bound.Seconds(), 'g', -1, 64), n)
		}
		n += c.N[len(c.Bounds)]
		fmt.Fprintf(w, "%s_bucket{%sle=\"+Inf\"} %d\n", v.name, pair, n)
		fmt.Fprintf(w, "%s_sum%s %s\n", v.name, alone, strconv.FormatFloat(c.Sum.Seconds(), 'g', -1, 64))
		fmt.Fprintf(w, "%s_count%s %d\n", v.name, alone, n)
	}
}
