package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/report"
)

func main() {
	var opt options
	flag.BoolVar(&opt.quick, "quick", false, "the two tables that tell most, in three minutes")
	flag.StringVar(&opt.only, "only", "", "comma-separated `ids` of scenarios")
	flag.StringVar(&opt.profiles, "profile", "", "take profiles of the proxies (CPU, waiting for locks) after the measurement, into this `directory`")
	figures := flag.Bool("json", false, "print the medians as JSON, for other programs")
	write := flag.String("write", "", "replace the section in this `file` instead of printing it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, opt, *figures, *write); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: %v\n", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, opt options, figures bool, write string) error {
	list, err := opt.scenarios()
	if err != nil {
		return err
	}
	var results []result
	var failed []error
	for _, s := range list {
		fmt.Fprintf(os.Stderr, "%s: %d columns, %d rounds\n", s.title, len(s.columns), s.rounds)
		r, err := s.run(ctx, opt.profiles)
		if err != nil {
			// The others took their minutes: what was measured is not thrown away.
			failed = append(failed, fmt.Errorf("%s: %w", s.title, err))
			if ctx.Err() != nil {
				break
			}
			continue
		}
		results = append(results, r)
	}
	if figures {
		return errors.Join(append(failed, writeFigures(os.Stdout, results))...)
	}
	section, err := render(opt, report.Machine(ctx), results)
	if err == nil && write != "" {
		err = report.Replace(write, "e2e", section)
	} else if err == nil {
		fmt.Print(section)
	}
	return errors.Join(append(failed, err)...)
}
