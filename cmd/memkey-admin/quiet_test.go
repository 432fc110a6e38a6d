//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// TestEchoIsOffFromTheFirstQuestionToTheLast: what is typed ahead of the second question, while the first answer is at
// work, does not show, and is its answer. In the end the terminal is as it was.
func TestEchoIsOffFromTheFirstQuestionToTheLast(t *testing.T) {
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer ptmx.Close()
	defer tty.Close()
	echoes := func() bool {
		state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return state.Lflag&unix.ECHO != 0
	}
	if !echoes() {
		t.Fatal("the terminal has no echo to begin with")
	}
	s := &screen{}
	go s.read(ptmx)
	at := &terminal{in: tty, out: tty}
	ask := func(prompt, answer string) string {
		t.Helper()
		got := make(chan []byte, 1)
		go func() {
			line, err := at.secret(prompt)
			if err != nil {
				t.Error(err)
			}
			got <- line
		}()
		if _, ok := s.await(prompt, 0); !ok {
			t.Fatalf("no question: %q", s.shown())
		}
		if _, err := ptmx.WriteString(answer); err != nil {
			t.Fatal(err)
		}
		select {
		case line := <-got:
			return string(line)
		case <-time.After(10 * time.Second):
			t.Fatal("no answer is taken")
			return ""
		}
	}
	if got := ask("one? ", "first secret\r"); got != "first secret" || echoes() {
		t.Fatalf("%q, echo %t", got, echoes())
	}
	if _, err := ptmx.WriteString("second secret\r"); err != nil { // early
		t.Fatal(err)
	}
	if got := ask("two? ", ""); got != "second secret" || echoes() {
		t.Errorf("%q, echo %t", got, echoes())
	}
	at.show()
	if !echoes() {
		t.Error("the terminal has no echo any more")
	}
	const want = "one? \r\ntwo? \r\n"
	if s.await(want, 0); s.shown() != want {
		t.Errorf("the screen shows %q", s.shown())
	}
}
