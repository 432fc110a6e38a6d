package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/metric"
)

// value reads one sample; -1 if it is not there.
func (g *rig) value(name string) float64 {
	var b bytes.Buffer
	g.s.metrics.WritePrometheus(&b)
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(metricPrefix+name) + ` (\S+)$`).FindStringSubmatch(b.String())
	if m == nil {
		return -1
	}
	v, _ := strconv.ParseFloat(m[1], 64)
	return v
}

// The names of the earlier system stay, and each figure moves when it should.
func TestEveryMetricMoves(t *testing.T) {
	g := newRig(t, func(c *Config) { c.AllowedBuckets = []string{"bkt"} })
	g.put("/bkt/k", pattern(100_000))
	g.get("/bkt/k")
	g.do(call{method: "GET", target: "/bkt/k", access: "NOBODY"})
	g.do(call{method: "GET", target: "/other/k"})
	g.get("/bkt/absent")
	g.store.tamper("bkt", "k", func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	g.get("/bkt/k")
	raw, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	fmt.Fprint(raw, "nonsense\r\n\r\n")
	g.s.metrics.ObserveBackend("PutObject", 0, backend.Busy, 3*time.Millisecond, 1)
	g.s.metrics.ObserveBackend("PutObject", 200, "", 3*time.Millisecond, 2)
	g.s.metrics.ObserveClock(-90 * time.Second)
	for name, want := range map[string]float64{
		`requests_total{method="PUT",operation="PutObject",status="2xx"}`: 1,
		`requests_total{method="GET",operation="GetObject",status="2xx"}`: 1,
		`requests_total{method="GET",operation="GetObject",status="5xx"}`: 1,
		`requests_total{method="other",operation="none",status="4xx"}`:    1,
		`bytes_encrypted_total`:                                                     100_000,
		`bytes_decrypted_total`:                                                     100_000,
		`auth_failures_total{reason="unknown_key"}`:                                 1,
		`auth_failures_total{reason="signature"}`:                                   0,
		`client_errors_total{type="AccessDenied"}`:                                  1,
		`client_errors_total{type="not_found"}`:                                     1,
		`client_requests_total{credential="client",status="2xx"}`:                   2,
		`client_requests_total{credential="client",status="5xx"}`:                   1,
		`client_requests_total{credential="none",status="4xx"}`:                     1,
		`client_received_bytes_total{credential="client"}`:                          100_000,
		`bucket_requests_total{bucket="bkt",status="2xx"}`:                          2,
		`bucket_requests_total{bucket="other",status="4xx"}`:                        1,
		`bucket_received_bytes_total{bucket="bkt"}`:                                 100_000,
		`backend_requests_total{operation="PutObject",status="0"}`:                  1,
		`backend_requests_total{operation="PutObject",status="200"}`:                1,
		`backend_request_duration_seconds_bucket{operation="PutObject",le="0.002"}`: 0,
		`backend_request_duration_seconds_bucket{operation="PutObject",le="0.004"}`: 2,
		`backend_retries_total{operation="PutObject"}`:                              1,
		`backend_errors_total{type="unavailable"}`:                                  0,
		`backend_clock_ahead_seconds`:                                               -90,
		`malformed_requests_total`:                                                  1,
		`key_errors_total{type="no_key"}`:                                           0,
		`integrity_failures_total{reason="state_missing"}`:                          0,
		`overload_total{reason="busy"}`:                                             0,
		`pipeline_plain_bytes_sealed_total`:                                         100_000,
		`encryption_errors_total{type="integrity"}`:                                 1,
		`integrity_failures_total{reason="integrity"}`:                              1,
		`request_duration_seconds_count{operation="PutObject"}`:                     1,
		`encryption_duration_seconds_count{operation="PutObject"}`:                  1,
		`encryption_duration_seconds_count{operation="GetObject"}`:                  2,
		`key_loaded`:                   1,
		`backend_connection_pool_size`: 1,
		`pipeline_budget_used_bytes`:   0,
		`panics_total`:                 0,
	} {
		// The last count of a request comes just after its answer.
		for end := time.Now().Add(10 * time.Second); g.value(name) != want && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if got := g.value(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if n := g.value(`bucket_sent_bytes_total{bucket="bkt"}`); n < 100_000 || n > 110_000 {
		t.Errorf("%v bytes were sent, of which 100000 are the object's", n)
	}
	if n := g.value(`client_sent_bytes_total{credential="client"}`); n < 100_000 || n > 110_000 {
		t.Errorf("%v bytes were sent to the client", n)
	}
	idle, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	for end := time.Now().Add(10 * time.Second); g.value("client_connections") < 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no connection of a client is shown")
		}
	}
	if g.value("active_requests") != 0 {
		t.Error("requests are still active")
	}
	g.keys.ring = nil
	if g.value("key_loaded") != 0 {
		t.Error("a key is shown that is not there")
	}
	var b bytes.Buffer
	g.s.metrics.WritePrometheus(&b)
	for _, secret := range []string{testSecret, "/bkt/k", "NOBODY"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("the metrics show %q", secret)
		}
	}
}

