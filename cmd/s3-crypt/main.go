package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

func main() {
	os.Exit(start())
}

func start() int {
	if err := keyagent.Harden(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		f := &failure{exitInternal, err, "the same command as another user, or outside the container that forbids it"}
		fmt.Fprint(os.Stderr, f.text())
		return int(f.code)
	}
	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		s := <-signals
		signal.Stop(signals) // a second one ends the process
		end(fmt.Errorf("%w (%v)", errInterrupted, s))
	}()
	return run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
}

// run is the whole program: it returns the exit code. Ending ctx is a signal.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	root := newRoot(environ)
	root.SetArgs(args)
	root.SetIn(nil)
	out := &checkedOut{Writer: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if out.err != nil && !errors.As(err, new(*failure)) {
		err = &failure{exitInternal, fmt.Errorf("cannot print: %w", out.err), "the same command, with room for its output"}
	}
	if err == nil {
		return int(exitOK)
	}
	var failed *failure
	if !errors.As(err, &failed) {
		// What cobra itself says is about the command line.
		failed = &failure{exitUsage, err, "s3-crypt help"}
	}
	fmt.Fprint(stderr, failed.text())
	return int(failed.code)
}
