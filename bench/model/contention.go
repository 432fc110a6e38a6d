package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// crowd is how many of Go's processors each core gets where locks and pools are crowded on purpose: the kernel takes the core
// from one that holds a lock, and the others queue for it, as on a host with many more cores.
const crowd = 16

// profileTime is how long e2e takes each profile.
const profileTime = 3 * time.Second

// crowded is what was measured with more processors than cores.
type crowded struct {
	figures
	waiting time.Duration // of all goroutines for locks, in profileTime
	most    string        // the lock's user that most of it came from; "" if nothing waited
}

// measureCrowded runs e2e with so many processors for each process, and looks at what waited.
func measureCrowded(ctx context.Context, procs int) (map[string]crowded, error) {
	dir, err := os.MkdirTemp("", "model")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	all, err := measure(ctx, []string{"env", fmt.Sprint("GOMAXPROCS=", procs)}, "-profile", dir)
	if err != nil {
		return nil, err
	}
	got := map[string]crowded{}
	for _, r := range rows {
		column, op, _ := strings.Cut(r.key, " ")
		file := filepath.Join(dir, fmt.Sprintf("sink-%s-%s-mutex.pprof", column, op))
		out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-unit", "us", "-hide", lockItself, file).Output()
		if err != nil {
			return nil, fmt.Errorf("cannot read the profile %s: %w", file, err)
		}
		c := crowded{figures: all[r.key]}
		if c.waiting, c.most, err = readWaits(string(out)); err != nil {
			return nil, fmt.Errorf("cannot read the profile %s: %w", file, err)
		}
		got[r.key] = c
	}
	return got, nil
}

// lockItself are the frames of a lock, which say nothing of who waited.
const lockItself = `^(sync|internal/sync|runtime)\.`

var (
	waitsTotal = regexp.MustCompile(`of ([0-9.]+)us total`)
	waitsRow   = regexp.MustCompile(`(?m)^\s*[0-9.]+us?\s+\S+%\s+\S+%\s+\S+\s+\S+%\s+(.+)$`)
)

// readWaits reads what `go tool pprof -top -unit us` prints of a profile of waiting: all of it, and who had the most. A profile in
// which nothing waited has no total.
func readWaits(top string) (time.Duration, string, error) {
	m := waitsTotal.FindStringSubmatch(top)
	if m == nil {
		if strings.Contains(top, "Type: delay") {
			return 0, "", nil
		}
		return 0, "", fmt.Errorf("no total in %q", top)
	}
	total, err := time.ParseDuration(m[1] + "us")
	if err != nil {
		return 0, "", err
	}
	row := waitsRow.FindStringSubmatch(top)
	if row == nil {
		return total, "", nil
	}
	name := strings.TrimSuffix(row[1], " (inline)")
	return total, name[strings.LastIndexByte(name, '/')+1:], nil
}

// renderCrowded is the table.
func renderCrowded(procs int, normal map[string]figures, got map[string]crowded) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nLocks and pools: the same with GOMAXPROCS=%d in every process, which is %d for each core, so that whoever holds a lock loses its core now and then and the others queue, as on a large host.\n", procs, crowd)
	b.WriteString("Waiting is the sum over all goroutines, out of the profile of locks (`/debug/pprof/mutex`), for each second of CPU that the proxy used.\n\n")
	fmt.Fprintf(&b, "    GOMAXPROCS=%d bin/e2e -only sink -profile DIR && go tool pprof -top DIR/sink-xchacha-put-mutex.pprof\n\n", procs)
	b.WriteString("| 4 MiB, 16 in flight, sink | MiB/s, few = 1 | proxy CPU a GiB, few = 1 | waiting for locks, ms a second of CPU | most of it in |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		n, c := normal[r.key], got[r.key]
		cpu := c.Proxy * c.MiBPerSecond / 1024 * profileTime.Seconds()
		most := "–"
		if c.most != "" {
			most = "`" + c.most + "`"
		}
		fmt.Fprintf(&b, "| %s | %.2f | %.2f | %.1f | %s |\n", r.name, c.MiBPerSecond/n.MiBPerSecond, c.Proxy/n.Proxy, c.waiting.Seconds()*1000/cpu, most)
	}
	return b.String()
}