// TestMetricsAreThoseOfTheTable: nothing is shown that MetricTable does not describe,
// with other labels, or is described and never shown.
func TestMetricsAreThoseOfTheTable(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", pattern(1000))
	g.get("/bkt/absent")
	g.s.metrics.ObserveBackend("PutObject", 503, backend.Busy, time.Millisecond, 2)
	for end := time.Now().Add(10 * time.Second); g.value(`bucket_requests_total{bucket="other",status="4xx"}`) < 1 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	var b bytes.Buffer
	g.s.metrics.WritePrometheus(&b)
	labels := map[string][]string{}
	for _, d := range MetricTable() {
		labels[d.Name] = d.Labels
		if d.Kind == metric.HistogramKind {
			labels[d.Name] = append([]string{"le"}, d.Labels...)
		}
	}
	seen := map[string]bool{}
	pair := regexp.MustCompile(`([a-z]+)="`)
	for line := range strings.Lines(b.String()) {
		name := metric.Family(line, MetricTable())
		known, ok := labels[name]
		if !ok {
			t.Errorf("not in the table: %s", line)
		}
		for _, m := range pair.FindAllStringSubmatch(line, -1) {
			if !slices.Contains(known, m[1]) {
				t.Errorf("%s has a label that the table does not name: %s", name, m[1])
			}
		}
		seen[name] = true
	}
	for name := range labels {
		if !seen[name] {
			t.Errorf("%s is in the table and never shown", name)
		}
	}
}

// TestLabelsAreBounded: whatever clients and the backend send, no new series.
func TestLabelsAreBounded(t *testing.T) {
	g := newRig(t, func(c *Config) { c.AllowedBuckets = []string{"bkt"} })
	g.store.reply = &backend.Reply{Status: 400, Code: "CodeOfTheBackend", Message: "no"}
	for i := range 20 {
		g.do(call{method: "GET", target: fmt.Sprintf("/bucket-%d/key-%d?tagging", i, i)})
		g.do(call{method: fmt.Sprintf("METHOD%d", i), target: "/bkt/k"})
		g.do(call{method: "GET", target: "/bkt", access: fmt.Sprintf("ACCESS%d", i)})
		g.do(call{method: "GET", target: fmt.Sprintf("/bkt/k?sub%d=1", i)})
		g.do(call{method: "GET", target: "/bkt/k?tagging"})
	}
	var b bytes.Buffer
	g.s.metrics.WritePrometheus(&b)
	if bad := regexp.MustCompile(`bucket-\d|key-\d|METHOD|ACCESS\d|sub\d|CodeOf`).FindString(b.String()); bad != "" {
		t.Errorf("a label has %q", bad)
	}
	if g.value(`client_errors_total{type="relayed"}`) != 20 {
		t.Errorf("relayed refusals: %v", g.value(`client_errors_total{type="relayed"}`))
	}
}

// TestClientThatLeavesIsNobodysFault: in the middle of an answer, or of a write, it
// counts as the client's own error; with the server's end it is not the client's.
func TestClientThatLeavesIsNobodysFault(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", pattern(8<<20))
	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(call{method: "GET", target: "/bkt/k"}.raw(g.addr)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
	for end := time.Now().Add(10 * time.Second); g.value(`client_errors_total{type="client_left"}`) != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the client that left was not counted")
		}
	}
	if n := g.value(`backend_errors_total{type="internal"}`); n > 0 {
		t.Errorf("%v faults of ours", n)
	}

	ctx, left := context.WithCancel(g.s.ctx)
	r := &request{ctx: ctx}
	busy := fmt.Errorf("cannot put: %w", context.Canceled)
	left()
	if f := g.s.faultOf(r, busy); f != clientLeft {
		t.Errorf("a write whose client left: %+v", f)
	}
	g.s.stop()
	if f := g.s.faultOf(r, busy); f.class != overload {
		t.Errorf("a write that the end cut: %+v", f)
	}
}
