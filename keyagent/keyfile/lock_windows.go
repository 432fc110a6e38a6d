package keyfile

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// Lock makes the caller the only one who works on the file at path, until unlock: ErrLocked if there is another. The
// system takes the lock back when the process ends, however it ends. The empty file path.lock stays.
func Lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	if err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped)); err != nil {
		_ = f.Close()
		if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil // closing unlocks
}

// syncDir does nothing: directories cannot be synced on Windows; NTFS journals the rename.
func syncDir(string) error { return nil }
