package rig

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestBucketsFollowTheEnvironment(t *testing.T) {
	for v, want := range map[string][]string{"": {"chosen"}, "one": {"one"}, " one , two,": {"one", "two"}} {
		t.Setenv("S3CP_ALLOWED_BUCKETS", v)
		if got := bucketsOf([]string{"chosen"}); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
	t.Setenv("S3CP_ALLOWED_BUCKETS", "")
	if got := bucketsOf(nil); !slices.Equal(got, []string{"backups"}) {
		t.Errorf("nothing chosen: %v", got)
	}
}

func TestGivenBackend(t *testing.T) {
	t.Setenv("S3CP_BACKEND_ENDPOINT", "")
	if b := givenBackend(); b != nil {
		t.Errorf("nothing is given, found %v", b)
	}
	t.Setenv("S3CP_BACKEND_ENDPOINT", "https://s3.example.com:444/path")
	t.Setenv("S3CP_BACKEND_ACCESS_KEY", "AK")
	t.Setenv("S3CP_BACKEND_SECRET_KEY", "SK")
	b := givenBackend()
	if b == nil || !b.Given() || b.Process != nil || b.Endpoint() != "https://s3.example.com:444/path" || b.Credentials != (Credentials{"AK", "SK"}) || b.Region != backendRegion {
		t.Errorf("found %+v", b)
	}
	s := &Stack{Backend: b}
	if n := len(s.processes()); n != 0 || s.Stop() != nil || s.Dead() != nil {
		t.Errorf("a given backend has %d processes", n)
	}
}

func TestEndedNamesTheProcess(t *testing.T) {
	busy, failing := startHelper(t, "stubborn"), startHelper(t, "failing")
	s := &Stack{Keys: &KeyHolder{Process: failing}, Backend: &Backend{Process: busy}}
	select {
	case err := <-s.Ended():
		if err == nil {
			t.Fatal("no error")
		}
		for _, want := range []string{"failing (process ", "ended by itself: exit status 3", "the disk is on fire"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("no %q in: %v", want, err)
			}
		}
		if strings.Contains(err.Error(), "stubborn") {
			t.Errorf("a process that runs is named: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the end was not seen")
	}
	if err := failing.Stop(); err != nil {
		t.Errorf("the end is reported twice: %v", err)
	}
	if err := syscall.Kill(busy.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-busy.Done()
	if err := s.Dead(); err == nil || !strings.Contains(err.Error(), "stubborn (process ") || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("a killed process: %v", err)
	}
}

func TestSweep(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent)
	old := func(name string) string {
		dir := filepath.Join(parent, name)
		if err := os.MkdirAll(filepath.Join(dir, "store"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, lockName), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		past := time.Now().Add(-time.Hour)
		if err := os.Chtimes(dir, past, past); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	stale, other := old(tempPrefix+"1"), old("somebody-elses")
	inUse := old(tempPrefix + "2")
	lock, err := lockDir(inUse, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	fresh := old(tempPrefix + "3")
	if err := os.Chtimes(fresh, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}

	dir, release, err := tempDir()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockDir(dir, 0); err == nil {
		t.Error("the directory is not locked")
	}
	exists := func(dir string) bool { _, err := os.Stat(dir); return err == nil }
	if exists(stale) || !exists(other) || !exists(inUse) || !exists(fresh) || !exists(dir) {
		t.Errorf("stale %v; another's %v, in use %v, fresh %v, ours %v", exists(stale), exists(other), exists(inUse), exists(fresh), exists(dir))
	}
	if err := release(); err != nil || exists(dir) {
		t.Errorf("not removed: %v", err)
	}
}

// TestFailedStackLeavesNothing: without binaries the first start fails.
func TestFailedStackLeavesNothing(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent)
	t.Setenv("S3CP_BIN", t.TempDir())
	if s, err := StartStack(context.Background(), StackConfig{}); err == nil || s != nil || !strings.Contains(err.Error(), "cannot find versitygw") {
		t.Errorf("%v, %v", s, err)
	}
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}
