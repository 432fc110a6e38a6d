package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestUnderSystemd plays systemd: it opens the sockets, starts the real binary as
// a service, and hears that it is ready, lives, reloads and stops.
func TestUnderSystemd(t *testing.T) {
	dir := t.TempDir()
	bus, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	if err := bus.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	hear := func(want string) {
		t.Helper()
		buf := make([]byte, 1000)
		var said []string
		for {
			n, err := bus.Read(buf)
			if err != nil {
				t.Fatalf("no %s after %q: %v", want, said, err)
			}
			if said = append(said, string(buf[:n])); strings.HasPrefix(said[len(said)-1], want) {
				return
			}
		}
	}
	clients, clientsAddr := listeningFile(t)
	admin, adminAddr := listeningFile(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "s3-crypt-proxy") // by this name testscript.Main knows what to be
	if err := os.Symlink(self, binary); err != nil {
		t.Fatal(err)
	}
	// The shell knows the process id that it becomes.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0"`, binary)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0", "NOTIFY_SOCKET=" + filepath.Join(dir, "notify"), "WATCHDOG_USEC=200000",
		"LISTEN_FDS=2", "LISTEN_FDNAMES=admin:clients",
		"S3CP_LISTEN_ADDR=127.0.0.1:1", "S3CP_ADMIN_LISTEN_ADDR=127.0.0.1:2", // which nobody could listen on
		"S3CP_ADMIN_TOKEN=0123456789abcdef", "S3CP_BACKEND_ENDPOINT=http://127.0.0.1:1", "S3CP_BACKEND_ACCESS_KEY=a", "S3CP_BACKEND_SECRET_KEY=b",
		"S3CP_CLIENT_ACCESS_KEY=CLIENT", "S3CP_CLIENT_SECRET_KEY=secret", "S3CP_MEMKEY_SOCKET=" + filepath.Join(dir, "none"),
	}
	cmd.ExtraFiles = []*os.File{admin, clients}
	log := &syncBuffer{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer cmd.Process.Kill()

	hear("READY=1\nSTATUS=serving on " + clientsAddr)
	hear("WATCHDOG=1")
	hear("WATCHDOG=1")
	for url, want := range map[string]int{"http://" + adminAddr + "/healthz": 200, "http://" + clientsAddr + "/backups": 403} {
		answer, err := http.Get(url)
		if err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %d, want %d", url, answer.StatusCode, want)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	hear("RELOADING=1\nMONOTONIC_USEC=")
	hear("READY=1")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hear("STOPPING=1\n")
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("%v\n%s", err, log)
		}
	case <-time.After(30 * time.Second):
		t.Errorf("it goes on:\n%s", log)
	}
	// Systemd still has the sockets: who connects now waits for the next start.
	c, err := net.Dial("tcp", clientsAddr)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestForeignSocketIsRefused: a socket that nobody would accept from ends the start.
func TestForeignSocketIsRefused(t *testing.T) {
	f, _ := listeningFile(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "s3-crypt-proxy")
	if err := os.Symlink(self, binary); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0"`, binary)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0", "LISTEN_FDS=1", "LISTEN_FDNAMES=other", "S3CP_ADMIN_TOKEN=0123456789abcdef",
		"S3CP_BACKEND_ENDPOINT=http://127.0.0.1:1", "S3CP_BACKEND_ACCESS_KEY=a", "S3CP_BACKEND_SECRET_KEY=b",
		"S3CP_CLIENT_ACCESS_KEY=CLIENT", "S3CP_CLIENT_SECRET_KEY=secret",
	}
	cmd.ExtraFiles = []*os.File{f}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != int(exitListen) || !strings.Contains(string(out), `no use for one named "other"; want FileDescriptorName= to be clients or admin`) {
		t.Errorf("%v\n%s", err, out)
	}
}

func listeningFile(t *testing.T) (*os.File, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, fmt.Sprint(l.Addr())
}
