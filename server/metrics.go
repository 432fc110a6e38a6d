package server

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/metric"
)

// metricPrefix stands before every name.
const metricPrefix = "s3_crypt_proxy_"

// Metrics is every figure of one Server, in a set of its own so that two
// servers in a process do not mix. metrics_table.go describes each. Safe for
// concurrent use.
type Metrics struct {
	set    *metrics.Set
	active atomic.Int64
	ahead  atomic.Int64 // ns that the backend's clock is before ours

	sealedBytes, openedBytes *metrics.Counter
	aborted, panics          *metrics.Counter
	malformed, overwrites    *metrics.Counter
	orphans, foreignListed   *metrics.Counter
	etagsRead, etagsCached   *metrics.Counter
	unnamableListed          *metrics.Counter
	rangesAhead              *metrics.Counter
	threadsWithheld          *metrics.Counter

	// durations[…] are in Prometheus' own buckets.
	requests, sealing, attempts *metric.Vec
	// statuses, by operation, is not changed; the dashboard reads it.
	statuses map[string]*[6]atomic.Uint64
	faults   [overload + 1]atomic.Uint64 // by class, for the dashboard

	answered counters[requestLabels, *metrics.Counter]
	moved    counters[trafficLabels, trafficCounters]
	asked    counters[attemptLabels, *metrics.Counter]

	tried, failed, retried atomic.Uint64 // attempts at the backend, for the dashboard

	recent recent
}

// NewMetrics makes a set in which nothing was counted. Everything that an alert is
// about is there from the beginning: Prometheus sees no increase in what appears.
func NewMetrics() *Metrics {
	set := metrics.NewSet()
	counter := func(name string) *metrics.Counter { return set.NewCounter(metricPrefix + name) }
	m := &Metrics{
		set:           set,
		sealedBytes:   counter("bytes_encrypted_total"),
		openedBytes:   counter("bytes_decrypted_total"),
		aborted:       counter("responses_aborted_total"),
		panics:        counter("panics_total"),
		malformed:     counter("malformed_requests_total"),
		overwrites:    counter("unreadable_overwritten_total"),
		orphans:       counter("backend_uploads_orphaned_total"),
		foreignListed: counter("foreign_objects_listed_total"),
		etagsRead:     counter("listing_etags_read_total"),
		etagsCached:   counter("listing_etags_cached_total"),

		unnamableListed: counter("unsealed_names_listed_total"),
		rangesAhead:     counter("backend_ranges_ahead_total"),
		threadsWithheld: counter("backend_threads_withheld_total"),

		requests: metric.NewVec(metricPrefix+"request_duration_seconds", "operation", time.Millisecond, 15),
		sealing:  metric.NewVec(metricPrefix+"encryption_duration_seconds", "operation", 100*time.Microsecond, 15),
		attempts: metric.NewVec(metricPrefix+"backend_request_duration_seconds", "operation", time.Millisecond, 15),
		statuses: map[string]*[6]atomic.Uint64{noOperation: {}},
	}
	for _, op := range Operations() {
		m.statuses[op] = new([6]atomic.Uint64)
	}
	set.NewGauge(metricPrefix+"active_requests", func() float64 { return float64(m.active.Load()) })
	set.NewGauge(metricPrefix+"backend_clock_ahead_seconds", func() float64 { return time.Duration(m.ahead.Load()).Seconds() })
	m.begin()
	return m
}

// WritePrometheus writes every sample; MetricTable has their HELP and TYPE.
func (m *Metrics) WritePrometheus(w io.Writer) {
	m.set.WritePrometheus(w)
	m.requests.WritePrometheus(w)
	m.sealing.WritePrometheus(w)
	m.attempts.WritePrometheus(w)
}

