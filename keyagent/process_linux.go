package keyagent

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Harden makes the calling process undumpable: no core file (RLIMIT_CORE 0), and no ptrace or /proc/pid/mem for other
// processes of the same user (PR_SET_DUMPABLE 0). Root is not kept out. A binary that holds keys calls it first thing in
// main, before any key is loaded; an error is a reason to stop. An exec undoes the second part.
func Harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("cannot forbid core files: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot make the process undumpable: %w", err)
	}
	return nil
}
