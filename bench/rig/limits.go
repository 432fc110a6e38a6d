package rig

import "time"

const (
	// readyTimeout is what a process may take until it serves: milliseconds on a free machine, seconds on one that
	// builds at the same time.
	readyTimeout = 30 * time.Second

	// readyPoll is the pause between two looks at /readyz.
	readyPoll = 20 * time.Millisecond

	// stopGrace is how long a process may take to end after SIGTERM.
	stopGrace = 10 * time.Second

	// logTail is how much of a process's log is kept for error messages, in bytes.
	logTail = 64 << 10

	// logShown is how many lines of it an error shows.
	logShown = 25

	// portTries: another process may take a free port before ours binds it.
	portTries = 5

	// shimBuffer is the piece in which a shim relays: small enough that a fault at byte k happens near byte k of the
	// other side too.
	shimBuffer = 32 << 10
)
