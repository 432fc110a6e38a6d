package main

import (
	"math"
	"runtime/debug"
	"testing"
)

// TestMemoryFollowsTheBudget: the collector's settings come from the configuration, and
// from the environment where that says so.
func TestMemoryFollowsTheBudget(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer debug.SetGCPercent(percent)
	defer debug.SetMemoryLimit(limit)

	t.Setenv("GOGC", "100")
	t.Setenv("GOMEMLIMIT", "off")
	debug.SetMemoryLimit(math.MaxInt64)
	setMemory(64 << 20)
	if p, l := debug.SetGCPercent(100), debug.SetMemoryLimit(-1); p != 100 || l != math.MaxInt64 {
		t.Errorf("the environment says GOGC=100 and no limit; it is %d and %d", p, l)
	}
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	setMemory(64 << 20)
	if p, l := debug.SetGCPercent(100), debug.SetMemoryLimit(-1); p != gcPercent || l != 64<<20+besideBudget {
		t.Errorf("it is %d and %d", p, l)
	}
}
