package main

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

// TestCheckFindsTheKeyHolder: one that has a key is good; one without, a socket that nobody
// serves, or somebody else, is not.
func TestCheckFindsTheKeyHolder(t *testing.T) {
	l := newLive(t, keyagent.Policy{})
	cfg := &config.Config{}
	cfg.Memkey.SocketPath = l.socket
	says := func() (good, bad string) {
		var stdout, stderr bytes.Buffer
		tryHost(t.Context(), cfg, &stdout, &stderr)
		return stdout.String(), stderr.String()
	}
	if good, bad := says(); !strings.Contains(bad, "has no key: bring one with memkey-admin key send") || strings.Contains(good, "answers") {
		t.Errorf("with a key holder without keys: %q, %q", good, bad)
	}
	l.load(7)
	want := "memkey-server answers at " + l.socket + ", and has the key " + wantID(t, 7).String()
	for began := time.Now(); ; { // namesWait may be short for a busy machine
		good, bad := says()
		if bad == "" && strings.Contains(good, want) {
			break
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("with a key holder: %q, %q", good, bad)
		}
	}
	cfg.Memkey.ServerUsers = []string{"2147483647"}
	if good, bad := says(); !strings.Contains(bad, "is served by") || strings.Contains(good, "answers") {
		t.Errorf("with a key holder of another user: %q, %q", good, bad)
	}
	cfg.Memkey.ServerUsers = nil

	dead := filepath.Join(t.TempDir(), "dead")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	cfg.Memkey.SocketPath = dead
	if _, bad := says(); !strings.Contains(bad, "nobody listens at "+dead) {
		t.Errorf("with a socket that nobody serves: %q", bad)
	}
}

func TestCheckFindsADirectoryThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	shut := filepath.Join(dir, "shut")
	if err := os.Mkdir(shut, 0o500); err != nil {
		t.Fatal(err)
	}
	look := func(paths map[string]error) {
		t.Helper()
		for path, want := range paths {
			err := canMake(path)
			var where *fs.PathError
			if !errors.Is(err, want) || err != nil && (!errors.As(err, &where) || where.Path == "") {
				t.Errorf("%s: %v, want %v", path, err, want)
			}
		}
	}
	look(map[string]error{
		dir:                             nil,
		filepath.Join(dir, "new", "er"): nil,
		file:                            syscall.ENOTDIR,
		filepath.Join(file, "below"):    syscall.ENOTDIR,
	})
	if os.Geteuid() == 0 {
		// Root may write everywhere: this thread looks with the eyes of a user who owns nothing.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if _, err := unix.SetfsuidRetUid(nobody); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if _, err := unix.SetfsuidRetUid(0); err != nil {
				t.Error(err)
			}
		}()
	}
	look(map[string]error{shut: syscall.EACCES, filepath.Join(shut, "a", "b"): syscall.EACCES})
}

// nobody owns nothing.
const nobody = 65534
