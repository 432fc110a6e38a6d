package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/report"
)

func main() {
	var opt options
	flag.IntVar(&opt.rounds, "rounds", 5, "measured windows of each column and operation")
	flag.IntVar(&opt.size, "size", 4<<20, "object size in `bytes`")
	flag.IntVar(&opt.inFlight, "inflight", 16, "concurrent requests")
	flag.IntVar(&opt.keys, "keys", 64, "different objects")
	flag.DurationVar(&opt.window, "window", defaultWindow, "aimed `length` of a window")
	backends := flag.String("backends", "versitygw,sink", "comma-separated `list`")
	write := flag.String("write", "", "replace the section in this `file` instead of printing it")
	flag.Parse()
	opt.backends = strings.Split(*backends, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, opt, *write); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: %v\n", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, opt options, write string) error {
	if err := opt.check(); err != nil {
		return err
	}
	var results []backendResult
	for _, b := range opt.backends {
		fmt.Fprintf(os.Stderr, "%s: %d columns, %d rounds of put and get\n", b, len(columns), opt.rounds)
		r, err := runBackend(ctx, opt, b)
		if err != nil {
			return fmt.Errorf("%s: %w", b, err)
		}
		results = append(results, r)
	}
	section := render(opt, report.Machine(ctx), results)
	if write == "" {
		fmt.Print(section)
		return nil
	}
	return report.Replace(write, "e2e", section)
}
