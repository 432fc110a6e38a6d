package server

import (
	"fmt"
	"sync"

	"github.com/VictoriaMetrics/metrics"
)

// counters are figures by their labels, so that a request finds them without writing
// their names. K has as many values as the labels have. Safe for concurrent use.
type counters[K comparable, V any] struct {
	mu sync.RWMutex
	of map[K]V
}

// get gives the figures of k; add makes them the first time.
func (c *counters[K, V]) get(k K, add func(K) V) V {
	c.mu.RLock()
	v, ok := c.of[k]
	c.mu.RUnlock()
	if ok {
		return v
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok = c.of[k]; !ok {
		if c.of == nil {
			c.of = map[K]V{}
		}
		v = add(k)
		c.of[k] = v
	}
	return v
}

// requestLabels are those of requests_total; class is the status' first digit.
type requestLabels struct {
	method, op string
	class      int
}

// otherMethod is the method of requests that are no S3 operation.
const otherMethod = "other"

// trafficLabels are those of the figures of a credential or a bucket.
type trafficLabels struct {
	of    string // "client" or "bucket": what the figures' names begin with
	value string
	class int
}

// trafficCounters are a credential's or a bucket's.
type trafficCounters struct{ requests, received, sent *metrics.Counter }

// attemptLabels are those of backend_requests_total.
type attemptLabels struct {
	op     string
	status int
}

func (m *Metrics) addRequests(k requestLabels) *metrics.Counter {
	return m.counter(`requests_total{method=%q,operation=%q,status="%dxx"}`, k.method, k.op, k.class)
}

func (m *Metrics) addAttempts(k attemptLabels) *metrics.Counter {
	return m.counter(`backend_requests_total{operation=%q,status="%d"}`, k.op, k.status)
}

func (m *Metrics) retries(op string) *metrics.Counter {
	return m.counter(`backend_retries_total{operation=%q}`, op)
}

func (m *Metrics) addTraffic(k trafficLabels) trafficCounters {
	label := "credential"
	if k.of == "bucket" {
		label = "bucket"
	}
	return trafficCounters{
		requests: m.counter(k.of+`_requests_total{%s=%q,status="%dxx"}`, label, k.value, k.class),
		received: m.counter(k.of+`_received_bytes_total{%s=%q}`, label, k.value),
		sent:     m.counter(k.of+`_sent_bytes_total{%s=%q}`, label, k.value),
	}
}

// counter finds a counter by its name and labels, or makes it.
func (m *Metrics) counter(format string, labels ...any) *metrics.Counter {
	return m.set.GetOrCreateCounter(metricPrefix + fmt.Sprintf(format, labels...))
}
