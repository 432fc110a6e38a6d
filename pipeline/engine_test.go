package pipeline

import (
	"runtime"
	"strings"
	"testing"
)

func TestConfigNamesTheBadField(t *testing.T) {
	good := Config{SegmentBytes: testSegment, TagBytes: testTag}
	for _, c := range []struct {
		field  string
		change func(*Config)
	}{
		{"SegmentBytes", func(c *Config) { c.SegmentBytes = 0 }},
		{"SegmentBytes", func(c *Config) { c.SegmentBytes = maxBatch + 1 }},
		{"TagBytes", func(c *Config) { c.TagBytes = 0 }},
		{"TagBytes", func(c *Config) { c.TagBytes = maxTag + 1 }},
		{"Workers", func(c *Config) { c.Workers = -1 }},
		{"Workers", func(c *Config) { c.Workers = maxWorkers + 1 }},
		{"BatchBytes", func(c *Config) { c.BatchBytes = minBatch - 1 }},
		{"BatchBytes", func(c *Config) { c.BatchBytes = maxBatch + 1 }},
		{"BatchBytes", func(c *Config) { c.SegmentBytes = 1 << 20; c.BatchBytes = minBatch }},
		{"Budget", func(c *Config) { c.Budget = -1 }},
		{"Budget", func(c *Config) { c.Budget = 1 << 16 }}, // fits no stream
		{"QueueTimeout", func(c *Config) { c.QueueTimeout = -1 }},
		{"MaxWaiting", func(c *Config) { c.MaxWaiting = -1 }},
	} {
		cfg := good
		c.change(&cfg)
		if e, err := New(cfg); err == nil || !strings.Contains(err.Error(), c.field) {
			t.Errorf("%s: %v", c.field, err)
			if e != nil {
				e.Close()
			}
		}
	}
}

func TestZeroConfigFollowsTheMachine(t *testing.T) {
	e, err := New(Config{SegmentBytes: 64 << 10, TagBytes: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	auto := Tune(64 << 10)
	if e.Workers() != runtime.GOMAXPROCS(0) || e.BatchBytes() != auto.BatchBytes || e.Tuning() != auto {
		t.Errorf("%d workers, batches of %d, %+v; Tune says %+v", e.Workers(), e.BatchBytes(), e.Tuning(), auto)
	}
	if st := e.Stats(); st.Budget != 256<<20 {
		t.Errorf("%+v", st)
	}
}

func TestTune(t *testing.T) {
	for l2, want := range map[int]int{-1: 1 << 20, 0: 1 << 20, 256 << 10: 256 << 10, 1 << 20: 512 << 10, 2 << 20: 1 << 20, 64 << 20: 1 << 20} {
		got := tune(64<<10, l2, 4, "A CPU")
		if got.BatchBytes != want || got.Workers != 4 {
			t.Errorf("L2 of %d: %+v", l2, got)
		}
		if !strings.Contains(got.Why, "A CPU") || !strings.Contains(got.Why, "4 workers") || strings.Contains(got.Why, "no L2") != (l2 <= 0) {
			t.Errorf("L2 of %d is explained as %q", l2, got.Why)
		}
	}
	if got := tune(3<<20, 1<<20, 1, ""); got.BatchBytes != 3<<20 || !strings.Contains(got.Why, "unknown CPU") {
		t.Errorf("a segment larger than the cache: %+v", got)
	}
	e := newEngine(t, 3)
	if why := e.Tuning().Why; !strings.Contains(why, "overridden: 3 workers") || !strings.Contains(why, "overridden: batches of 65536 bytes") {
		t.Errorf("what was overridden is not told: %q", why)
	}
}
