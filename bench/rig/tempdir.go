package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	tempPrefix = "s3-crypt-proxy-rig-"

	// lockName is a file in it; the directory's own lock is what the key holder takes for its socket.
	lockName = "rig.lock"

	// staleAge keeps a directory safe between its making and its locking, which take microseconds.
	staleAge = time.Minute
)

// tempDir makes a directory and locks it for as long as this process lives, and removes those whose makers were killed
// before they could. release removes it.
func tempDir() (dir string, release func() error, err error) {
	sweep(os.TempDir())
	if dir, err = os.MkdirTemp("", tempPrefix); err != nil {
		return "", nil, fmt.Errorf("cannot make a temporary directory: %w", err)
	}
	lock, err := lockDir(dir, os.O_CREATE)
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("cannot lock the temporary directory: %w", err), os.RemoveAll(dir))
	}
	return dir, func() error { return errors.Join(os.RemoveAll(dir), lock.Close()) }, nil
}

// lockDir takes the lock of a directory, which the kernel frees when we end; with os.O_CREATE it makes the file.
func lockDir(dir string, create int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|syscall.O_NOFOLLOW|create, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sweep removes what killed processes left in parent: our own directories with a lock that nobody holds. What
// cannot be opened or removed is another user's, and stays.
func sweep(parent string) {
	found, _ := filepath.Glob(filepath.Join(parent, tempPrefix+"*"))
	for _, dir := range found {
		st, err := os.Lstat(dir)
		if err != nil || !st.IsDir() || time.Since(st.ModTime()) < staleAge {
			continue
		}
		if lock, err := lockDir(dir, 0); err == nil {
			_ = os.RemoveAll(dir)
			lock.Close()
		}
	}
}
