package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/report"
)

func main() {
	count := flag.Int("count", 7, "runs of each benchmark")
	benchtime := flag.String("benchtime", "300ms", "aimed `length` of a run")
	write := flag.String("write", "", "replace the section in this `file` instead of printing it")
	keys := flag.Bool("keys", false, "the key agent's benchmarks instead of the sealing's")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *keys, *count, *benchtime, *write); err != nil {
		fmt.Fprintf(os.Stderr, "micro: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, keys bool, count int, benchtime, write string) error {
	if count < 1 {
		return fmt.Errorf("-count is %d", count)
	}
	if keys {
		section, err := keySection(ctx, count, benchtime)
		if err != nil {
			return err
		}
		return put(write, "keys", section)
	}
	results := series{}
	for i := range count {
		fmt.Fprintf(os.Stderr, "run %d of %d\n", i+1, count)
		for _, p := range packages {
			out, err := goTest(ctx, p, benchtime)
			if err != nil {
				return err
			}
			if err := results.add(p, out); err != nil {
				return err
			}
		}
	}
	section, err := render(ctx, results, count, benchtime)
	if err != nil {
		return err
	}
	return put(write, "micro", section)
}

// put prints a section, or replaces it in a file.
func put(file, name, section string) error {
	if file == "" {
		fmt.Print(section)
		return nil
	}
	return report.Replace(file, name, section)
}

// packages are those whose benchmarks the table shows.
var packages = []string{"./format", "./pipeline", "./pipeline/hashing"}

func goTest(ctx context.Context, pkg, benchtime string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", ".", "-benchmem", "-benchtime", benchtime, pkg)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("cannot run the benchmarks of %s: %w\n%s%s", pkg, err, out, stderr.Bytes())
	}
	return out, nil
}

// figure is one run of one benchmark.
type figure struct{ mbs, allocs float64 }

// series is the runs of each benchmark, by package and name, in order.
type series map[string][]figure

// add takes the output of one go test run: lines like
//
//	BenchmarkX/y-2  20  22380496 ns/op  2998.54 MB/s  37486 B/op  268 allocs/op
func (s series) add(pkg string, out []byte) error {
	n := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		name := f[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i]
		}
		fig := figure{mbs: -1, allocs: -1}
		for i := 2; i+1 < len(f); i += 2 {
			var v float64
			if _, err := fmt.Sscan(f[i], &v); err != nil {
				return fmt.Errorf("cannot read the line %q", line)
			}
			switch f[i+1] {
			case "MB/s":
				fig.mbs = v
			case "allocs/op":
				fig.allocs = v
			}
		}
		key := pkg + " " + strings.TrimPrefix(name, "Benchmark")
		s[key] = append(s[key], fig)
		n++
	}
	if n == 0 {
		return fmt.Errorf("%s printed no benchmark", pkg)
	}
	return nil
}

// render writes the section. Rows without bytes a second are left out.
func render(ctx context.Context, s series, count int, benchtime string) (string, error) {
	var b strings.Builder
	b.WriteString("## Sealing and hashing alone\n\n")
	fmt.Fprintf(&b, "Median of %d runs (lowest–highest), 10^6 bytes a second. A ratio is the median of the ratios within each run.\n\n", count)
	fmt.Fprintf(&b, "Machine: %s\n\n    go run ./bench/micro -count %d -benchtime %s\n\n", report.Machine(ctx), count, benchtime)
	b.WriteString("| benchmark | MB/s | allocs/op | against | ratio |\n|---|---|---|---|---|\n")
	keys := make([]string, 0, len(s))
	for k, figures := range s {
		if len(figures) != count {
			return "", fmt.Errorf("%s ran %d times, not %d", k, len(figures), count)
		}
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		speed := pick(s[k], func(f figure) float64 { return f.mbs })
		if speed.Low < 0 {
			continue // no bytes
		}
		against, ratio := "", ""
		if base := baselineOf(k); s[base] != nil {
			r := make([]float64, count)
			for i := range r {
				r[i] = s[k][i].mbs / s[base][i].mbs
			}
			against, ratio = base[strings.IndexByte(base, ' ')+1:], report.SpreadOf(r).Text(2)
		}
		fmt.Fprintf(&b, "| %s | %s | %.0f | %s | %s |\n", k, speed.Text(0), pick(s[k], func(f figure) float64 { return f.allocs }).Median, against, ratio)
	}
	return b.String(), nil
}

func pick(figures []figure, of func(figure) float64) report.Spread {
	v := make([]float64, len(figures))
	for i, f := range figures {
		v[i] = of(f)
	}
	return report.SpreadOf(v)
}
