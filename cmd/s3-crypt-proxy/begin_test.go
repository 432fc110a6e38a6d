package main

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/metric"
)

// TestWatchedCountersBeginAtZero: every counter of an alert or a panel is there, at zero,
// before anything was counted: increase() sees nothing in a sample that is the first.
func TestWatchedCountersBeginAtZero(t *testing.T) {
	b := newBench(t, "S3CP_MEMKEY_MODE=agent", "S3CP_ALLOWED_BUCKETS=backups")
	resp, err := http.Get("http://" + b.admins.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	watched := ""
	for _, file := range []string{"../../deploy/prometheus/alerts.yml", "../../deploy/grafana/dashboard.json"} {
		part, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		watched += string(part)
	}
	looked := 0
	for _, d := range metricTable() {
		if d.Kind != metric.Counter || !strings.Contains(watched, d.Name+"{") && !strings.Contains(watched, d.Name+"[") && !strings.Contains(watched, d.Name+")") {
			continue
		}
		looked++
		samples := regexp.MustCompile(`(?m)^`+d.Name+`(\{[^}]*\})? (\S+)$`).FindAllStringSubmatch(string(text), -1)
		if len(samples) == 0 {
			t.Errorf("%s is not there", d.Name)
		}
		for _, s := range samples {
			for _, label := range d.Labels {
				if !strings.Contains(s[1], label+"=") {
					t.Errorf("%s: no label %s", s[0], label)
				}
			}
			if s[2] != "0" && !strings.HasSuffix(d.Name, "_seconds_total") {
				t.Errorf("it begins with %s", s[0])
			}
		}
	}
	if looked < 15 {
		t.Errorf("only %d counters are watched", looked)
	}
	b.signals <- os.Interrupt
	if err := b.wait(t); err != nil {
		t.Error(err)
	}
}
