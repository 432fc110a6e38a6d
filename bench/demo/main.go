package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(command(ctx, os.Args[1:]))
}

const usage = `usage: demo demo [-dir DIR] [-v]   send a directory tree through the whole stack
       demo run [-v]              leave the stack running for your own clients
`

func command(ctx context.Context, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	flags := flag.NewFlagSet("demo "+args[0], flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	dir := flags.String("dir", os.Getenv("DIR"), "")
	verbose := flags.Bool("v", false, "")
	if err := flags.Parse(args[1:]); err != nil || flags.NArg() > 0 {
		return 2
	}
	out := newScreen(os.Stdout)
	var log *os.File
	if *verbose {
		log = os.Stderr
	}
	var err error
	switch args[0] {
	case "demo":
		err = demo(ctx, out, *dir, log)
	case "run":
		err = run(ctx, out, ".run", log)
	default:
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("interrupted: %w", err)
		}
		out.failed(args[0], err)
		return 1
	}
	return 0
}
