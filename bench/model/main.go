package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/report"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// tolerance is how far the model may be from what is measured.
const tolerance = 0.15

func main() {
	write := flag.String("write", "", "replace the section in this `file` instead of printing it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *write); err != nil {
		fmt.Fprintf(os.Stderr, "model: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, write string) error {
	all, err := measure(ctx, nil)
	if err != nil {
		return err
	}
	one, err := measure(ctx, []string{"taskset", "-c", "0"})
	if err != nil {
		return err
	}
	stream, err := streamCost(ctx)
	if err != nil {
		return err
	}
	procs := crowd * runtime.NumCPU()
	full, err := measureCrowded(ctx, procs)
	if err != nil {
		return err
	}
	section, off := render(report.Machine(ctx), runtime.NumCPU(), all, one, stream)
	section += renderCrowded(procs, all, full)
	if write == "" {
		fmt.Print(section)
	} else if err := report.Replace(write, "model", section); err != nil {
		return err
	}
	if len(off) > 0 {
		return fmt.Errorf("the model is off by more than %.0f %%: %s", tolerance*100, strings.Join(off, "; "))
	}
	return nil
}

// measure runs e2e, under a prefix of a command line and with further arguments, and gives its figures by column and operation.
func measure(ctx context.Context, prefix []string, more ...string) (map[string]figures, error) {
	path, err := rig.Binary("e2e")
	if err != nil {
		return nil, err
	}
	args := slices.Concat(prefix, []string{path, "-only", "sink", "-json"}, more)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("cannot run %s: %w", strings.Join(args, " "), err)
	}
	got := map[string]figures{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var f figures
		if err := dec.Decode(&f); errors.Is(err, io.EOF) {
			return got, nil
		} else if err != nil {
			return nil, fmt.Errorf("cannot read what %s printed: %w", path, err)
		}
		got[f.Column+" "+f.Op] = f
	}
}

// streamCost is ns a byte of MD5 and SHA-256 of one body, which nothing can spread over cores.
func streamCost(ctx context.Context) (float64, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkDigest$/^fused$", "-benchtime", "300ms", "-count", "5", "./pipeline/hashing")
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("cannot measure one body's hashes: %w", err)
	}
	var rates []float64
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		for i, unit := range f {
			if unit == "MB/s" && strings.HasPrefix(f[0], "BenchmarkDigest/fused") && !strings.Contains(f[0], "streams") {
				v, err := strconv.ParseFloat(f[i-1], 64)
				if err != nil {
					return 0, fmt.Errorf("cannot read %q: %w", line, err)
				}
				rates = append(rates, v)
			}
		}
	}
	if len(rates) == 0 {
		return 0, errors.New("cannot measure one body's hashes: the benchmark Digest/fused is not there")
	}
	return 1000 / report.SpreadOf(rates).Median, nil
}
