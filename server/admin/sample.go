package admin

import (
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/metric"
)

// sample is what watchers get each second. Rates are of the last second, or where the
// name of the field has recent, of the window.
type sample struct {
	Time        int64         `json:"time"` // Unix, ms
	UpSeconds   float64       `json:"up_s"`
	Key         keyLight      `json:"key"`
	Checks      []Check       `json:"checks"`   // null until they were asked
	In          float64       `json:"in"`       // bytes/s sealed
	Out         float64       `json:"out"`      // bytes/s opened
	Requests    float64       `json:"requests"` // per second
	Active      int64         `json:"active"`
	Connections int64         `json:"connections"`
	Latency     latency       `json:"latency"` // of the window
	Operations  []operation   `json:"operations"`
	Faults      []faultCount  `json:"faults"`
	Pipeline    Pipeline      `json:"pipeline"`
	RSS         int64         `json:"rss"` // bytes; 0 = unknown
	Backend     backendSample `json:"backend"`
	Expires     *time.Time    `json:"certificate_expires"` // null = no TLS
	Recent      []Request     `json:"recent"`              // ended since the last sample
}

type keyLight struct {
	Loaded bool       `json:"loaded"`
	Since  *time.Time `json:"since,omitempty"`
}

// latency has null where nothing was measured.
type latency struct {
	P50 *float64 `json:"p50_ms"`
	P90 *float64 `json:"p90_ms"`
	P99 *float64 `json:"p99_ms"`
}

type operation struct {
	Name    string  `json:"name"`
	Rate    float64 `json:"rate"` // per second, of the window
	Total   uint64  `json:"total"`
	Refused uint64  `json:"refused"` // 4xx
	Failed  uint64  `json:"failed"`  // 5xx
	latency
}

type faultCount struct {
	Class  string `json:"class"`
	Recent uint64 `json:"recent"` // of the window
	Total  uint64 `json:"total"`
}

type backendSample struct {
	Rate        float64 `json:"rate"` // attempts per second, of the window
	Failed      uint64  `json:"failed"`
	Again       uint64  `json:"again"`
	Connections int64   `json:"connections"`
	ClockAhead  float64 `json:"clock_ahead_s"`
	latency
}

// point is one second of the plot.
type point struct {
	T   int64   `json:"t"` // Unix, ms
	In  float64 `json:"in"`
	Out float64 `json:"out"`
}

// reading is Figures at a time.
type reading struct {
	at time.Time
	Figures
}

// compare makes a sample of now, the reading before it and the one at the window's
// beginning, which may all be the same.
func compare(now, before, begin reading) sample {
	per := func(n float64, since reading) float64 {
		if took := now.at.Sub(since.at).Seconds(); took > 0 {
			return n / took
		}
		return 0
	}
	s := sample{
		Time: now.at.UnixMilli(), Active: now.Active, Connections: now.Connections, Pipeline: now.Pipeline,
		In:         per(float64(now.Sealed-before.Sealed), before),
		Out:        per(float64(now.Opened-before.Opened), before),
		Operations: []operation{}, Faults: []faultCount{}, Recent: []Request{},
	}
	was := make(map[string]Operation, len(begin.Operations))
	for _, o := range begin.Operations {
		was[o.Name] = o
	}
	var all metric.Counts
	var total uint64
	for _, o := range now.Operations {
		in := o.Latency.Since(was[o.Name].Latency)
		all = add(all, in)
		count := o.Latency.Total()
		total += count
		if count > 0 {
			s.Operations = append(s.Operations, operation{
				Name: o.Name, Rate: per(float64(in.Total()), begin), Total: count, Refused: o.Status[4], Failed: o.Status[5], latency: quantiles(in),
			})
		}
	}
	s.Latency = quantiles(all)
	var ago uint64
	for _, o := range before.Operations {
		ago += o.Latency.Total()
	}
	s.Requests = per(float64(total-ago), before)
	for i, f := range now.Faults {
		c := faultCount{Class: f.Class, Total: f.Total}
		if i < len(begin.Faults) {
			c.Recent = f.Total - begin.Faults[i].Total
		}
		s.Faults = append(s.Faults, c)
	}
	b, was0 := now.Backend, begin.Backend
	s.Backend = backendSample{
		Rate: per(float64(b.Requests-was0.Requests), begin), Failed: b.Failures - was0.Failures, Again: b.Retries - was0.Retries,
		Connections: b.Connections, ClockAhead: b.ClockAhead.Seconds(), latency: quantiles(b.Latency.Since(was0.Latency)),
	}
	return s
}

// add sums histograms of equal bounds; the zero Counts is none.
func add(a, b metric.Counts) metric.Counts {
	if len(a.N) == 0 {
		return b
	}
	out := metric.Counts{Bounds: a.Bounds, N: make([]uint64, len(a.N)), Sum: a.Sum + b.Sum}
	for i := range a.N {
		out.N[i] = a.N[i] + b.N[i]
	}
	return out
}

func quantiles(c metric.Counts) latency {
	of := func(q float64) *float64 {
		d, ok := c.Quantile(q)
		if !ok {
			return nil
		}
		ms := float64(d) / float64(time.Millisecond)
		return &ms
	}
	return latency{of(0.5), of(0.9), of(0.99)}
}

// residentBytes is the memory that this process occupies; 0 where it cannot be told.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
