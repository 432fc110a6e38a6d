package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// longWindow is long against the kernel's 10 ms count of CPU time, short against the moods of a shared machine.
	longWindow = 1200 * time.Millisecond
	// lineWindow is long against a request that takes 270 ms of a full line: each window begins with all of them at once, and
	// the line is idle until the first is there, or its last bytes are opened.
	lineWindow = 4 * time.Second
	// shortWindow is for tables whose rows tell a shape, not a figure to be held to.
	shortWindow = 700 * time.Millisecond
)

// bodies is the number of different bodies: enough that no cache holds them as one.
const bodies = 8

// options of one measurement.
type options struct {
	quick bool
	only  string // ids, separated by commas; "" = all
	// profiles is the directory for profiles of the proxies; "" = none are taken.
	profiles string
}

// scenarios are those that are asked for.
func (o options) scenarios() ([]scenario, error) {
	list := full()
	if o.quick {
		list = quick()
	}
	if o.only == "" {
		return list, nil
	}
	var some []scenario
	for id := range strings.SplitSeq(o.only, ",") {
		i := slices.IndexFunc(list, func(s scenario) bool { return s.id == id })
		if i < 0 {
			return nil, fmt.Errorf("-only: there is no %q", id)
		}
		some = append(some, list[i])
	}
	return some, nil
}

// command reproduces a scenario.
func (o options) command(s scenario) string {
	if o.quick {
		return fmt.Sprintf("make rig passthrough clients && bin/e2e -quick -only %q", s.id)
	}
	return fmt.Sprintf("make rig passthrough clients && bin/e2e -only %q", s.id)
}