// counterOf names the counter and label of each class of fault.
var counterOf = map[faultClass]string{
	clientFault:    `client_errors_total{type=%q}`,
	authFault:      `auth_failures_total{reason=%q}`,
	keyFault:       `key_errors_total{type=%q}`,
	integrityFault: `integrity_failures_total{reason=%q}`,
	backendFault:   `backend_errors_total{type=%q}`,
	overload:       `overload_total{reason=%q}`,
}

// faultCounters calls do with each counter of a fault.
func (m *Metrics) faultCounters(f fault, do func(*metrics.Counter)) {
	do(m.set.GetOrCreateCounter(metricPrefix + fmt.Sprintf(counterOf[f.class], f.label)))
	if f.class == integrityFault || f.class == keyFault {
		do(m.set.GetOrCreateCounter(metricPrefix + fmt.Sprintf(`encryption_errors_total{type=%q}`, f.label)))
	}
}

func (m *Metrics) fault(f fault) {
	m.faults[f.class].Add(1)
	m.faultCounters(f, (*metrics.Counter).Inc)
}

func (m *Metrics) request(method, op string, status int, took time.Duration) {
	if op == noOperation {
		method = otherMethod // clients choose methods; labels must not grow with them
	}
	m.answered.get(requestLabels{method, op, status / 100}, m.addRequests).Inc()
	m.requests.With(op).Observe(took)
	if statuses := m.statuses[op]; statuses != nil {
		statuses[min(max(status/100, 0), 5)].Add(1)
	}
}

// traffic counts a request of a credential, by its configured name, and of a bucket,
// by bucketLabel. in and out are bytes of the bodies.
func (m *Metrics) traffic(credential, bucket string, status int, in, out int64) {
	for _, k := range [...]trafficLabels{{"client", credential, status / 100}, {"bucket", bucket, status / 100}} {
		c := m.moved.get(k, m.addTraffic)
		c.requests.Inc()
		c.received.Add(int(in))
		c.sent.Add(int(out))
	}
}

// crypto records how long the sealing, or opening, of one object took: the time
// of the AEAD on all cores together, nothing of the network.
func (m *Metrics) crypto(op string, took time.Duration) { m.sealing.With(op).Observe(took) }

// ObserveBackend counts one attempt at the backend; backend.Config.Observe
// takes it. kind is zero for a success.
func (m *Metrics) ObserveBackend(op string, status int, kind backend.Kind, took time.Duration, attempt int) {
	m.asked.get(attemptLabels{op, status}, m.addAttempts).Inc()
	m.attempts.With(op).Observe(took)
	m.tried.Add(1)
	if status == 0 || status >= 500 {
		m.failed.Add(1)
	}
	if attempt > 1 {
		m.retries(op).Inc()
		m.retried.Add(1)
	}
}

// ObserveClock notes how far the backend's clock is before ours;
// backend.Config.ObserveClock takes it.
func (m *Metrics) ObserveClock(ahead time.Duration) { m.ahead.Store(int64(ahead)) }

// watch adds the gauges that read a server's state.
func (m *Metrics) watch(s *Server) {
	gauge := func(name string, f func() float64) { m.set.NewGauge(metricPrefix+name, f) }
	gauge("key_loaded", func() float64 {
		if _, err := s.keys.Ring(); err != nil {
			return 0
		}
		return 1
	})
	gauge("backend_connection_pool_size", func() float64 { return float64(s.backend.Connections()) })
	gauge("client_connections", func() float64 { return float64(s.http.GetOpenConnectionsCount()) })
	stat := func(f func(pipeline.Stats) float64) func() float64 {
		return func() float64 { return f(s.engine.Stats()) }
	}
	for name, f := range engineGauges {
		gauge(name, stat(f))
	}
	gauge("hashing_alone_bytes_total", func() float64 { return float64(s.hashing.Stats().Alone) })
	gauge("hashing_paired_bytes_total", func() float64 { return float64(s.hashing.Stats().Paired) })
	gauge("hashing_grouped_bytes_total", func() float64 { return float64(s.hashing.Stats().Grouped) })
}
