//go:build integration

package packages

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// machine is a booted Debian. It has the network of this one, and a disk of its own.
type machine struct {
	root string // its files, as seen from here
	init string // the process id of its systemd, here
}

// boot starts a machine on a fresh copy of the root that `make packages` made; the test's end stops it.
func boot(t *testing.T) *machine {
	t.Helper()
	base := os.Getenv("PACKAGES_ROOT")
	if base == "" || os.Geteuid() != 0 {
		t.Fatal("this test needs root, and a Debian to boot: run make packages")
	}
	dir := t.TempDir()
	m := &machine{root: filepath.Join(dir, "root")}
	upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	for _, d := range []string{m.root, upper, work} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("overlay", m.root, "overlay", 0, "lowerdir="+base+",upperdir="+upper+",workdir="+work); err != nil {
		t.Logf("no overlay here (%v): copying", err)
		if out, err := exec.Command("cp", "-a", base+"/.", m.root).CombinedOutput(); err != nil {
			t.Fatalf("cannot copy %s: %v\n%s", base, err, out)
		}
	} else {
		t.Cleanup(func() { _ = unix.Unmount(m.root, unix.MNT_DETACH) }) // TempDir complains if it stays
	}
	m.write(t, "etc/dpkg/dpkg.cfg.d/fast", "force-unsafe-io\n") // this disk need not survive
	args := []string{"-q", "-D", m.root, "--boot", "--register=no", "--console=pipe", "--link-journal=no",
		// A real machine lets its services lock memory.
		"--capability=CAP_IPC_LOCK,CAP_SYS_RESOURCE", "--system-call-filter=@memlock memfd_secret", "--rlimit=RLIMIT_MEMLOCK=infinity"}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		args = append(args, "--keep-unit") // there is nobody to ask for another
	}
	cmd := exec.Command("systemd-nspawn", args...)
	console := &console{}
	cmd.Stdout, cmd.Stderr = console, console
	// SIGTERM makes it end its machine; SIGKILL would leave that running without it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	// The death signal comes when the thread that started the child ends: hold it.
	started, stop := make(chan error), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		started <- cmd.Start()
		<-stop
	}()
	if err := <-started; err != nil {
		t.Fatalf("cannot start systemd-nspawn: %v", err)
	}
	go func() { _ = cmd.Wait(); close(ended) }() // its status is ours: we kill its machine
	t.Cleanup(func() {
		if t.Failed() && m.init != "" {
			log, _ := m.try("journalctl --no-pager -n 60 -o short-precise")
			t.Logf("journal:\n%s", log)
		}
		if pid, err := strconv.Atoi(m.init); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL) // everything in its process namespace dies with it
		} else {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
		<-ended
		close(stop)
		if t.Failed() {
			t.Logf("console:\n%s", console)
		}
	})
	within(t, 3*time.Minute, "the machine is up", func() error {
		select {
		case <-ended:
			t.Fatalf("systemd-nspawn ended; its console:\n%s", console)
		default:
		}
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		if err != nil || len(strings.Fields(string(children))) == 0 {
			return errors.New("it has no process")
		}
		m.init = strings.Fields(string(children))[0]
		out, err := m.try("systemctl is-system-running")
		if state := strings.TrimSpace(out); state != "running" && state != "degraded" {
			return fmt.Errorf("it is %q, %v\n%s", state, err, console)
		}
		return nil
	})
	return m
}

// console is what a machine prints.
type console struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

// command is a bash script in the machine, as root, without a terminal.
func (m *machine) command(script string) *exec.Cmd {
	cmd := exec.Command("nsenter", "-t", m.init, "-m", "-u", "-i", "-p", "-C", "-r", "-w", "--",
		"setsid", "-w", "env", "-i", "HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb",
		"bash", "-eu", "-o", "pipefail", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// try runs a script and returns all that it printed.
func (m *machine) try(script string) (string, error) {
	out, err := m.command(script).CombinedOutput()
	return string(out), err
}

// run wants a script to succeed, and returns what it printed.
func (m *machine) run(t *testing.T, script string) string {
	t.Helper()
	out, err := m.try(script)
	if err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return strings.TrimSpace(out)
}

// exits wants a script to end with a status, and returns what it printed.
func (m *machine) exits(t *testing.T, status int, script string) string {
	t.Helper()
	out, err := m.try(script)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if got != status {
		t.Fatalf("%s\nexit status %d, want %d\n%s", script, got, status, out)
	}
	return out
}

// write puts a file of mode 0600 into the machine.
func (m *machine) write(t *testing.T, path, content string) {
	t.Helper()
	file := filepath.Join(m.root, path)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil { // it may have been there
		t.Fatal(err)
	}
}

// copyIn copies a file of this machine.
func (m *machine) copyIn(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, to, string(content))
}

// pid is the main process of a unit, "0" if it does not run.
func (m *machine) pid(t *testing.T, unit string) string {
	t.Helper()
	return m.run(t, "systemctl show -P MainPID "+unit)
}

// within asks until it is so.
func within(t *testing.T, most time.Duration, what string, ask func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(most); ; time.Sleep(50 * time.Millisecond) {
		if err = ask(); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s: %v", most, what, err)
		}
	}
}
