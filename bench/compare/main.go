package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// errSlower is a regression.
var errSlower = errors.New("slower than the base")

func main() {
	var c comparison
	flag.StringVar(&c.base, "base", "", "`revision` to compare with; required")
	flag.IntVar(&c.rounds, "rounds", 8, "runs of each benchmark of each tree")
	flag.StringVar(&c.benchtime, "benchtime", "100ms", "aimed `length` of a run")
	flag.StringVar(&c.bench, "bench", ".", "`regexp` of benchmarks")
	flag.StringVar(&c.benchstat, "benchstat", "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da", "`module@version` of benchstat")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := c.run(ctx)
	switch {
	case errors.Is(err, errSlower):
		fmt.Fprintf(os.Stderr, "compare: %v\n", err)
		os.Exit(3)
	case err != nil:
		fmt.Fprintf(os.Stderr, "compare: %v\n", err)
		os.Exit(1)
	}
}
