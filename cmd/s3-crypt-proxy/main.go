package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program: it returns the exit code. Ending ctx is a first
// SIGTERM.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot(environ)
	root.SetArgs(twoDashes(args, root))
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return int(exitOK)
	}
	var failed *failure
	if !errors.As(err, &failed) {
		// What cobra itself says is about the command line.
		failed = &failure{exitUsage, fmt.Errorf("%w\nrun `s3-crypt-proxy help` for the commands and flags", err)}
	}
	fmt.Fprintf(stderr, "s3-crypt-proxy: %v\n", failed)
	return int(failed.code)
}
