package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is the whole program: it returns the exit code. Ending ctx is a SIGTERM.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	root := newRoot(getenv)
	root.SetArgs(twoDashes(args, root))
	out := &checkedOut{Writer: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if out.err != nil && !errors.As(err, new(*failure)) {
		err = written(out.err)
	}
	if err == nil {
		return int(exitOK)
	}
	var failed *failure
	if !errors.As(err, &failed) {
		// What cobra itself says is about the command line, and may take several lines.
		first, _, _ := strings.Cut(err.Error(), "\n")
		failed = &failure{code: exitUsage, err: fmt.Errorf("cannot read the command line: %s", first), try: "memkey-server help"}
	}
	fmt.Fprintf(stderr, "memkey-server: %v\ntry: %s\n", failed.err, failed.try)
	return int(failed.code)
}
