package server

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
)

// moves polls until a figure passes.
func (g *rig) moves(name string, ok func(float64) bool) {
	g.t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(g.value(name)); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			g.t.Errorf("%s stays at %v", name, g.value(name))
			return
		}
	}
}

func above(n float64) func(float64) bool { return func(v float64) bool { return v > n } }
func at(n float64) func(float64) bool    { return func(v float64) bool { return v == n } }

// TestRareMetricsMove: what no good request counts.
func TestRareMetricsMove(t *testing.T) {
	g := newRig(t, withMD5)
	g.put("/bkt/k", pattern(300_000))
	g.get("/bkt/k")
	for _, name := range []string{"pipeline_workers", "pipeline_seal_seconds_total", "pipeline_open_seconds_total", "pipeline_plain_bytes_opened_total", "pipeline_budget_bytes"} {
		g.moves(name, above(0))
	}
	if n := g.value("pipeline_batches_handed_total") + g.value("pipeline_batches_inline_total"); n < 2 {
		t.Errorf("%v batches", n)
	}
	if n := g.value("hashing_alone_bytes_total") + g.value("hashing_paired_bytes_total") + g.value("hashing_grouped_bytes_total"); n < 299_000 { // whole blocks
		t.Errorf("%v bytes hashed", n)
	}
	if n := g.value("pipeline_workers_busy"); n < 0 || n > g.value("pipeline_workers") {
		t.Errorf("%v workers at work", n)
	}

	// The first listing asks the backend, the second does not.
	g.s.etags = newETagCache(10)
	for range 2 {
		g.want(g.do(call{method: "GET", target: "/bkt?list-type=2"}), 200, "")
	}
	g.moves("listing_etags_read_total", at(1))
	g.moves("listing_etags_cached_total", at(1))

	// An answer that had begun is broken off.
	g.put("/bkt/large", pattern(wholeGet+1<<20))
	g.store.tamper("bkt", "large", func(b []byte) []byte { b[len(b)-100] ^= 1; return b })
	g.do(call{method: "GET", target: "/bkt/large"})
	g.moves("responses_aborted_total", at(1))
	g.moves(`integrity_failures_total{reason="integrity"}`, at(1))

	// A panic is an answer and a count.
	g.store.before = func(string, string, string) error { panic("on purpose") }
	if a := g.do(call{method: "GET", target: "/bkt/k"}); a.status != 500 {
		t.Errorf("a panic is answered with %d", a.status)
	}
	g.store.before = nil
	g.moves("panics_total", at(1))
	g.get("/bkt/k")
}

// TestMemoryMetricsMove: full memory is seen, so is who waits for it, and who waited
// too long.
func TestMemoryMetricsMove(t *testing.T) {
	g := newRig(t, func(c *Config) {
		var err error
		if c.Engine, err = pipeline.New(pipeline.Config{SegmentBytes: format.SegmentSize, TagBytes: format.TagSize, Budget: 64 << 20, QueueTimeout: time.Second}); err != nil {
			t.Fatal(err)
		}
	})
	g.put("/bkt/first", nil)
	all, err := g.engine.Reserve(t.Context(), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	g.moves("pipeline_budget_used_bytes", at(64<<20))
	done := make(chan answer, 1)
	go func() { done <- g.do(call{method: "PUT", target: "/bkt/k", body: pattern(1000)}) }()
	g.moves("pipeline_waiting", at(1))
	if a := <-done; a.status != 503 || a.code() != "SlowDown" {
		t.Errorf("full memory is answered with %d %s", a.status, a.code())
	}
	g.moves("pipeline_refused_total", at(1))
	g.moves(`overload_total{reason="busy"}`, at(1))
	all.Release()
	g.moves("pipeline_budget_used_bytes", at(0))
	g.moves("pipeline_pooled_bytes", at(0))
	g.put("/bkt/k", pattern(1000))
}

// TestUnreadableOverwrittenMoves: a write that must not replace anything replaces what
// nobody can open, and says so.
func TestUnreadableOverwrittenMoves(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", pattern(1000))
	g.store.tamper("bkt", "k", func(b []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) })
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(1000), header: map[string]string{"if-none-match": "*"}}), 200, "")
	g.moves("unreadable_overwritten_total", at(1))
}

// TestEveryMetricIsTested: the name of each is in a test of this package.
func TestEveryMetricIsTested(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for _, d := range MetricTable() {
		name := strings.TrimPrefix(d.Name, metricPrefix)
		if !strings.Contains(all.String(), "\""+name) && !strings.Contains(all.String(), "`"+name) {
			t.Errorf("no test looks at %s", d.Name)
		}
	}
}
