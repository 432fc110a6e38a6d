package keyagent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socketMode is what the socket file has from the first moment at its name: owner and group may connect.
const socketMode = 0o660

// maxSocketPath is what sockaddr_un holds (108 bytes with the final zero) less the two that the temporary name adds.
const maxSocketPath = 105

// Listen opens the agent's socket at path, which must be absolute, in a directory that only root or the own user can
// change. The file appears at its name complete, listening and with mode 0660, in one rename; its group is the
// directory's if that is setgid, else the process's. A stale socket there is replaced only if nobody answers on it
// (ErrSocketInUse), anything else there is an error. Closing the listener removes the file if it is still this one's.
func Listen(path string) (net.Listener, error) {
	l, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the key socket %q: %w", path, err)
	}
	return l, nil
}

func listen(path string) (*socketListener, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return nil, errors.New("the path must be absolute and clean")
	}
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path has %d bytes, at most %d", len(path), maxSocketPath)
	}
	dir, err := lockDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close() // and unlock
	if err := checkStale(path); err != nil {
		return nil, err
	}
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"~") // ours alone under the lock
	if err := removeLeftover(temp); err != nil {
		return nil, err
	}
	l, err := bindTemp(temp)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(temp)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		l.Close()
		os.Remove(temp)
		return nil, err
	}
	return &socketListener{UnixListener: l, path: path, file: info}, nil
}

// bindTemp listens on a new socket file of mode 0660. The socket gets its mode before bind, and bind creates the file
// with the mode of the socket less the umask: there is no moment with a wider mode, and no process-wide umask to change
// under other goroutines. The chmod gives back the group bits that the umask took.
func bindTemp(temp string) (*net.UnixListener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var chmodErr error
		err := c.Control(func(fd uintptr) { chmodErr = unix.Fchmod(int(fd), socketMode) })
		return errors.Join(err, chmodErr)
	}}
	l, err := config.Listen(context.Background(), "unix", temp)
	if err != nil {
		return nil, err
	}
	ul := l.(*net.UnixListener)
	ul.SetUnlinkOnClose(false) // it would remove the temporary name
	if err := os.Chmod(temp, socketMode); err != nil {
		ul.Close()
		os.Remove(temp)
		return nil, err
	}
	return ul, nil
}

// removeLeftover removes the temporary name of an agent that was killed before its rename.
func removeLeftover(temp string) error {
	info, err := os.Lstat(temp)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%q is in the way and not a socket; remove it", temp)
	}
	return os.Remove(temp)
}

// lockDir checks the directory and locks it against another agent that starts at the same time: without the lock both
// could find the same stale socket, and the slower would take the name from the living.
func lockDir(name string) (*os.File, error) {
	dir, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if err := checkDir(dir); err != nil {
		dir.Close()
		return nil, err
	}
	for end := time.Now().Add(lockWait); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(end) {
			dir.Close()
			return nil, fmt.Errorf("cannot lock the directory %q: %w", name, err)
		}
	}
}

// checkDir refuses a directory where somebody else could exchange the socket.
func checkDir(dir *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%q is not a directory", dir.Name())
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("the directory %q belongs to uid %d, want root or uid %d", dir.Name(), st.Uid, os.Geteuid())
	case st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0:
		return fmt.Errorf("others can write to the directory %q (mode %#o)", dir.Name(), st.Mode&0o7777)
	}
	return nil
}

// checkStale allows path to be free, or a socket whose owner is gone: only a refused connection proves that.
func checkStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return errors.New("there is a file that is not a socket; remove it")
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return ErrSocketInUse
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("cannot tell whether the socket there is in use: %w", err)
	}
	return nil
}

// socketListener removes its file when it is closed, unless a successor has put another one there.
type socketListener struct {
	*net.UnixListener
	path string
	file os.FileInfo
	once sync.Once
}

// Addr is the name that clients use, not the one it was bound to.
func (l *socketListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

func (l *socketListener) Close() error {
	err := l.UnixListener.Close()
	l.once.Do(func() {
		dir, lockErr := lockDir(filepath.Dir(l.path))
		if lockErr != nil {
			return // the file stays; the next Listen finds it stale
		}
		defer dir.Close()
		if now, statErr := os.Lstat(l.path); statErr == nil && os.SameFile(now, l.file) {
			err = errors.Join(err, os.Remove(l.path))
		}
	})
	return err
}
