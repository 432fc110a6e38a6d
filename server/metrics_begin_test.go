package server

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// series are the names, with their labels, of a metric set's samples, and their values.
func series(m *Metrics) map[string]string {
	var b bytes.Buffer
	m.WritePrometheus(&b)
	out := map[string]string{}
	for line := range strings.Lines(b.String()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			out[name] = value
		}
	}
	return out
}

// TestCountersBeginAtZero: what requests of every kind count was there before the first of
// them, so that no increase is missed.
func TestCountersBeginAtZero(t *testing.T) {
	g := newRig(t, func(c *Config) {
		c.AllowedBuckets = []string{"bkt", "new"}
		c.Credentials = append(c.Credentials, Credential{Name: "second", AccessKey: "SECOND", SecretKey: "second-secret"})
	})
	before := series(g.s.metrics)
	for name, value := range before {
		if strings.Contains(name, "_total{") && value != "0" {
			t.Errorf("%s begins at %s", name, value)
		}
	}
	trouble(g, "a-name")
	g.do(call{method: "GET", target: "/bkt/k", access: "NOBODY"})
	g.do(call{method: "PUT", target: "/new/k", body: pattern(10)})
	g.do(call{method: "GET", target: "/other/k"})
	g.do(call{method: "BREW", target: "/bkt/k"})
	g.do(call{method: "GET", target: "/"})
	g.do(call{method: "OPTIONS", target: "/bkt/k", header: map[string]string{"origin": "https://a", "access-control-request-method": "GET"}})
	if err := g.s.SetTerms(Terms{Credentials: []Credential{{Name: "third", AccessKey: testAccess, SecretKey: testSecret}}, AllowedBuckets: []string{"bkt", "later"}}); err != nil {
		t.Fatal(err)
	}
	for name, value := range series(g.s.metrics) {
		if _, there := before[name]; !there && (strings.Contains(name, `"third"`) || strings.Contains(name, `"later"`)) {
			if value != "0" {
				t.Errorf("%s begins at %s", name, value)
			}
			before[name] = value
		}
	}
	for _, want := range []string{`client_requests_total{credential="third",status="5xx"}`, `bucket_received_bytes_total{bucket="later"}`, `client_sent_bytes_total{credential="second"}`} {
		if before[metricPrefix+want] != "0" {
			t.Errorf("no %s from the beginning", want)
		}
	}
	g.do(call{method: "PUT", target: "/later/k", body: pattern(10)})
	moved := 0
	for name, value := range series(g.s.metrics) {
		if !strings.Contains(name, "_total{") || value == "0" {
			continue
		}
		moved++
		if _, there := before[name]; !there {
			t.Errorf("%s appeared with %s", name, value)
		}
	}
	if moved < 20 {
		t.Errorf("only %d counters moved", moved)
	}
}

// TestBackendCountersBeginAtZero: each operation that the proxy asks of a backend has its
// counters, whichever part of the code asks it.
func TestBackendCountersBeginAtZero(t *testing.T) {
	there := series(NewMetrics())
	named := regexp.MustCompile(`\b(?:op|Op|bucketOp) *(?::=|=|:) *"([A-Z][A-Za-z0-9]+)"`)
	ops := map[string]bool{}
	for _, pattern := range []string{"*.go", "backend/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 20 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range named.FindAllStringSubmatch(string(text), -1) {
				ops[m[1]] = true
			}
		}
	}
	delete(ops, preflight.op) // the proxy answers it alone
	if len(ops) < 20 {
		t.Fatalf("only %d operations in the sources", len(ops))
	}
	for op := range ops {
		for _, want := range []string{`backend_retries_total{operation="` + op + `"}`, `backend_requests_total{operation="` + op + `",status="0"}`, `backend_requests_total{operation="` + op + `",status="200"}`} {
			if there[metricPrefix+want] != "0" {
				t.Errorf("no %s from the beginning", want)
			}
		}
	}
	for _, kind := range []backend.Kind{backend.Busy, backend.Unreachable, backend.Denied, backend.Invalid} {
		if want := metricPrefix + `backend_errors_total{type="` + faultOf(&backend.Error{Kind: kind}).label + `"}`; there[want] != "0" {
			t.Errorf("no %s from the beginning", want)
		}
	}
}
