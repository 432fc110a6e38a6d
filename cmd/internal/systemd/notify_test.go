package systemd

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// bus is systemd's end of NOTIFY_SOCKET.
func bus(t *testing.T, name string) (*net.UnixConn, func(string) string) {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, func(key string) string {
		return map[string]string{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "20000"}[key]
	}
}

func hear(t *testing.T, c *net.UnixConn, wait time.Duration) (string, bool) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	var b [512]byte
	n, err := c.Read(b[:])
	return string(b[:n]), err == nil
}

func TestTell(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), "@s3cp-test-" + filepath.Base(t.TempDir())} {
		c, env := bus(t, name)
		Tell(env, Ready, Status("serving"))
		if got, _ := hear(t, c, 10*time.Second); got != "READY=1\nSTATUS=serving\n" {
			t.Errorf("%s: %q", name, got)
		}
		Tell(env, Stopping, Longer(90*time.Second))
		if got, _ := hear(t, c, 10*time.Second); got != "STOPPING=1\nEXTEND_TIMEOUT_USEC=90000000\n" {
			t.Errorf("%s: %q", name, got)
		}
		Tell(env, Reloading())
		if got, _ := hear(t, c, 10*time.Second); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") || len(got) < 32 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWithoutSystemd(t *testing.T) {
	none := func(string) string { return "" }
	Tell(none, Ready)
	Tell(func(string) string { return "/nowhere/at/all" }, Ready)
	Watchdog(context.Background(), none, func() { t.Error("asked") }) // comes back
	found, err := Sockets(none, "clients")
	if len(found) > 0 || err != nil {
		t.Errorf("%v, %v", found, err)
	}
}

func TestWatchdog(t *testing.T) {
	c, env := bus(t, filepath.Join(t.TempDir(), "notify"))
	ctx, cancel := context.WithCancel(t.Context())
	var hang atomic.Bool
	hanging, release := make(chan struct{}), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Watchdog(ctx, env, func() {
			if hang.CompareAndSwap(true, false) {
				close(hanging)
				<-release
			}
		})
	}()
	for range 3 {
		if got, _ := hear(t, c, 10*time.Second); got != "WATCHDOG=1\n" {
			t.Fatalf("%q", got)
		}
	}
	hang.Store(true)
	<-hanging
	for { // what was under way before
		if _, more := hear(t, c, 50*time.Millisecond); !more {
			break
		}
	}
	if got, said := hear(t, c, 200*time.Millisecond); said {
		t.Errorf("it says %q while the check hangs", got)
	}
	close(release)
	if got, _ := hear(t, c, 10*time.Second); got != "WATCHDOG=1\n" {
		t.Errorf("%q", got)
	}
	cancel()
	<-ended
}
