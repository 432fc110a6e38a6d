package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
)

func main() {
	if err := protect(); err != nil {
		fmt.Fprintf(os.Stderr, "memkey-admin: %v\n", err)
		os.Exit(int(exitInternal))
	}
	os.Exit(run(context.Background(), os.Args[1:], system(keyfile.Standard())))
}

// protect keeps the keys of this process out of core dumps and other processes, where the system can.
func protect() error {
	if err := keyagent.Harden(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// surroundings is all that the program takes from the system.
type surroundings struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	cost     keyfile.Params // of every file it writes
}

func system(cost keyfile.Params) surroundings {
	return surroundings{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, cost: cost}
}

// run is the whole program: it returns the exit code.
func run(ctx context.Context, args []string, sys surroundings) int {
	out := &checkedOut{Writer: sys.out}
	sys.out = out
	a := &app{sys: sys}
	defer a.wipe()
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(sys.in)
	root.SetOut(sys.out)
	root.SetErr(sys.err)
	err := root.ExecuteContext(ctx)
	if out.err != nil && !errors.As(err, new(*failure)) {
		err = fail(exitInternal, "the same command, with room for its output; what it changed is changed", fmt.Errorf("cannot print the result: %w", out.err))
	}
	if err == nil {
		return int(exitOK)
	}
	var failed *failure
	if !errors.As(err, &failed) {
		// What cobra itself says is about the command line.
		failed = &failure{code: exitUsage, err: err, next: "memkey-admin help"}
	}
	a.reportFailure(failed)
	return int(failed.code)
}
