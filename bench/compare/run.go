package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// packages are those whose benchmarks are compared: all of the way of an object's bytes.
var packages = []string{"format", "pipeline", "pipeline/hashing", "server/sigv4", "server/backend", "keyagent/remote"}

// comparison is one run.
type comparison struct {
	base, bench, benchtime, benchstat string
	rounds                            int
}

// tree is a checkout with its benchmarks built.
type tree struct {
	name string
	dir  string            // its root
	bin  map[string]string // package to test binary; without those it does not have
	log  string            // where the results are collected
}

func (c comparison) run(ctx context.Context) (err error) {
	if c.base == "" || c.rounds < 4 {
		return errors.New("-base is required, and -rounds at least 4, which the statistics need")
	}
	dir, err := os.MkdirTemp("", "s3-crypt-proxy-compare-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	root, err := output(ctx, "", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	old := filepath.Join(dir, "base")
	if _, err := output(ctx, root, "git", "worktree", "add", "--detach", "--quiet", old, c.base); err != nil {
		return err
	}
	defer func() {
		_, gone := output(context.WithoutCancel(ctx), root, "git", "worktree", "remove", "--force", old)
		err = errors.Join(err, gone)
	}()
	trees := []*tree{{name: "base", dir: old}, {name: "this", dir: root}}
	for _, t := range trees {
		if err := t.build(ctx, filepath.Join(dir, t.name+".bin")); err != nil {
			return err
		}
	}
	for round := range c.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, c.rounds)
		for i := range trees {
			if err := trees[(i+round)%2].measure(ctx, c); err != nil {
				return err
			}
		}
	}
	return c.judge(ctx, trees)
}

// build makes the test binaries of a tree in dir.
func (t *tree) build(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	t.bin, t.log = map[string]string{}, filepath.Join(dir, t.name)
	for _, p := range packages {
		if _, err := os.Stat(filepath.Join(t.dir, p)); errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(os.Stderr, "%s has no %s\n", t.name, p)
			continue
		}
		bin := filepath.Join(dir, strings.ReplaceAll(p, "/", "-")+".test")
		if _, err := output(ctx, t.dir, "go", "test", "-c", "-o", bin, "./"+p); err != nil {
			return err
		}
		t.bin[p] = bin
	}
	return nil
}

// measure runs every benchmark of a tree once.
func (t *tree) measure(ctx context.Context, c comparison) error {
	f, err := os.OpenFile(t.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range packages {
		if t.bin[p] == "" {
			continue
		}
		out, err := output(ctx, filepath.Join(t.dir, p), t.bin[p], "-test.run", "^$", "-test.bench", c.bench, "-test.benchmem", "-test.benchtime", c.benchtime)
		if err != nil {
			return err
		}
		if _, err := f.WriteString(out + "\n"); err != nil {
			return err
		}
	}
	return nil
}

// judge prints benchstat's tables and looks for regressions in them.
func (c comparison) judge(ctx context.Context, trees []*tree) error {
	args := []string{"run", c.benchstat, "-alpha", "0.01"}
	files := []string{"base=" + trees[0].log, "this=" + trees[1].log}
	root := trees[1].dir
	text, err := output(ctx, root, "go", append(args, files...)...)
	if err != nil {
		return err
	}
	fmt.Println(text)
	table, err := output(ctx, root, "go", append(append(args, "-format", "csv"), files...)...)
	if err != nil {
		return err
	}
	slower, err := regressions(table)
	if err != nil {
		return err
	}
	if len(slower) > 0 {
		return fmt.Errorf("%w:\n  %s", errSlower, strings.Join(slower, "\n  "))
	}
	return nil
}

// output runs a program and gives what it prints.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("cannot run %s %s: %w\n%s%s", name, strings.Join(args, " "), err, &out, &problem)
	}
	return strings.TrimSpace(out.String()), nil
}
