package main

import (
	"os"
	"runtime/debug"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

const (
	// gcPercent lets garbage grow to this share of what lives before it is collected.
	// What lives is mostly buffers, which are used again; small requests leave some
	// 50 KiB each.
	gcPercent = 200
	// besideBudget is what the process may need beside pipeline.budget: connections
	// take some 50 KiB each, and limits.max_connections is 4096. Above the sum garbage
	// is collected at once, whatever gcPercent says.
	besideBudget = 256 << 20
)

// setMemory tells Go's collector what the configuration allows, unless the environment
// does (GOGC, GOMEMLIMIT).
func setMemory(budget config.Size) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(budget) + besideBudget)
	}
}
