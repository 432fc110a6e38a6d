package main

import (
	"strings"
	"testing"
	"time"
)

func testSection() (options, string) {
	opt := options{rounds: 1, size: 4 << 20, inFlight: 16, keys: 64, window: time.Second, backends: []string{sink}}
	s := sample{rate: 100, client: 0.5, proxy: 2.25, backend: 1, p50: time.Millisecond, p99: 2 * time.Millisecond}
	samples := map[string][]sample{"put": {s}, "get": {s}}
	return opt, render(opt, "a machine", []backendResult{{sink, []columnResult{
		{column: columns[0], samples: samples}, {column: columns[2], samples: samples, peak: 77 << 20}}}})
}

func TestRender(t *testing.T) {
	_, got := testSection()
	for _, want := range []string{
		"4 MiB objects, 16 in flight", "a machine", "### PUT, backend sink", "### GET, backend sink",
		"| direct (plain HTTP, no proxy) | 100 (100–100) | – | 0.50 (0.50–0.50) | 1.00 (1.00–1.00) | 1.0 | 2.0 | – |",
		"| sealed, XChaCha20-Poly1305 | 100 (100–100) | 2.25 (2.25–2.25) | 0.50 (0.50–0.50) | 1.00 (1.00–1.00) | 1.0 | 2.0 | 77 |",
		"bin/e2e -rounds 1 -size 4194304 -inflight 16 -keys 64 -window 1s -backends sink",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestOptions(t *testing.T) {
	opt, _ := testSection()
	if err := opt.check(); err != nil {
		t.Error(err)
	}
	opt.backends = []string{"tape"}
	if err := opt.check(); err == nil {
		t.Error("a tape is a backend")
	}
	opt = options{}
	if err := opt.check(); err == nil {
		t.Error("zero rounds are accepted")
	}
}
