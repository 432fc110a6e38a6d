package keyfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// childEnv makes the test binary one of the writers below.
const childEnv = "KEYFILE_TEST_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		child(role, os.Args[1])
		return
	}
	os.Exit(m.Run())
}

func child(role, path string) {
	a, b := versions()
	switch role {
	case "write": // until it is killed
		fmt.Println("ready")
		for {
			for _, data := range [][]byte{a, b} {
				if err := Write(path, data); err != nil {
					fmt.Println(err)
					os.Exit(1)
				}
				fmt.Print(".")
			}
		}
	case "full":
		limitFiles(int64(len(b) / 2))
		if err := Write(path, b); err == nil {
			os.Exit(1)
		} else {
			fmt.Println(err)
		}
	case "lock":
		unlock, err := Lock(path)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		defer unlock()
		fmt.Println("ready")
		time.Sleep(time.Minute)
	}
}

// versions are two files of different sizes that cannot be taken for each other.
func versions() (a, b []byte) {
	return bytes.Repeat([]byte("A"), 3000), bytes.Repeat([]byte("b"), 70_000)
}

func startChild(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], path)
	cmd.Env = append(os.Environ(), childEnv+"="+role, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// awaitReady starts cmd and waits for its first line. What it says after that is read from out.
func awaitReady(t *testing.T, cmd *exec.Cmd) (out io.Reader) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 6)
	if _, err := out.Read(line); err != nil || string(line[:5]) != "ready" {
		_ = cmd.Process.Kill()
		t.Fatalf("the child says %q: %v", line, err)
	}
	return out
}

func TestKillWhileWriting(t *testing.T) {
	a, b := versions()
	path := filepath.Join(t.TempDir(), "ring")
	if err := Create(path, a); err != nil {
		t.Fatal(err)
	}
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	seen := map[byte]int{}
	for i := range rounds {
		cmd := startChild(t, "write", path)
		// After none, one or two whole writes, so that either version is met, however slow the disk is.
		if _, err := io.ReadFull(awaitReady(t, cmd), make([]byte, i%3)); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		time.Sleep(time.Duration(i*271%9000) * time.Microsecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		got, err := Read(path)
		if err != nil || !bytes.Equal(got, a) && !bytes.Equal(got, b) {
			t.Fatalf("round %d: %d bytes, %v", i, len(got), err)
		}
		seen[got[0]]++
		if previous, err := Read(path + ".1"); err == nil && !bytes.Equal(previous, a) && !bytes.Equal(previous, b) {
			t.Fatalf("round %d: the previous file has %d bytes", i, len(previous))
		}
	}
	if rounds > 10 && len(seen) < 2 {
		t.Errorf("all kills hit the same version: %v", seen)
	}
	// What was left behind is gone after the next write.
	if err := Write(path, []byte("last")); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*tmp*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFullDiskLeavesTheOldFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no RLIMIT_FSIZE")
	}
	a, _ := versions()
	dir := t.TempDir()
	path := filepath.Join(dir, "ring")
	if err := Create(path, a); err != nil {
		t.Fatal(err)
	}
	out, err := startChild(t, "full", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "file too large") {
		t.Fatalf("%v: %s", err, out)
	}
	if got, err := Read(path); err != nil || !bytes.Equal(got, a) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWriteKeepsThePrevious(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a [odd] *name")
	read := func(path, want string) {
		t.Helper()
		got, err := Read(path)
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, want %q: %v", filepath.Base(path), got, want, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
			t.Errorf("%s: %v, %v", filepath.Base(path), info.Mode(), err)
		}
	}
	for _, v := range []string{"one", "two", "two", "three"} {
		if err := Write(path, []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	read(path, "three")
	read(path+".1", "two")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("four")); err != nil {
		t.Fatal(err)
	}
	read(path, "four")
	read(path+".1", "three")

	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, []byte("five")); err != nil {
		t.Fatal(err)
	}
	read(path, "five")
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link is gone")
	}
	if err := Write(filepath.Join(t.TempDir(), "no", "such"), nil); err == nil {
		t.Error("written into a directory that is not there")
	}
}

func TestCreateReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ring")
	if err := Create(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := Create(path, []byte("two")); !errors.Is(err, ErrExists) {
		t.Errorf("%v", err)
	}
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	if err := Create(dangling, []byte("two")); !errors.Is(err, ErrExists) {
		t.Errorf("through a link: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "one" {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestReadIsBounded(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, MaxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{large, dir} {
		if _, err := Read(path); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := Read(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring")
	cmd := startChild(t, "lock", path)
	awaitReady(t, cmd)
	if _, err := Lock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("two at once: %v", err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	unlock, err := Lock(path)
	if err != nil {
		t.Fatalf("the lock outlives its process: %v", err)
	}
	if _, err := Lock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("two in one process: %v", err)
	}
	unlock()
	unlock, err = Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
