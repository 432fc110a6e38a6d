package keyagent

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

type execCmd = exec.Cmd

func TestHardenForbidsCoreFilesAndForeignReaders(t *testing.T) {
	for harden, want := range map[string]string{"yes": "dumpable 0 core 0 0", "no": "dumpable 1 "} {
		t.Run(harden, func(t *testing.T) {
			options := []childOption{withEnv("KEYAGENT_TEST_HARDEN", harden), withEnv("GOTRACEBACK", "crash"),
				func(cmd *execCmd) { cmd.Dir = t.TempDir() }}
			binary := testBinary(t)
			if os.Geteuid() == 0 { // as another user, so that reading it is a question of the flag and not of root
				binary = publicBinary(t)
				dir := publicDir(t)
				if err := os.Chmod(dir, 0o777); err != nil {
					t.Fatal(err)
				}
				options = append(options, asUser(65534, 65534), func(cmd *execCmd) { cmd.Dir = dir })
			}
			c := startChild(t, binary, "harden", "-", options...)
			if line := c.line(t); !strings.HasPrefix(line, want) {
				t.Errorf("child says %q, want %q", line, want)
			}
			reader := exec.Command("head", "-c", "0", fmt.Sprintf("/proc/%d/mem", c.Process.Pid))
			reader.SysProcAttr = c.SysProcAttr
			if out, err := reader.CombinedOutput(); harden == "yes" && (err == nil || !strings.Contains(string(out), "ermission denied")) {
				t.Errorf("a process of the same user opens the memory: %v, %s", err, out)
			}
			if err := c.Process.Signal(syscall.SIGABRT); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait()
			c.ended = true
			status := c.ProcessState.Sys().(syscall.WaitStatus)
			if harden == "yes" && status.CoreDump() {
				t.Errorf("core dump of a hardened process: %v", c.ProcessState)
			}
		})
	}
}

func TestWritingToAKeyKillsTheProcess(t *testing.T) {
	c := startChild(t, testBinary(t), "crash", "-")
	if c.out.Scan() {
		t.Errorf("child says %q", c.out.Text())
	}
	err := c.Wait()
	c.ended = true
	if exit := new(exec.ExitError); !errors.As(err, &exit) || !strings.Contains(c.err.String(), "fault") {
		t.Errorf("child ended with %v: %s", err, c.err)
	}
}

func TestNoLockedMemoryIsAnErrorThatNamesTheLimit(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("starts a child as another user, who has no CAP_IPC_LOCK: needs root")
	}
	binary := publicBinary(t)
	for _, forbid := range []string{"", "1"} {
		c := startChild(t, binary, "memory-limit", "-", asUser(65534, 65534), withEnv(noSecretEnv, forbid))
		if line := c.line(t); !strings.Contains(line, "cannot lock memory") || !strings.Contains(line, "LimitMEMLOCK") {
			t.Errorf("without memfd_secret %q: child says %q", forbid, line)
		}
	}
}

// TestWithoutMemfdSecret runs the tests of key memory, regions and hand-over again where memfd_secret does not exist.
func TestWithoutMemfdSecret(t *testing.T) {
	if os.Getenv(noSecretEnv) != "" {
		t.Skip("this is that run")
	}
	args := []string{"-test.v", "-test.short",
		"-test.run", "^Test(NewSecret|Secret|Use|Wipe|Clone|KeyPage|Region|HandOver|Client|Serve|Load|Storm)"}
	cmd := exec.Command(testBinary(t), args...)
	cmd.Env = append(os.Environ(), noSecretEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "key memory: mlock") || strings.Count(string(out), "--- PASS") < 15 {
		t.Errorf("the run did not test the other memory:\n%s", out)
	}
}
