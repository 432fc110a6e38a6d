package server

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
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
	g := newRig(t)
	g.put("/bkt/k", pattern(100_000))
	g.get("/bkt/k")
	g.do(call{method: "GET", target: "/bkt/k", access: "NOBODY"})
	g.store.tamper("bkt", "k", func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	g.get("/bkt/k")
	for name, want := range map[string]float64{
		`requests_total{method="PUT",operation="PutObject",status="2xx"}`: 1,
		`requests_total{method="GET",operation="GetObject",status="2xx"}`: 1,
		`requests_total{method="GET",operation="GetObject",status="5xx"}`: 1,
		`requests_total{method="other",operation="none",status="4xx"}`:    1,
		`bytes_encrypted_total`:                                    100_000,
		`bytes_decrypted_total`:                                    100_000,
		`auth_failures_total{reason="unknown_key"}`:                1,
		`encryption_errors_total{type="integrity"}`:                1,
		`integrity_failures_total{reason="integrity"}`:             1,
		`request_duration_seconds_count{operation="PutObject"}`:    1,
		`encryption_duration_seconds_count{operation="PutObject"}`: 1,
		`encryption_duration_seconds_count{operation="GetObject"}`: 2,
		`key_loaded`:                   1,
		`backend_connection_pool_size`: 1,
		`pipeline_budget_used_bytes`:   0,
		`panics_total`:                 0,
	} {
		// The last count of a request comes just after its answer.
		for end := time.Now().Add(2 * time.Second); g.value(name) != want && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if got := g.value(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
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
