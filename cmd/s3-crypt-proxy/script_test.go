package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"s3-crypt-proxy": main})
}

// TestScripts runs testdata/script/*.txtar against the real binary. Besides
// testscript's own commands there are:
//
//	exits CODE args...          run s3-crypt-proxy and compare its exit status
//	serve args...               start it and wait for its ready line; sets $ADDR, $ADMIN, $FINGERPRINT
//	signal NAME                 send TERM, INT or HUP to it
//	logged TEXT                 wait until its log has TEXT
//	ends CODE                   wait for its end, compare its status; its log becomes $WORK/log
//	get STATUS URL [HEADER...]  GET, compare the status; the body becomes stdout
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			p := &process{}
			env.Values[processKey{}] = p
			env.Defer(p.kill)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
			"serve": startServing,
			"signal": func(ts *testscript.TestScript, _ bool, args []string) {
				sig := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP}[args[0]]
				ts.Check(theProcess(ts).cmd.Process.Signal(sig))
			},
			"logged": func(ts *testscript.TestScript, _ bool, args []string) {
				if _, ok := theProcess(ts).await(args[0]); !ok {
					ts.Fatalf("not in the log: %q\n%s", args[0], theProcess(ts).text())
				}
			},
			"ends": ends,
			"get":  get,
		},
	})
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec("s3-crypt-proxy", args[1:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("cannot run: %v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit status %d, want %d", code, want)
	}
}

type processKey struct{}

// process is a proxy in the background, with the lines it logged.
type process struct {
	cmd  *exec.Cmd
	done chan error

	mu    sync.Mutex
	lines []string
}

func theProcess(ts *testscript.TestScript) *process { return ts.Value(processKey{}).(*process) }

func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.done
	}
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n") + "\n"
}

// await returns the first log line with text in it.
func (p *process) await(text string) (string, bool) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for line := range strings.Lines(p.text()) {
			if strings.Contains(line, text) {
				return line, true
			}
		}
	}
	return "", false
}

func startServing(ts *testscript.TestScript, _ bool, args []string) {
	p := theProcess(ts)
	self, err := os.Executable()
	ts.Check(err)
	p.cmd = exec.Command(self, args...)
	p.cmd.Args[0] = "s3-crypt-proxy" // by which testscript.Main knows what to be
	p.cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"HOME", "PATH", "TMPDIR", "S3CP_TLS", "S3CP_TLS_DIR"} {
		if v := ts.Getenv(name); v != "" {
			p.cmd.Env = append(p.cmd.Env, name+"="+v)
		}
	}
	stderr, err := p.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(p.cmd.Start())
	p.mu.Lock()
	p.lines = nil // of the one before
	p.mu.Unlock()
	cmd, done := p.cmd, make(chan error, 1)
	p.done = done
	go func() {
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, s.Text())
			p.mu.Unlock()
		}
		done <- cmd.Wait()
		close(done)
	}()
	line, ok := p.await(`"message":"ready"`)
	if !ok {
		ts.Fatalf("not ready:\n%s", p.text())
	}
	var ready struct {
		Listen      string `json:"listen_addr"`
		Admin       string `json:"admin_listen_addr"`
		Fingerprint string `json:"fingerprint"`
	}
	ts.Check(json.Unmarshal([]byte(line), &ready))
	ts.Setenv("ADDR", ready.Listen)
	ts.Setenv("ADMIN", ready.Admin)
	ts.Setenv("FINGERPRINT", ready.Fingerprint)
}

func ends(ts *testscript.TestScript, _ bool, args []string) {
	p := theProcess(ts)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		ts.Fatalf("it goes on:\n%s", p.text())
	}
	if code := strconv.Itoa(p.cmd.ProcessState.ExitCode()); code != args[0] {
		ts.Fatalf("exit status %s, want %s:\n%s", code, args[0], p.text())
	}
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), "log"), []byte(p.text()), 0o600))
}

func get(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", args[1], nil)
	ts.Check(err)
	for _, h := range args[2:] {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s", body)
	if strconv.Itoa(resp.StatusCode) != args[0] {
		ts.Fatalf("%s: %d, want %s\n%s", args[1], resp.StatusCode, args[0], body)
	}
}

// TestExitCodesAreDocumented compares doc.go and the help text with the codes.
func TestExitCodesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("exit.go")
	if err != nil {
		t.Fatal(err)
	}
	constants := bytes.Count(code, []byte("exitCode = "))
	var documented int
	for line := range strings.Lines(string(doc)) {
		if len(line) > 6 && strings.HasPrefix(line, "//\t") && line[3] >= '0' && line[3] <= '9' && line[4] == ' ' {
			documented++
		}
	}
	if constants != 8 || documented != constants {
		t.Errorf("%d codes, %d documented in doc.go", constants, documented)
	}
	for i := range constants {
		if !strings.Contains(longHelp, strconv.Itoa(i)+" ") {
			t.Errorf("--help does not say what %d is", i)
		}
	}
}
