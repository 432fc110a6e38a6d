package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
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
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/memkey-server/internal/settings"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// TestScripts runs testdata/script/*.txtar against the real binary. $ANNA and $BERT are public keys. Besides testscript's
// own commands there are:
//
//	expand FILE                          replace $NAME in FILE
//	exits CODE args...                   run memkey-server, compare its exit status; a failure must have its two lines
//	serve args...                        start it, wait for its ready line; sets $ADDR and $FINGERPRINT
//	signal NAME                          send TERM, INT or HUP
//	logged TEXT                          wait until its log has TEXT
//	ends CODE                            wait for its end; its log becomes $WORK/log
//	send OUTCOME ADMIN OP GENERATION KEYS  deliver as an administrator; the outcome is a status' name
//	get STATUS PATH                      GET from the server; the body becomes stdout
//	flip FILE OFFSET                     change one bit
func TestScripts(t *testing.T) {
	type key struct{}
	of := func(ts *testscript.TestScript) **process { return ts.Value(key{}).(**process) }
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			p := new(*process)
			env.Vars = append(env.Vars, quickRaceExit)
			env.Values[key{}] = p
			env.Defer(func() {
				if *p != nil {
					(*p).kill()
				}
			})
			for _, name := range []string{"anna", "bert"} {
				env.Setenv(strings.ToUpper(name), fmt.Sprintf("%x", []byte(adminKey(name).Public().(ed25519.PublicKey))))
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":  exits,
			"expand": expand,
			"send":   sendCommand,
			"get":    get,
			"flip":   flip,
			"serve": func(ts *testscript.TestScript, _ bool, args []string) {
				self, err := os.Executable()
				ts.Check(err)
				var env []string
				for _, name := range []string{"PATH", "HOME", "CREDENTIALS_DIRECTORY"} {
					env = append(env, name+"="+ts.Getenv(name))
				}
				p, err := startProcess(self, ts.Getenv("WORK"), env, args, nil)
				ts.Check(err)
				*of(ts) = p
				line, ok := p.await(`"message":"ready"`)
				if !ok {
					ts.Fatalf("not ready:\n%s", p.text())
				}
				var ready readyLine
				ts.Check(json.Unmarshal([]byte(line), &ready))
				ts.Setenv("ADDR", ready.Listen)
				line, _ = p.await("SERVER FINGERPRINT: ")
				_, rest, _ := strings.Cut(line, "SERVER FINGERPRINT: ")
				ts.Setenv("FINGERPRINT", rest[:64])
			},
			"signal": func(ts *testscript.TestScript, _ bool, args []string) {
				sig := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP}[args[0]]
				ts.Check((*of(ts)).cmd.Process.Signal(sig))
			},
			"logged": func(ts *testscript.TestScript, _ bool, args []string) {
				if _, ok := (*of(ts)).await(args[0]); !ok {
					ts.Fatalf("not in the log: %q\n%s", args[0], (*of(ts)).text())
				}
			},
			"ends": func(ts *testscript.TestScript, _ bool, args []string) {
				p := *of(ts)
				select {
				case <-p.done:
				case <-time.After(20 * time.Second):
					ts.Fatalf("it goes on:\n%s", p.text())
				}
				if code := strconv.Itoa(p.cmd.ProcessState.ExitCode()); code != args[0] {
					ts.Fatalf("exit status %s, want %s:\n%s", code, args[0], p.text())
				}
				ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), "log"), []byte(p.text()), 0o600))
			},
		},
	})
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec("memkey-server", args[1:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("cannot run: %v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit status %d, want %d", code, want)
	}
	if code == 0 {
		return
	}
	stderr := ts.ReadFile("stderr")
	last := stderr[strings.LastIndex(strings.TrimSuffix(stderr, "\n"), "\n")+1:]
	if !strings.Contains(stderr, "memkey-server: cannot ") || !strings.HasPrefix(last, "try: ") || len(last) < 10 || strings.Contains(stderr, "goroutine ") {
		ts.Fatalf("a failure does not say what is wrong and what to type:\n%s", stderr)
	}
}

func expand(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	content, err := os.ReadFile(path)
	ts.Check(err)
	ts.Check(os.WriteFile(path, []byte(os.Expand(string(content), ts.Getenv)), 0o600))
}

func sendCommand(ts *testscript.TestScript, _ bool, args []string) {
	c, err := connect("https://"+ts.Getenv("ADDR"), ts.Getenv("FINGERPRINT"), args[1])
	ts.Check(err)
	op := map[string]memkey.Op{"deliver": memkey.OpDeliver, "enroll": memkey.OpEnroll, "clear": memkey.OpClear}[args[2]]
	generation, names := uint64(0), ""
	if op != memkey.OpClear {
		generation, err = strconv.ParseUint(args[3], 10, 64)
		ts.Check(err)
		names = args[4]
	}
	receipt, err := send(c, op, generation, names)
	outcome := memkey.StatusOK.String()
	var refusal *memkey.Refusal
	switch {
	case errors.As(err, &refusal):
		outcome = refusal.Status.String()
	case err != nil:
		outcome = err.Error()
	}
	if outcome != args[0] {
		ts.Fatalf("%v, want %s", outcome, args[0])
	}
	ts.Setenv("WITNESS", fmt.Sprintf("%d:%x", receipt.AuditSeq, receipt.AuditHead))
}

func get(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "https://"+ts.Getenv("ADDR")+args[1], nil)
	ts.Check(err)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s", body)
	if strconv.Itoa(resp.StatusCode) != args[0] {
		ts.Fatalf("%s: %d, want %s\n%s", args[1], resp.StatusCode, args[0], body)
	}
}

func flip(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	content, err := os.ReadFile(path)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	content[at] ^= 1
	ts.Check(os.WriteFile(path, content, 0o600))
}

// TestExitCodesAreDocumented compares doc.go and the help text with the codes.
func TestExitCodesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for line := range strings.Lines(string(doc)) {
		if len(line) > 6 && strings.HasPrefix(line, "//\t") && line[3] >= '0' && line[3] <= '9' && line[4:7] == "   " {
			documented = append(documented, line[3:4])
		}
	}
	var want []string
	for _, code := range []exitCode{exitOK, exitInternal, exitUsage, exitFile, exitIdentity, exitListen, exitConflict} {
		want = append(want, strconv.Itoa(int(code)))
		if !strings.Contains(longHelp, strconv.Itoa(int(code))+" ") {
			t.Errorf("--help does not say what %d is", code)
		}
	}
	if strings.Join(documented, "") != strings.Join(want, "") {
		t.Errorf("doc.go has the codes %v, want %v", documented, want)
	}
}

// TestEverySettingIsInTheManual looks for each key in doc.go.
func TestEverySettingIsInTheManual(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range settings.Keys() {
		if !strings.Contains(string(doc), name[strings.LastIndexByte(name, '.')+1:]) {
			t.Errorf("doc.go does not explain %s", name)
		}
	}
}
