//go:build unix

package main

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/term"
)

// screen is what a pty has shown.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) read(f *os.File) {
	buffer := make([]byte, 1024)
	for {
		n, err := f.Read(buffer)
		s.mu.Lock()
		s.text.Write(buffer[:n])
		s.mu.Unlock()
		if err != nil {
			return // the other side is closed
		}
	}
}

func (s *screen) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until text is shown after the first from bytes, and returns the end of it.
func (s *screen) await(text string, from int) (int, bool) {
	for range 4000 {
		shown := s.shown()
		if i := strings.Index(shown[from:], text); i >= 0 {
			return from + i + len(text), true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return from, false
}

// talk runs memkey-admin with a pty as its terminal; stdout and stderr are pipes, as in a script that people run.
func talk(ts *testscript.TestScript, _ bool, args []string) {
	script := ts.ReadFile(args[0])
	args = args[1:]
	ptmx, tty, err := pty.Open()
	ts.Check(err)
	defer ptmx.Close()
	cmd := command(ts, args[1:])
	cmd.SysProcAttr.Setctty = true
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, &stdout, &stderr
	before, err := term.GetState(int(tty.Fd()))
	ts.Check(err)
	ts.Check(cmd.Start())
	s := &screen{}
	go s.read(ptmx)
	at := 0
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "? "):
			var ok bool
			if at, ok = s.await(line[2:], at); !ok {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				ts.Fatalf("the terminal does not show %q but:\n%s\nstderr:\n%s", line[2:], s.shown(), stderr.Bytes())
			}
		case strings.HasPrefix(line, "> "), line == ">":
			text := strings.TrimPrefix(strings.TrimPrefix(line, ">"), " ")
			if !strings.Contains(text, " or ") && text != "clear" && text != "no" && len(text) > 6 {
				theOutput(ts).typed = append(theOutput(ts).typed, []byte(text))
			}
			_, err := ptmx.WriteString(text + "\r")
			ts.Check(err)
		case line == "^C":
			_, err := ptmx.WriteString("\x03")
			ts.Check(err)
		default:
			ts.Fatalf("not a line of a conversation: %q", line)
		}
	}
	err = cmd.Wait()
	after, stateErr := term.GetState(int(tty.Fd()))
	ts.Check(stateErr)
	ts.Check(tty.Close())
	if fmt.Sprint(before) != fmt.Sprint(after) {
		ts.Fatalf("the terminal is not as it was")
	}
	shown := []byte(s.shown())
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), "tty"), shown, 0o600))
	theOutput(ts).add(shown)
	said(ts, args, err, stdout.Bytes(), stderr.Bytes())
}

// startSSHAgent runs OpenSSH's agent where it is installed, else one in this process.
func startSSHAgent(ts *testscript.TestScript, _ bool, _ []string) {
	socket := filepath.Join(ts.Getenv("WORK"), "agent")
	public, private, err := ed25519.GenerateKey(nil)
	ts.Check(err)
	_ = public
	if program, err := exec.LookPath("ssh-agent"); err == nil {
		cmd := exec.Command(program, "-D", "-a", socket)
		ts.Check(cmd.Start())
		ts.Defer(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		ts.Logf("OpenSSH's ssh-agent")
	} else {
		l, err := net.Listen("unix", socket)
		ts.Check(err)
		ts.Defer(func() { _ = l.Close() })
		ring := agent.NewKeyring()
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() { _ = agent.ServeAgent(ring, conn); _ = conn.Close() }() // ends with the client
			}
		}()
		ts.Logf("x/crypto's ssh-agent")
	}
	var conn net.Conn
	for range 1000 {
		if conn, err = net.Dial("unix", socket); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	ts.Check(err)
	defer conn.Close()
	ts.Check(agent.NewClient(conn).Add(agent.AddedKey{PrivateKey: private, Comment: "anna@desk"}))
	ts.Setenv("SSH_AUTH_SOCK", socket)
}

// TestTerminalIsRestored asks on a pty, in this process, and ends the question in every way there is.
func TestTerminalIsRestored(t *testing.T) {
	for name, end := range map[string]struct {
		typed, want string
		err         error
	}{
		"enter":               {"secret\r", "secret", nil},
		"newline":             {"secret\n", "secret", nil},
		"backspace":           {"secrex\x7ft\r", "secret", nil},
		"backspace of a rune": {"secreé\x7ft\r", "secret", nil},
		"ctrl-U":              {"wrong\x15secret\r", "secret", nil},
		"only backspaces":     {"\x7f\x7f\r", "", nil},
		"ctrl-C":              {"sec\x03", "", errInterrupted},
		"ctrl-D":              {"\x04", "", errInterrupted},
		"ctrl-D in a line":    {"sec\x04ret\r", "secret", nil},
	} {
		t.Run(name, func(t *testing.T) {
			ptmx, tty, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer ptmx.Close()
			defer tty.Close()
			before, err := term.GetState(int(tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			s := &screen{}
			go s.read(ptmx)
			go func() {
				if _, ok := s.await("word: ", 0); ok {
					_, _ = ptmx.WriteString(end.typed)
				}
			}()
			at := &terminal{in: tty, out: tty}
			line, err := at.secret("word: ")
			at.show() // as the end of the program does
			if string(line) != end.want || err != end.err {
				t.Errorf("%q, %v", line, err)
			}
			after, err := term.GetState(int(tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(before) != fmt.Sprint(after) {
				t.Error("the terminal is not as it was")
			}
			if strings.Contains(s.shown(), "sec") {
				t.Errorf("it shows: %q", s.shown())
			}
		})
	}
}

// TestLongLinesAreRefused keeps the buffer from growing.
func TestLongLinesAreRefused(t *testing.T) {
	if _, err := readRaw(strings.NewReader(strings.Repeat("x", 2000) + "\r")); err == nil {
		t.Error("taken")
	}
	if line, err := readRaw(strings.NewReader(strings.Repeat("x", 1024) + "\r")); err != nil || len(line) != 1024 {
		t.Errorf("%d bytes, %v", len(line), err)
	}
}
