package server

import (
	"slices"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/admin"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/metric"
)

// classNames are the classes of faults for people, in the order of their weight.
var classNames = []struct {
	class faultClass
	name  string
}{
	{integrityFault, "integrity"}, {keyFault, "key"}, {backendFault, "backend"}, {overload, "overload"}, {authFault, "signature"}, {clientFault, "client"},
}

// Figures tells the dashboard how things are.
func (s *Server) Figures() admin.Figures {
	m, stats := s.metrics, s.engine.Stats()
	f := admin.Figures{
		Sealed: uint64(stats.Sealed), Opened: uint64(stats.Opened),
		Active: m.active.Load(), Connections: int64(s.http.GetOpenConnectionsCount()),
		Pipeline: admin.Pipeline{Workers: stats.Workers, Busy: stats.Busy, Waiting: stats.Waiting, Budget: stats.Budget, BudgetUsed: stats.BudgetUsed},
		Backend: admin.Backend{
			Connections: s.backend.Connections(), Requests: m.tried.Load(), Failures: m.failed.Load(), Retries: m.retried.Load(),
			ClockAhead: time.Duration(m.ahead.Load()), Latency: sum(m.attempts.Counts()),
		},
		Recent: m.recent.list(),
	}
	for name, latency := range m.requests.Counts() {
		op := admin.Operation{Name: name, Latency: latency}
		if statuses := m.statuses[name]; statuses != nil {
			for i := range statuses {
				op.Status[i] = statuses[i].Load()
			}
		}
		f.Operations = append(f.Operations, op)
	}
	slices.SortFunc(f.Operations, func(a, b admin.Operation) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range classNames {
		f.Faults = append(f.Faults, admin.Fault{Class: c.name, Total: m.faults[c.class].Load()})
	}
	return f
}

// sum adds histograms of one family up.
func sum(all map[string]metric.Counts) (total metric.Counts) {
	for _, c := range all {
		if total.N == nil {
			total = metric.Counts{Bounds: c.Bounds, N: make([]uint64, len(c.N))}
		}
		for i, n := range c.N {
			total.N[i] += n
		}
		total.Sum += c.Sum
	}
	return total
}

// bucketLabel is a bucket's name in figures: one of the configuration or a word, as
// clients choose names at will.
func (t *terms) bucketLabel(name string) string {
	switch {
	case name == "":
		return nobody
	case t.allowed[name]:
		return name
	}
	return otherBucket
}

// otherBucket is the label of buckets that are not in allowed_buckets.
const otherBucket = "other"
