package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	of := func(v ...float64) spread {
		var s []sample
		for _, x := range v {
			s = append(s, sample{rate: x})
		}
		return spreadOf(s, func(s sample) float64 { return s.rate })
	}
	for want, got := range map[spread]spread{{2, 1, 9}: of(9, 1, 2), {3, 1, 9}: of(9, 2, 4, 1), {5, 5, 5}: of(5)} {
		if got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if got := (spread{1.234, 1, 2}).text(2); got != "1.23 (1.00–2.00)" {
		t.Errorf("written %q", got)
	}
}

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

func TestReplaceSection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "B.md")
	_, section := testSection()
	for name, c := range map[string]struct{ before, want string }{
		"empty":   {"", section},
		"append":  {"# B\ntext\n", "# B\ntext\n\n" + section},
		"replace": {"# B\n" + beginMark + "\nold\n" + endMark + "\nrest\n", "# B\n" + section + "rest\n"},
	} {
		if err := os.WriteFile(file, []byte(c.before), 0o644); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time changes nothing
			if err := replaceSection(file, section); err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(file); string(got) != c.want {
				t.Errorf("%s: got\n%s", name, got)
			}
		}
	}
	os.WriteFile(file, []byte(endMark+"\n"+beginMark+"\n"), 0o644)
	if err := replaceSection(file, section); err == nil {
		t.Error("markers in the wrong order were accepted")
	}
}

func TestMachineAndOptions(t *testing.T) {
	if m := machine(context.Background()); !strings.Contains(m, "cores") || !strings.Contains(m, "go1.") {
		t.Errorf("machine %q", m)
	}
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
