package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/metric"
)

// others are the names in rules and panels that are not ours: Prometheus' own, and
// what the admin listener writes of the process.
var others = []string{"up", "process_start_time_seconds", "process_open_fds", "process_max_fds", "process_resident_memory_bytes", "process_cpu_seconds_total", "go_goroutines"}

// checkExpr holds the names of figures in an expression, and their labels, to the table.
func checkExpr(t *testing.T, where, expr string) {
	t.Helper()
	labels := map[string][]string{}
	for _, d := range metricTable() {
		labels[d.Name] = append([]string{"instance", "job"}, d.Labels...)
		if d.Kind == metric.HistogramKind {
			labels[d.Name+"_bucket"] = append([]string{"le"}, labels[d.Name]...)
			labels[d.Name+"_sum"], labels[d.Name+"_count"] = labels[d.Name], labels[d.Name]
			delete(labels, d.Name) // no sample has the bare name
		}
	}
	found := regexp.MustCompile(`\b(s3_crypt_proxy_\w+|process_\w+|go_\w+|up)\b(?:\{([^}]*)\})?`).FindAllStringSubmatch(expr, -1)
	if len(found) == 0 {
		t.Errorf("%s: no figure in %q", where, expr)
	}
	var known []string
	for _, m := range found {
		have, ok := labels[m[1]]
		if !ok && !slices.Contains(others, m[1]) {
			t.Errorf("%s: there is no figure %s", where, m[1])
		}
		if !ok {
			have = []string{"instance", "job"}
		}
		for _, l := range regexp.MustCompile(`(\w+)\s*(?:=|!=|=~|!~)\s*"`).FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(have, l[1]) {
				t.Errorf("%s: %s has no label %s", where, m[1], l[1])
			}
		}
		known = append(known, have...)
	}
	for _, m := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
		for l := range strings.SplitSeq(m[1], ",") {
			if !slices.Contains(known, strings.TrimSpace(l)) {
				t.Errorf("%s: nothing in it has the label %s", where, l)
			}
		}
	}
}

// TestAlertsAreAboutWhatThereIs; what they do is tried by promtool (make alerts).
func TestAlertsAreAboutWhatThereIs(t *testing.T) {
	text, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil || len(file.Groups) != 1 || len(file.Groups[0].Rules) < 15 {
		t.Fatalf("%v: %d groups", err, len(file.Groups))
	}
	tests, err := os.ReadFile("../../deploy/prometheus/alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range file.Groups[0].Rules {
		checkExpr(t, r.Alert, r.Expr)
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has the severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s does not say what is wrong and what to do", r.Alert)
		}
		if !strings.Contains(string(tests), `ALERTS{alertname="`+r.Alert+`"`) || !strings.Contains(string(tests), "alertname: "+r.Alert+", exp_alerts: []") {
			t.Errorf("%s is not tested both ways in alerts_test.yml", r.Alert)
		}
	}
}

// TestPanelsAreAboutWhatThereIs: each asks for figures that exist and names their unit.
func TestPanelsAreAboutWhatThereIs(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title, UID string
		Panels     []struct {
			ID          int
			Type, Title string
			FieldConfig struct{ Defaults struct{ Unit string } }
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil || board.Title == "" || board.UID == "" || len(board.Panels) < 20 {
		t.Fatalf("%v: %d panels", err, len(board.Panels))
	}
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("%s: the id %d is taken", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("%s: %d targets, unit %q", p.Title, len(p.Targets), p.FieldConfig.Defaults.Unit)
		}
		for _, target := range p.Targets {
			checkExpr(t, p.Title, target.Expr)
		}
	}
}
