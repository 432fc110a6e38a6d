package rig

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary plays the children too: RIG_HELPER says which.
func TestMain(m *testing.M) {
	switch os.Getenv("RIG_HELPER") {
	case "":
		os.Exit(m.Run())
	case "stubborn": // ignores SIGTERM and the end of its stdin
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "failing":
		fmt.Fprintln(os.Stderr, "first line\nthe disk is on fire")
		os.Exit(3)
	case "busy": // uses 300 ms of CPU and 64 MiB, then waits
		mem := make([]byte, 64<<20)
		var before, now syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &before)
		for syscall.Getrusage(syscall.RUSAGE_SELF, &now); now.Utime.Nano()-before.Utime.Nano() < 300e6; syscall.Getrusage(syscall.RUSAGE_SELF, &now) {
			for i := range mem {
				mem[i]++
			}
		}
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "parent": // starts a stubborn child, tells its pid, and waits to be killed
		p, err := start(helper("stubborn"))
		if err != nil {
			panic(err)
		}
		<-p.out.ready
		fmt.Println(p.PID)
		time.Sleep(time.Hour)
	}
}

func helper(role string) spec {
	env := []string{"RIG_HELPER=" + role}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "RIG_HELPER=") {
			env = append(env, kv)
		}
	}
	return spec{name: role, path: os.Args[0], env: env}
}

func startHelper(t *testing.T, role string) *Process {
	t.Helper()
	p, err := start(helper(role))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}
