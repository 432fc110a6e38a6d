package rig

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStopKillsTheStubborn(t *testing.T) {
	p := startHelper(t, "stubborn")
	p.grace = 200 * time.Millisecond
	other := startHelper(t, "stubborn")
	if _, err := p.readyLine(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("Stop said %v", err)
	}
	if p.Alive() || syscall.Kill(p.PID, 0) == nil {
		t.Error("the child lives")
	}
	if !other.Alive() {
		t.Error("Stop killed another child")
	}
}

func TestNothingSurvivesTheParent(t *testing.T) {
	parent := startHelper(t, "parent")
	line, err := parent.readyLine(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(line)
	if err != nil || syscall.Kill(child, 0) != nil {
		t.Fatalf("the grandchild %q does not run: %v", line, err)
	}
	parent.Kill() // SIGKILL: the parent can do nothing for its child
	for deadline := time.Now().Add(20 * time.Second); running(child); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			syscall.Kill(child, syscall.SIGKILL)
			t.Fatal("the grandchild survived its parent")
		}
	}
}

// running tells whether a process exists and is no zombie: an orphan's remains wait for init to look.
func running(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	return f[0] != "Z"
}

func TestFailedStartShowsTheLog(t *testing.T) {
	p := startHelper(t, "failing")
	_, err := p.readyLine(context.Background())
	if err == nil || !strings.Contains(err.Error(), "the disk is on fire") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
	if err := p.Stop(); err == nil {
		t.Error("Stop hides the exit status")
	}
	if _, err := Binary("no-such-binary"); err == nil {
		t.Error("a missing binary was found")
	}
}

func TestUsageIsTheKernels(t *testing.T) {
	p := startHelper(t, "busy")
	if _, err := p.readyLine(context.Background()); err != nil {
		t.Fatal(err)
	}
	u, err := p.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if u.CPU < 290*time.Millisecond || u.CPU > 5*time.Second {
		t.Errorf("CPU %v, want a little above 300 ms", u.CPU)
	}
	if u.RSS < 64<<20 || u.Peak < u.RSS || u.Peak > 1<<30 {
		t.Errorf("RSS %d, peak %d; the child holds 64 MiB", u.RSS, u.Peak)
	}
	if _, err := UsageOf(1 << 30); err == nil {
		t.Error("a process that does not exist has a use")
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{":8443": "127.0.0.1:8443", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "127.0.0.1:1", "10.0.0.1:2": "10.0.0.1:2", "host:3": "host:3"} {
		if got := reachable(in); got != want {
			t.Errorf("%s is reached at %s, want %s", in, got, want)
		}
	}
	for in, prefix := range map[string]string{"": "127.0.0.1:", "0.0.0.0:0": "0.0.0.0:", "127.0.0.1:77": "127.0.0.1:77"} {
		if got := in; concrete(&got) != nil || !strings.HasPrefix(got, prefix) || strings.HasSuffix(got, ":0") {
			t.Errorf("%q becomes %q", in, got)
		}
	}
	for range 500 { // the kernel may give a port again as soon as it is free
		if a, b := "", ""; concrete(&a, &b) != nil || a == b {
			t.Fatalf("two listeners were given the same port: %s", a)
		}
	}
	if a := "nonsense"; concrete(&a) == nil {
		t.Error("nonsense is an address")
	}
}

func TestSettingsFollowTheEnvironment(t *testing.T) {
	t.Setenv("S3CP_BIN", "/somewhere")
	t.Setenv("S3CP_CLIENT_ACCESS_KEY", "MINE")
	t.Setenv("S3CP_TLS", "off")
	t.Setenv("S3CP_LISTEN_ADDR", "127.0.0.1:0")
	t.Setenv("S3CP_LOG_LEVEL", "debug")
	s := settle(ProxyConfig{Client: Credentials{"A", "B"}})
	if s.client != (Credentials{"MINE", "B"}) || s.tls || s.listen != "127.0.0.1:0" {
		t.Errorf("settled on %+v", s)
	}
	env := strings.Join(s.environ(), "\n")
	if strings.Contains(env, "S3CP_BIN") || strings.Contains(env, "S3CP_LISTEN_ADDR") || !strings.Contains(env, "S3CP_LOG_LEVEL=debug") {
		t.Errorf("the proxy's environment is\n%s", env)
	}
	if text := (Credentials{"A", "topsecret"}).String(); strings.Contains(text, "topsecret") {
		t.Errorf("a secret is printed: %s", text)
	}
}
