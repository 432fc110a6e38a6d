package rig

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process has used so far, by the kernel's count.
type Usage struct {
	CPU  time.Duration // user and system time of all its threads
	RSS  int64         // resident bytes now
	Peak int64         // most resident bytes since the start or the last ResetPeak
}

// tick is the unit of CPU times in /proc/PID/stat: sysconf(_SC_CLK_TCK) is 100 on every Linux Go runs on.
const tick = 10 * time.Millisecond

// Usage reads the child's use from /proc.
func (p *Process) Usage() (Usage, error) { return UsageOf(p.PID) }

// UsageOf reads a process's use from /proc/PID/stat and /proc/PID/status.
func UsageOf(pid int) (Usage, error) {
	var u Usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, fmt.Errorf("cannot read the use of process %d: %w", pid, err)
	}
	// The second field is the name in parentheses, which may hold anything; utime and stime are fields 14 and 15.
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(f) < 13 {
		return u, fmt.Errorf("cannot read the use of process %d: /proc/%d/stat has %d fields", pid, pid, len(f))
	}
	for _, v := range f[11:13] {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return u, fmt.Errorf("cannot read the use of process %d: %w", pid, err)
		}
		u.CPU += time.Duration(n) * tick
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, fmt.Errorf("cannot read the use of process %d: %w", pid, err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		name, value, _ := strings.Cut(line, ":")
		dst := map[string]*int64{"VmRSS": &u.RSS, "VmHWM": &u.Peak}[name]
		if dst == nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return u, fmt.Errorf("cannot read the use of process %d: %w", pid, err)
		}
		*dst = n << 10
	}
	return u, nil
}

// ResetPeak starts the count of the peak anew.
func (p *Process) ResetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.PID), []byte("5"), 0o200)
}
