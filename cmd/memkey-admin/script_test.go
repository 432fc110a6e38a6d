//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/paper"
)

// TestScripts runs testdata/script/*.txtar against the real binary. Besides testscript's own commands there are:
//
//	exits CODE args...    run memkey-admin without a terminal, and compare its exit status
//	with FILE CODE args…  the same with FILE as stdin
//	talk FILE CODE args…  run it on a pty and hold the conversation in FILE: "? TEXT" waits for TEXT, "> TEXT" types it,
//	                      "^C" types ctrl-C; what the terminal shows goes to $WORK/tty
//	server start|stop|…   a key server (server_test.go)
//	admit ROLES           put the identity of the last init --json on the server's list
//	words RING FILE       write the words of the active key, six a line
//	sheet RING FILE       write the text form of the active key
//	ssh-agent             an agent with one key, and $SSH_AUTH_SOCK
//	no-secrets FILE…      no output so far, and no file but those matching, has a key, a passphrase or words
//
// Passphrases are in files that begin with "pass", and typed in conversations by ">".
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Values[serverKey{}] = new(*keyServer)
			env.Values[outputKey{}] = &output{}
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", home)
			env.Setenv("USER", "anna")
			env.Setenv("GORACE", noExitSleep)
			if err := ownPassphrases(env.WorkDir); err != nil {
				return err
			}
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":      func(ts *testscript.TestScript, _ bool, args []string) { exits(ts, os.DevNull, args) },
			"with":       func(ts *testscript.TestScript, _ bool, args []string) { exits(ts, ts.MkAbs(args[0]), args[1:]) },
			"talk":       talk,
			"server":     serverCommand,
			"admit":      admit,
			"words":      func(ts *testscript.TestScript, _ bool, args []string) { writeSheet(ts, args, sheetWordsOf) },
			"sheet":      func(ts *testscript.TestScript, _ bool, args []string) { writeSheet(ts, args, paper.MasterText) },
			"ssh-agent":  startSSHAgent,
			"no-secrets": noSecrets,
		},
	})
}

// noExitSleep keeps children that are built with -race from sleeping for a second before they end.
const noExitSleep = "atexit_sleep_ms=0"

type outputKey struct{}

// output is all that a script's children ever said.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	typed [][]byte // passphrases of conversations
}

func (o *output) add(parts ...[]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range parts {
		o.text.Write(p)
		o.text.WriteByte('\n')
	}
}

func theOutput(ts *testscript.TestScript) *output { return ts.Value(outputKey{}).(*output) }

// command is memkey-admin in a session of its own: without a terminal unless it gets one.
func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	self, err := os.Executable()
	ts.Check(err)
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "memkey-admin" // by which testscript.Main knows what to be
	cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"HOME", "PATH", "USER", "TMPDIR", "SSH_AUTH_SOCK", "GORACE"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

func exits(ts *testscript.TestScript, stdin string, args []string) {
	cmd := command(ts, args[1:])
	in, err := os.Open(stdin)
	ts.Check(err)
	defer in.Close()
	cmd.Stdin = in
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	said(ts, args, err, stdout.Bytes(), stderr.Bytes())
}

// said compares the exit status, and gives the outputs to the commands stdout and stderr.
func said(ts *testscript.TestScript, args []string, err error, stdout, stderr []byte) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("cannot run: %v", err)
	}
	code := 0
	if exit != nil {
		code = exit.ExitCode()
	}
	_, _ = ts.Stdout().Write(stdout)
	_, _ = ts.Stderr().Write(stderr)
	theOutput(ts).add(stdout, stderr)
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit status %d, want %s\n%s%s", code, args[0], stdout, stderr)
	}
	if bytes.Contains(stderr, []byte("goroutine ")) {
		ts.Fatalf("a stack trace:\n%s", stderr)
	}
	if code != 0 && (!bytes.HasPrefix(lastFailure(stderr), []byte("memkey-admin: ")) || code != 130 && !bytes.Contains(stderr, []byte("\ntry: "))) {
		ts.Fatalf("not the two lines of a failure:\n%s", stderr)
	}
}

