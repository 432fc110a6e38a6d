package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/report"
)

// keyBenchmarks are the operations of the key agent, and what the earlier system
// claims for its own, where it has the operation: its README, on a machine of 96
// cores. Its challenge is unauthenticated and its delivery authenticates one side
// and is not post-quantum, so the columns show an order of magnitude only.
var keyBenchmarks = []struct{ name, what, earlier string }{
	{"Challenge", "challenge: M1 verified, M2 signed", "9,400"},
	{"Delivery", "full delivery: M1 to M4, both ends", "3,800"},
	{"HandOver/keys=1", "local hand-over of a ring of 1 key", ""},
	{"HandOver/keys=16", "local hand-over of a ring of 16 keys", ""},
	{"Push", "push of a change to a waiting proxy", ""},
}

const keyPackage = "./keyagent"

// keySection runs the benchmarks of the key agent on one core and writes their
// section.
func keySection(ctx context.Context, count int, benchtime string) (string, error) {
	runs := map[string][]float64{}
	for range count {
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark(Challenge|Delivery|HandOver|Push)", "-cpu", "1", "-benchtime", benchtime, keyPackage)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("cannot run the benchmarks of %s: %w\n%s%s", keyPackage, err, out, stderr.Bytes())
		}
		if err := addKeyRuns(runs, out); err != nil {
			return "", err
		}
	}
	var b strings.Builder
	b.WriteString("## Keys\n\n")
	fmt.Fprintf(&b, "Operations a second on one core, median of %d runs (lowest–highest). Both ends run on that core.\n\n", count)
	fmt.Fprintf(&b, "Machine: %s\n\n    go run ./bench/micro -keys -count %d -benchtime %s\n\n", report.Machine(ctx), count, benchtime)
	b.WriteString("| operation | per second | the earlier system's claim, 96 cores |\n|---|---|---|\n")
	for _, k := range keyBenchmarks {
		v := runs[k.name]
		if len(v) != count {
			return "", fmt.Errorf("%s ran %d times, not %d", k.name, len(v), count)
		}
		earlier := k.earlier
		if earlier == "" {
			earlier = "–"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", k.what, report.SpreadOf(v).Text(0), earlier)
	}
	return b.String(), nil
}

// addKeyRuns reads lines like `BenchmarkX/y  20  22380496 ns/op …`.
func addKeyRuns(runs map[string][]float64, out []byte) error {
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		at := slices.Index(f, "ns/op")
		if len(f) < 4 || at < 1 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		var ns float64
		if _, err := fmt.Sscan(f[at-1], &ns); err != nil || ns <= 0 {
			return fmt.Errorf("cannot read the line %q", line)
		}
		name := strings.TrimPrefix(f[0], "Benchmark")
		runs[name] = append(runs[name], 1e9/ns)
	}
	return nil
}
