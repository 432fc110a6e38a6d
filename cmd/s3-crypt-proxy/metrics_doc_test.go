package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/metric"
)

var updateDocs = flag.Bool("update-docs", false, "write the table of docs/metrics.md anew")

// TestMetricsAreDocumented: docs/metrics.md has exactly the table that /metrics
// takes its HELP from. `go test ./cmd/s3-crypt-proxy -run Documented -update-docs`
// writes it.
func TestMetricsAreDocumented(t *testing.T) {
	const file, begin, end = "../../docs/metrics.md", "<!-- table: generated -->\n", "<!-- end of the table -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("docs/metrics.md has no place for the table")
	}
	var table strings.Builder
	if err := metric.WriteMarkdown(&table, metricTable()); err != nil {
		t.Fatal(err)
	}
	want := head + begin + table.String() + end + tail
	if *updateDocs {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Error("docs/metrics.md differs from the table in the code; run this test with -update-docs")
	}
	names := map[string]bool{}
	for _, d := range metricTable() {
		if names[d.Name] {
			t.Errorf("%s is there twice", d.Name)
		}
		names[d.Name] = true
		if d.Help == "" || !strings.HasSuffix(d.Help, ".") || strings.ContainsAny(d.Help, "\n\\|") {
			t.Errorf("%s: help %q", d.Name, d.Help)
		}
		if (d.Kind == metric.Counter) != strings.HasSuffix(d.Name, "_total") {
			t.Errorf("%s is a %s", d.Name, d.Kind)
		}
	}
}
