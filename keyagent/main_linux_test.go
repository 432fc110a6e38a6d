package keyagent

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The test binary is also the other processes of the tests: TestMain runs the child that the environment names.
const (
	childEnv    = "KEYAGENT_TEST_CHILD"
	noSecretEnv = "KEYAGENT_TEST_NO_MEMFD_SECRET" // forbid memfd_secret by seccomp, as an old kernel or a sandbox would
	socketEnv   = "KEYAGENT_TEST_SOCKET"
	needlesEnv  = "KEYAGENT_TEST_NEEDLES"
)

func TestMain(m *testing.M) {
	if os.Getenv(noSecretEnv) != "" {
		forbidMemfdSecret()
	}
	if name := os.Getenv(childEnv); name != "" {
		run, ok := children[name]
		if !ok {
			fatal(fmt.Errorf("no child %q", name))
		}
		run()
		os.Exit(0)
	}
	if r, w, err := os.Pipe(); err == nil { // the runtime opens its poller now, not within a test that counts descriptors
		r.Close()
		w.Close()
	}
	code := m.Run()
	if page, err := newLockedPage(); err == nil {
		fmt.Printf("key memory: %s\n", page.kind)
		page.free()
	}
	if kb := lockedKB(); kb != 0 && code == 0 {
		fmt.Printf("FAIL: %d KiB of key memory are still mapped after all tests\n", kb)
		code = 1
	}
	os.Exit(code)
}

// forbidMemfdSecret makes memfd_secret fail with ENOSYS in all threads of the process and its children.
func forbidMemfdSecret() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 1, K: unix.SYS_MEMFD_SECRET},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		fatal(err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		fatal(errno)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "child:", err)
	os.Exit(3)
}

var children = map[string]func(){
	"hash-client":    childHashClient,
	"holding-client": childHoldingClient,
	"agent":          childAgent,
	"changing-agent": childChangingAgent,
	"crash":          childCrash,
	"harden":         childHarden,
	"foreign-server": childForeignServer,
	"memory-limit":   childMemoryLimit,
}

// A child is another process that runs the test binary.
type child struct {
	*exec.Cmd
	in    io.WriteCloser
	out   *bufio.Scanner
	err   *bytes.Buffer
	ended bool
}

type childOption func(*exec.Cmd)

func asUser(uid, gid uint32) childOption {
	return func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
}

func withEnv(name, value string) childOption {
	return func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, name+"="+value) }
}

// testBinary is the running binary, which a child of another user may not reach where the go tool puts it.
func testBinary(t testing.TB) string {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

// publicBinary is a copy of the test binary that every user can run.
func publicBinary(t testing.TB) string {
	dir := publicDir(t)
	self, err := os.ReadFile(testBinary(t))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "test")
	if err := os.WriteFile(name, self, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func publicDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "keyagent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func startChild(t testing.TB, binary, name, socket string, options ...childOption) *child {
	t.Helper()
	c := &child{Cmd: exec.Command(binary), err: new(bytes.Buffer)}
	c.Env = append(os.Environ(), childEnv+"="+name, socketEnv+"="+socket)
	c.Stderr = c.err
	for _, o := range options {
		o(c.Cmd)
	}
	var err error
	if c.in, err = c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	return c
}

// line returns the next line that the child prints.
func (c *child) line(t testing.TB) string {
	t.Helper()
	if !c.out.Scan() {
		c.kill()
		t.Fatalf("child ended: %v; it said: %s", c.ProcessState, c.err)
	}
	return c.out.Text()
}

func (c *child) kill() {
	if c.ended {
		return
	}
	c.ended = true
	_ = c.Process.Kill()
	_ = c.Wait()
}

func load(t testing.TB, h *Holder, n int) uint64 {
	t.Helper()
	keys, err := testRing(n)
	if err != nil {
		t.Fatal(err)
	}
	generation, err := h.Load(keys)
	if err != nil {
		t.Fatal(err)
	}
	return generation
}

func newTestHolder(t testing.TB) *Holder {
	h := NewHolder()
	t.Cleanup(func() { h.Clear() })
	return h
}

// serveTest serves h on a new socket until stop, which waits for the end.
func serveTest(t testing.TB, h *Holder, policy Policy) (socket string, stop func()) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	return socket, serveAt(t, socket, h, policy)
}

func serveAt(t testing.TB, socket string, h *Holder, policy Policy) (stop func()) {
	t.Helper()
	ln, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, ln, h, policy)
}

func serveOn(t testing.TB, ln net.Listener, h *Holder, policy Policy) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, ln, h, policy) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// runClient runs a client until stop, which waits for the end.
func runClient(t testing.TB, config ClientConfig, apply func(Ring) error) (stop func()) {
	t.Helper()
	if config.MaxBackoff == 0 {
		config.MinBackoff, config.MaxBackoff = 5*time.Millisecond, 50*time.Millisecond
	}
	client, err := NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- client.Run(ctx, apply) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != context.Canceled {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// receive fails the test if nothing comes.
func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		buf := make([]byte, 1<<16)
		t.Fatalf("nothing came\n%s", buf[:runtime.Stack(buf, true)])
		panic("unreachable")
	}
}

// lockedKB is what the kernel counts as locked memory of this process: one page per live key.
func lockedKB() int { return statusField("VmLck:") }

func statusField(name string) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			kb, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				panic(err)
			}
			return kb
		}
	}
	panic("no " + name)
}

func openFDs(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// checkLeaks fails the test if, at its end, it left goroutines, descriptors or key memory behind. It comes first in a
// test, so that it runs after all other cleanups.
func checkLeaks(t testing.TB) {
	runtime.GC()
	goroutines, fds, locked := runtime.NumGoroutine(), openFDs(t), lockedKB()
	t.Cleanup(func() {
		var g, f, l int
		for range 2000 {
			g, f, l = runtime.NumGoroutine(), openFDs(t), lockedKB()
			if g <= goroutines && f <= fds && l <= locked {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		buf := make([]byte, 1<<16)
		t.Errorf("left behind: goroutines %d -> %d, descriptors %d -> %d, locked KiB %d -> %d\n%s",
			goroutines, g, fds, f, locked, l, buf[:runtime.Stack(buf, true)])
	})
}

func randomKey(t testing.TB) []byte {
	key := make([]byte, KeySize)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	return key
}

// fingerprint proves to another process that one has the key. Only tests hash keys.
func fingerprint(key []byte) string {
	sum := sha256.Sum256(append([]byte("fingerprint"), key...))
	return hex.EncodeToString(sum[:])
}
