package keyagent

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSocketModeIsRightFromTheFirstMoment watches the directory all the time while sockets come and go under different
// umasks: the socket's own name must never show another mode than 0660, and no name ever a wider one.
func TestSocketModeIsRightFromTheFirstMoment(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	done := make(chan struct{})
	var all sync.WaitGroup
	seen := 0
	for watcher := range 2 {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if watcher == 0 {
					if info, err := os.Lstat(path); err == nil {
						seen++
						if info.Mode() != os.ModeSocket|0o660 {
							t.Errorf("mode %v at the socket's name", info.Mode())
							return
						}
					}
					continue
				}
				entries, _ := os.ReadDir(dir)
				for _, e := range entries {
					if info, err := e.Info(); err == nil && info.Mode().Perm()&^0o660 != 0 {
						t.Errorf("mode %v at %s", info.Mode(), e.Name())
						return
					}
				}
			}
		})
	}
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	old := unix.Umask(0)
	defer unix.Umask(old)
	for i := range rounds {
		unix.Umask([]int{0, 0o022, 0o077, 0o777}[i%4])
		ln, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := ln.Addr().String(); got != path {
			t.Errorf("address %q", got)
		}
		time.Sleep(100 * time.Microsecond)
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	all.Wait()
	if seen == 0 {
		t.Error("the observer never saw the socket")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestListenReplacesOnlyASocketThatNobodyAnswers(t *testing.T) {
	checkLeaks(t)
	path := filepath.Join(t.TempDir(), "s")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	if ln, err := Listen(path); !errors.Is(err, ErrSocketInUse) {
		t.Fatalf("%v, %v; want ErrSocketInUse", ln, err)
	}
	stale.Close() // its file stays
	leftover, err := net.Listen("unix", filepath.Join(filepath.Dir(path), ".s~"))
	if err != nil {
		t.Fatal(err)
	}
	leftover.(*net.UnixListener).SetUnlinkOnClose(false)
	leftover.Close()
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); !errors.Is(err, ErrSocketInUse) {
		t.Errorf("second Listen: %v, want ErrSocketInUse", err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	// A successor that took the name keeps it when the predecessor closes.
	os.Remove(path)
	next, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the successor's socket is gone: %v", err)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there after Close: %v", err)
	}
}

// TestListenLetsOneOfManyWin: agents that start at once over a stale socket must not take the name from each other.
func TestListenLetsOneOfManyWin(t *testing.T) {
	checkLeaks(t)
	for range 20 {
		path := filepath.Join(t.TempDir(), "s")
		stale, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		stale.(*net.UnixListener).SetUnlinkOnClose(false)
		stale.Close()
		var all sync.WaitGroup
		won := make(chan net.Listener, 8)
		for range cap(won) {
			all.Go(func() {
				ln, err := Listen(path)
				if err == nil {
					won <- ln
				} else if !errors.Is(err, ErrSocketInUse) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(won) != 1 {
			t.Errorf("%d listeners on one socket", len(won))
		}
		for range len(won) {
			(<-won).Close()
		}
	}
}

func TestListenRefusesAnUnsafePlace(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o770); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		"relative/s": "absolute", "": "absolute", "@abstract": "absolute", dir + "/../x": "absolute",
		file: "not a socket", filepath.Join(dir, "none", "s"): "no such file", filepath.Join(file, "s"): "not a directory",
		filepath.Join(open, "s"): "others can write", filepath.Join(dir, strings.Repeat("x", 120)): "at most",
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(foreign, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		cases[filepath.Join(foreign, "s")] = "belongs to uid 65534"
	}
	for path, want := range cases {
		ln, err := Listen(path)
		if err == nil {
			ln.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
	if b, err := os.ReadFile(file); string(b) != "precious" {
		t.Errorf("the file was touched: %q, %v", b, err)
	}
}

// TestListenLeavesASocketItCannotJudge: only a refused connection proves that nobody is there.
func TestListenLeavesASocketItCannotJudge(t *testing.T) {
	checkLeaks(t)
	dir := t.TempDir()
	datagram := filepath.Join(dir, "datagram")
	other, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: datagram, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	// A stopped agent, whose queue of connections is full.
	stopped := filepath.Join(dir, "stopped")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: stopped}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := net.Dial("unix", stopped)
		if err != nil {
			break
		}
		defer c.Close()
	}
	for _, path := range []string{datagram, stopped} {
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if ln, err := Listen(path); err == nil {
			ln.Close()
			t.Errorf("%s was replaced", path)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s is not what it was: %v", path, err)
		}
	}
}
