package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
)

// of is a result in which every window of every column is the same but for the proxy's CPU, which grows from column to column.
func of(s scenario) result {
	r := result{scenario: s}
	for i, c := range s.columns {
		w := sample{requests: 100, gib: 0.5, rate: 100, perSecond: 50, client: 500 * time.Millisecond, proxy: time.Duration(i) * time.Second,
			backend: time.Second, p50: 10 * time.Millisecond, p99: 20 * time.Millisecond}
		cr := columnResult{column: c, samples: map[string][]sample{}, peak: 77 << 20}
		for _, op := range s.ops {
			cr.samples[op] = []sample{w, w}
		}
		r.columns = append(r.columns, cr)
	}
	return r
}

func TestRender(t *testing.T) {
	var results []result
	for _, s := range full() {
		results = append(results, of(s))
	}
	got, err := render(options{}, "a machine", results)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Machine: a machine", "### PBS: 4 MiB, 16 in flight, sink", "    make rig passthrough clients && bin/e2e -only \"sink\"\n",
		"| PUT | direct (plain HTTP, no proxy) | 100 (100–100) | – | 1.00 (1.00–1.00) | 2.00 (2.00–2.00) | 10.0 | 20.0 | – |",
		"| PUT | sealed, XChaCha20-Poly1305 | 100 (100–100) | 4.00 (4.00–4.00) | 1.00 (1.00–1.00) | 2.00 (2.00–2.00) | 10.0 | 20.0 | 77 |",
		"| HEAD | sealed, XChaCha20-Poly1305 | 50 (50–50) | 20000 (20000–20000) | 5000 (5000–5000) | 10000 (10000–10000) | 10.00 | 20.00 | 77 |",
		"| PUT, SHA-256 and MD5, XChaCha20-Poly1305: ns of CPU a byte | at most 2.30 | 3.73 (3.73–3.73) | **no** |",
		"| PUT, XChaCha20-Poly1305: MiB/s, direct = 1, all on two cores | at least 0.80 | 1.00 (1.00–1.00) | yes |",
		"| 64 times 16 MiB in flight: peak MiB, budget 256 | at most 352 | 77 (77–77) | yes |",
		"- PUT, SHA-256 and MD5, XChaCha20-Poly1305: ns of CPU a byte: what is left is",
		"- 1 GiB, one connection, PUT: MiB/s of two workers, one = 1: one connection is served by one core at a time in each process",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// TestEveryTargetHasItsColumns: a full run gives a value for each, so none can be left out in silence.
func TestEveryTargetHasItsColumns(t *testing.T) {
	for _, target := range targets {
		i := slices.IndexFunc(full(), func(s scenario) bool { return s.id == target.from })
		if i < 0 {
			t.Errorf("%s: there is no scenario %q", target.text, target.from)
			continue
		}
		r := of(full()[i])
		if _, err := target.value(r); err != nil {
			t.Errorf("%s: %v", target.text, err)
		}
		if why, err := target.why(r); err != nil || why == "" {
			t.Errorf("%s falls short without a reason: %v", target.text, err)
		}
	}
}

// TestSharedCores: the bound is the quotient of what everything costs together.
func TestSharedCores(t *testing.T) {
	for _, s := range full() {
		if s.id != "rclone" {
			continue
		}
		for op, want := range map[string]string{
			protocol.Get:  "a GiB costs them 7.00 s of CPU together, and 3.00 where client and store talk over plain HTTP; the quotient, 0.43,",
			protocol.Head: "a request costs them 35.00 ms of CPU together, and 15.00 where client and store talk over plain HTTP; the quotient, 0.43,",
		} {
			if got, err := sharedCores(op)(of(s)); err != nil || !strings.Contains(got, want) {
				t.Errorf("%s: %q, %v", op, got, err)
			}
		}
	}
}

func TestScenarios(t *testing.T) {
	for _, list := range [][]scenario{full(), quick()} {
		seen := map[string]bool{}
		for _, s := range list {
			if seen[s.id] || s.id == "" || strings.Contains(s.id, ",") {
				t.Errorf("the id %q is empty or there twice", s.id)
			}
			seen[s.id] = true
			buckets := map[string]bool{}
			for _, c := range s.columns {
				if buckets[c.bucket] {
					t.Errorf("%s: two columns have the bucket %s", s.id, c.bucket)
				}
				buckets[c.bucket] = true
			}
			if s.rounds < 1 || s.window <= 0 || s.flight < 1 || s.keys < 1 {
				t.Errorf("%s: %+v", s.id, s)
			}
			if slices.Contains(s.ops, protocol.Multipart) && s.style != protocol.SDK {
				t.Errorf("%s: PBS has no uploads in parts", s.id)
			}
			// The sink keeps what it is given, 2 GiB of it.
			if s.backend != versitygw && s.size*s.keys*len(s.columns) > 2<<30*9/10 {
				t.Errorf("%s: the objects do not fit the sink", s.id)
			}
		}
	}
	if _, err := (options{only: "tape"}).scenarios(); err == nil {
		t.Error("a tape is a scenario")
	}
	if s, err := (options{only: "line,sink"}).scenarios(); err != nil || len(s) != 2 || s[0].id != "line" {
		t.Errorf("%v %v", s, err)
	}
}