func lastFailure(stderr []byte) []byte {
	if i := bytes.LastIndex(stderr, []byte("memkey-admin: cannot")); i >= 0 {
		return stderr[i:]
	}
	if i := bytes.Index(stderr, []byte("memkey-admin: ")); i >= 0 {
		return stderr[i:]
	}
	return nil
}

// passphrases are those that the script has in files and typed.
func passphrases(ts *testscript.TestScript) [][]byte {
	all := append([][]byte(nil), theOutput(ts).typed...)
	files, err := filepath.Glob(filepath.Join(ts.Getenv("WORK"), "pass*"))
	ts.Check(err)
	for _, f := range files {
		data, err := os.ReadFile(f)
		ts.Check(err)
		all = append(all, bytes.TrimSpace(data))
	}
	return all
}

// openRing opens a ring with one of the script's passphrases; nil if it is none.
func openRing(ts *testscript.TestScript, path string) *keyfile.Keyring {
	data, err := os.ReadFile(path)
	ts.Check(err)
	if !bytes.HasPrefix(data, []byte("MKSEALED")) {
		return nil
	}
	for _, p := range passphrases(ts) {
		if ring, err := keyfile.Open(data, p); err == nil {
			return ring
		}
	}
	return nil
}

func sheetWordsOf(master *keyagent.Secret) (string, error) {
	words, err := paper.Words(master)
	var text strings.Builder
	for i, w := range words {
		fmt.Fprintf(&text, "%d. %s", i+1, w)
		text.WriteString(map[bool]string{true: "\n", false: " "}[i%6 == 5])
	}
	return text.String() + "\n", err
}

func writeSheet(ts *testscript.TestScript, args []string, text func(*keyagent.Secret) (string, error)) {
	ring := openRing(ts, ts.MkAbs(args[0]))
	if ring == nil {
		ts.Fatalf("%s is no ring that opens", args[0])
	}
	defer ring.Wipe()
	sheet, err := text(ring.Active().Master)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(sheet), 0o600))
}

func noSecrets(ts *testscript.TestScript, _ bool, args []string) {
	work := ts.Getenv("WORK")
	secrets := map[string][]byte{}
	for i, p := range passphrases(ts) {
		secrets[fmt.Sprintf("passphrase %d", i)] = p
	}
	var files []string
	rings := 0
	ts.Check(filepath.WalkDir(work, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name := d.Name()
		for _, pattern := range append([]string{"pass*", "*.talk"}, args...) {
			if ok, err := filepath.Match(pattern, name); ok || err != nil {
				return err
			}
		}
		files = append(files, path)
		ring := openRing(ts, path)
		if ring == nil {
			return nil
		}
		defer ring.Wipe()
		rings++
		for _, k := range ring.Keys {
			if err := k.Master.Use(func(m []byte) { secrets["key "+k.ID.String()] = bytes.Clone(m) }); err != nil {
				return err
			}
			words, err := paper.Words(k.Master)
			if err != nil {
				return err
			}
			secrets["words of "+k.ID.String()] = []byte(strings.Join(words[3:6], " "))
		}
		return nil
	}))
	texts := map[string][]byte{"the output": theOutput(ts).text.Bytes()}
	for _, f := range files {
		data, err := os.ReadFile(f)
		ts.Check(err)
		texts[f] = data
	}
	for where, text := range texts {
		for what, secret := range secrets {
			if form := findSecret(text, secret); form != "" {
				ts.Fatalf("%s has %s (%s)", where, what, form)
			}
		}
	}
	if rings == 0 && len(secrets) == 0 {
		ts.Fatalf("there was nothing to look for")
	}
	ts.Logf("looked for %d secrets of %d rings in %d files", len(secrets), rings, len(files))
}

// ownPassphrases gives the files of an archive the mode that those with passphrases must have.
func ownPassphrases(dir string) error {
	files, err := os.ReadDir(dir)
	for _, f := range files {
		if f.Type().IsRegular() {
			err = errors.Join(err, os.Chmod(filepath.Join(dir, f.Name()), 0o600))
		}
	}
	return err
}
