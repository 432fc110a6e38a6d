//go:build unix

package keyfile

import (
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitFiles lets every file of this process end after n bytes, as a full disk does.
func limitFiles(n int64) {
	signal.Ignore(syscall.SIGXFSZ) // else the signal ends the process, instead of an error the write
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(n), Max: uint64(n)}); err != nil {
		panic(err)
	}
}
