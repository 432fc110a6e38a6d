package server

import (
	"net/http"

	"github.com/VictoriaMetrics/metrics"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// begin makes, at zero, every counter that alerts and panels add up, by all values of its
// labels that are known: Prometheus sees no increase in what appears with its first event.
func (m *Metrics) begin() {
	for _, f := range faults {
		m.faultCounters(f, func(*metrics.Counter) {})
	}
	for _, f := range backendFaults {
		m.faultCounters(f, func(*metrics.Counter) {})
	}
	for _, f := range []fault{backendUnavailable, clientLeft, archivedFault, lockedFault} {
		m.faultCounters(f, func(*metrics.Counter) {})
	}
	for _, code := range s3err.Codes() {
		m.faultCounters(fault{label: string(code), class: clientFault}, func(*metrics.Counter) {})
	}
	m.faultCounters(fault{label: relayedLabel, class: clientFault}, func(*metrics.Counter) {})
	m.faultCounters(internalFault, func(*metrics.Counter) {})
	for _, r := range append([]route{postObject, preflight, {op: noOperation, method: otherMethod}}, routes...) {
		for _, class := range firstClasses {
			m.answered.get(requestLabels{r.method, r.op, class}, m.addRequests)
		}
	}
	for _, op := range Operations() {
		for _, status := range firstStatuses {
			m.asked.get(attemptLabels{op, status}, m.addAttempts)
		}
		m.retries(op)
	}
}

// meet is begin for the credentials and the buckets of terms, which may be new.
func (m *Metrics) meet(t *terms) {
	known := []trafficLabels{{of: "client", value: nobody}, {of: "bucket", value: nobody}, {of: "bucket", value: otherBucket}}
	for _, c := range t.byKey {
		known = append(known, trafficLabels{of: "client", value: c.name})
	}
	for b := range t.allowed {
		known = append(known, trafficLabels{of: "bucket", value: b})
	}
	for _, k := range known {
		for _, k.class = range firstClasses {
			m.moved.get(k, m.addTraffic)
		}
	}
}

// firstClasses of answers, and firstStatuses of the backend's, are those that one waits for.
var (
	firstClasses  = [...]int{2, 4, 5}
	firstStatuses = [...]int{0, http.StatusOK, http.StatusServiceUnavailable}
)
