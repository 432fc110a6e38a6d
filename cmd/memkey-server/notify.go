package main

import (
	"context"
	"net"
	"strconv"
	"time"
)

// notify tells systemd about the process (sd_notify(3)), where systemd started it. It goes on without: what fails shows
// in systemd's own view.
func notify(getenv func(string) string, state string) {
	path := getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	c, err := net.Dial("unixgram", path) // "@…", an abstract name, is understood
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Write([]byte(state)) // see above
}

// watchdog says twice per WatchdogSec that the process is alive, until ctx ends. alive must come back for that: a process
// whose locks hang is one to start again.
func watchdog(ctx context.Context, getenv func(string) string, alive func()) {
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return
	}
	tick := time.NewTicker(time.Duration(usec) * time.Microsecond / 2)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			alive()
			notify(getenv, "WATCHDOG=1")
		case <-ctx.Done():
			return
		}
	}
}
