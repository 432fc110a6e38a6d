package server

import (
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// metricPrefix stands before every name.
const metricPrefix = "s3_crypt_proxy_"

// Metrics is every figure of one Server, in a set of its own so that two
// servers in a process do not mix. Safe for concurrent use.
type Metrics struct {
	set    *metrics.Set
	active atomic.Int64

	sealedBytes, openedBytes *metrics.Counter
	aborted, panics          *metrics.Counter
	malformed, overwrites    *metrics.Counter
	orphans, foreignListed   *metrics.Counter
	etagsRead, etagsCached   *metrics.Counter
	unnamableListed          *metrics.Counter
}

// NewMetrics makes an empty set.
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
	}
	set.NewGauge(metricPrefix+"active_requests", func() float64 { return float64(m.active.Load()) })
	return m
}

// WritePrometheus writes every metric in the text format.
func (m *Metrics) WritePrometheus(w io.Writer) { m.set.WritePrometheus(w) }

// counterOf names the counter and label of each class of fault.
var counterOf = map[faultClass]string{
	clientFault:    `client_errors_total{type=%q}`,
	authFault:      `auth_failures_total{reason=%q}`,
	keyFault:       `key_errors_total{type=%q}`,
	integrityFault: `integrity_failures_total{reason=%q}`,
	backendFault:   `backend_errors_total{type=%q}`,
	overload:       `overload_total{reason=%q}`,
}

func (m *Metrics) fault(f fault) {
	m.set.GetOrCreateCounter(metricPrefix + fmt.Sprintf(counterOf[f.class], f.label)).Inc()
	if f.class == integrityFault || f.class == keyFault {
		m.set.GetOrCreateCounter(metricPrefix + fmt.Sprintf(`encryption_errors_total{type=%q}`, f.label)).Inc()
	}
}

func (m *Metrics) request(method, op string, status int, took time.Duration) {
	class := strconv.Itoa(status/100) + "xx"
	if op == "none" {
		method = "other" // clients choose methods; labels must not grow with them
	}
	m.set.GetOrCreateCounter(metricPrefix + fmt.Sprintf(`requests_total{method=%q,operation=%q,status=%q}`, method, op, class)).Inc()
	m.set.GetOrCreateHistogram(metricPrefix + fmt.Sprintf(`request_duration_seconds{operation=%q}`, op)).Update(took.Seconds())
}

// client counts a request of a credential, by its configured name.
func (m *Metrics) client(name string, status int) {
	m.set.GetOrCreateCounter(metricPrefix + fmt.Sprintf(`client_requests_total{credential=%q,status="%dxx"}`, name, status/100)).Inc()
}

// crypto records how long the sealing, or opening, of one object took: the time
// of the AEAD on all cores together, nothing of the network.
func (m *Metrics) crypto(op string, took time.Duration) {
	m.set.GetOrCreateHistogram(metricPrefix + fmt.Sprintf(`encryption_duration_seconds{operation=%q}`, op)).Update(took.Seconds())
}

// ObserveBackend counts one attempt at the backend; backend.Config.Observe
// takes it. kind is zero for a success.
func (m *Metrics) ObserveBackend(op string, status int, kind backend.Kind, took time.Duration, attempt int) {
	m.set.GetOrCreateCounter(metricPrefix + fmt.Sprintf(`backend_requests_total{operation=%q,status="%d"}`, op, status)).Inc()
	m.set.GetOrCreateHistogram(metricPrefix + fmt.Sprintf(`backend_request_duration_seconds{operation=%q}`, op)).Update(took.Seconds())
	if attempt > 1 {
		m.set.GetOrCreateCounter(metricPrefix + fmt.Sprintf(`backend_retries_total{operation=%q}`, op)).Inc()
	}
}

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
	stat := func(f func(pipeline.Stats) float64) func() float64 {
		return func() float64 { return f(s.engine.Stats()) }
	}
	for name, f := range engineGauges {
		gauge(name, stat(f))
	}
	gauge("hashing_alone_bytes_total", func() float64 { return float64(s.hashing.Stats().Alone) })
	gauge("hashing_paired_bytes_total", func() float64 { return float64(s.hashing.Stats().Paired) })
}
