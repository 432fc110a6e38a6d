// Command acceptance runs the acceptance tests whose figures are part of what
// the product promises (nothing lost, memory within its budget), and writes what
// they measured into BENCHMARKS.md:
//
//	acceptance [-write FILE]
//
// A test that fails writes nothing.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/report"
)

// tests are those whose log lines are figures.
const tests = "^(TestNothingLost|TestMemoryStaysInBudget)$"

func main() {
	write := flag.String("write", "", "replace the section in this `file` instead of printing it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *write); err != nil {
		fmt.Fprintf(os.Stderr, "acceptance: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, write string) error {
	args := []string{"test", "-tags", "integration", "-count=1", "-timeout", "10m", "-v", "-run", tests, "./bench/integration"}
	cmd := exec.CommandContext(ctx, "go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("the acceptance tests fail: %w\n%s%s", err, out, stderr.Bytes())
	}
	lines := figures(string(out))
	if len(lines) == 0 {
		return fmt.Errorf("the acceptance tests printed no figure")
	}
	section := fmt.Sprintf("## Nothing lost, memory bounded\n\nMachine: %s\n\n    make rig && go %s\n\n%s", report.Machine(ctx), strings.Join(args, " "), strings.Join(lines, ""))
	if write == "" {
		fmt.Print(section)
		return nil
	}
	return report.Replace(write, "acceptance", section)
}

var logLine = regexp.MustCompile(`^\s+\w+_test\.go:\d+: (.*)$`)

// figures picks the log lines of each test, as a list.
func figures(out string) []string {
	var lines []string
	test := ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutPrefix(line, "=== RUN   "); ok {
			test = name
		} else if m := logLine.FindStringSubmatch(line); m != nil && test != "" && !strings.HasPrefix(m[1], "unfinished uploads") {
			lines = append(lines, fmt.Sprintf("- `%s`: %s\n", test, m[1]))
		}
	}
	return lines
}
