package systemd

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// The states that Tell sends (sd_notify(3)).
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	alive    = "WATCHDOG=1"
)

// Status is a line that `systemctl status` shows.
func Status(text string) string { return "STATUS=" + text }

// Longer asks for more time until the next state, or the end, than the unit gives
// (TimeoutStopSec=).
func Longer(d time.Duration) string { return fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()) }

// Reloading says that a reload begins, now. Ready ends it.
func Reloading() string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return "RELOADING=1" // every Linux has this clock
	}
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}

// Tell sends states to systemd, where systemd started the process. It goes on
// without: what fails shows in systemd's own view.
func Tell(getenv func(string) string, states ...string) {
	path := getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	c, err := net.Dial("unixgram", path) // "@…", an abstract name, is understood
	if err != nil {
		return
	}
	defer c.Close()
	message := ""
	for _, s := range states {
		message += s + "\n"
	}
	_, _ = c.Write([]byte(message)) // see above
}

// Watchdog says twice per WatchdogSec= that the process lives, until ctx ends.
// check must come back for that: a process whose locks hang is one to start again.
func Watchdog(ctx context.Context, getenv func(string) string, check func()) {
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 1 {
		return
	}
	tick := time.NewTicker(time.Duration(usec) * time.Microsecond / 2)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			check()
			Tell(getenv, alive)
		case <-ctx.Done():
			return
		}
	}
}
