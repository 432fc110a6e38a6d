package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
)

var (
	errNoTerminal  = errors.New("there is no terminal to ask on")
	errInterrupted = errors.New("interrupted")
)

// terminal is where people are asked: the controlling terminal, so that stdin and stdout stay free for data.
type terminal struct {
	in, out *os.File
	opened  bool // in is ours to close

	found *term.State    // before the first secret; nil: the terminal is as it was found
	guard chan os.Signal // between two questions: what would leave the terminal without echo
}

// terminal opens the terminal, once.
func (a *app) terminal() (*terminal, error) {
	if a.tty != nil {
		return a.tty, nil
	}
	t := &terminal{}
	if f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		t.in, t.out, t.opened = f, f, true
	} else if f, ok := a.sys.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		t.in, t.out = f, os.Stderr
	} else {
		return nil, errNoTerminal
	}
	a.tty = t
	return t, nil
}

func (t *terminal) close() {
	t.show()
	if t.opened {
		_ = t.in.Close()
	}
}

// secret asks for a line without showing it. The caller clears it. The line is edited here, in raw mode: the echo is off
// before the prompt shows, and ctrl-C ends the question with the terminal as it was. After an answer the echo stays off:
// who types the next passphrase before it is asked for must not see it on the screen. show brings it back.
func (t *terminal) secret(prompt string) ([]byte, error) {
	signals := catch()
	defer signal.Stop(signals)
	t.unguard()
	fd := int(t.in.Fd())
	state, err := term.MakeRaw(fd)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoTerminal, err)
	}
	if t.found == nil {
		t.found = state
	}
	fmt.Fprint(t.out, prompt)
	line, err := unlessSignal(signals, func() ([]byte, error) { return readRaw(t.in) })
	_ = term.Restore(fd, t.found) // nothing else could be tried
	if err == nil && noEcho(fd) == nil {
		t.keepGuard()
	} else {
		t.found = nil
	}
	fmt.Fprintln(t.out)
	return line, err
}

// show brings the terminal back as it was found.
func (t *terminal) show() {
	t.unguard()
	if t.found != nil {
		_ = term.Restore(int(t.in.Fd()), t.found)
		t.found = nil
	}
}

// keepGuard lets a signal that ends the process show the terminal first.
func (t *terminal) keepGuard() {
	guard, fd, found := catch(), int(t.in.Fd()), t.found
	t.guard = guard
	go func() {
		s, open := <-guard
		if !open {
			return
		}
		_ = term.Restore(fd, found)
		signal.Reset(s)
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Signal(s)
		}
	}()
}

func (t *terminal) unguard() {
	if t.guard != nil {
		signal.Stop(t.guard)
		close(t.guard)
		t.guard = nil
	}
}

// visible asks for a line that shows.
func (t *terminal) visible(prompt string) (string, error) {
	t.show()
	signals := catch()
	defer signal.Stop(signals)
	fmt.Fprint(t.out, prompt)
	line, err := unlessSignal(signals, func() ([]byte, error) {
		var line []byte
		var b [1]byte
		for len(line) < keyfile.MaxPassphrase {
			n, err := t.in.Read(b[:])
			if n == 0 || err != nil {
				return nil, errInterrupted // ctrl-D, or the terminal is gone
			}
			if b[0] == '\n' {
				break
			}
			line = append(line, b[0])
		}
		return line, nil
	})
	return string(line), err
}

// catch has to be called before anything is asked: a process that died of a signal would leave the terminal without echo.
func catch() chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	return signals
}

// unlessSignal runs read, and leaves it behind when a signal asks the process to end: the caller then ends it.
func unlessSignal(signals <-chan os.Signal, read func() ([]byte, error)) ([]byte, error) {
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := read()
		answers <- answer{line, err}
	}()
	select {
	case got := <-answers:
		return got.line, got.err
	case <-signals:
		return nil, errInterrupted
	}
}

// readRaw reads one line from a terminal in raw mode, into one buffer of fixed size: a growing one leaves copies behind.
func readRaw(r io.Reader) ([]byte, error) {
	line := make([]byte, 0, keyfile.MaxPassphrase+1)
	var b [1]byte
	for {
		n, err := r.Read(b[:])
		if n == 0 || err != nil {
			clear(line)
			return nil, errInterrupted
		}
		switch c := b[0]; {
		case c == '\r' || c == '\n':
			return line, nil
		case c == 0x03 || c == 0x04 && len(line) == 0: // ctrl-C, ctrl-D
			clear(line)
			return nil, errInterrupted
		case c == 0x7f || c == 0x08: // backspace, one character
			_, size := utf8.DecodeLastRune(line)
			clear(line[len(line)-size:])
			line = line[:len(line)-size]
		case c == 0x15: // ctrl-U
			clear(line)
			line = line[:0]
		case c < 0x20: // other control characters
		case len(line) == cap(line):
			clear(line)
			return nil, fmt.Errorf("more than %d bytes", keyfile.MaxPassphrase)
		default:
			line = append(line, c)
		}
	}
}
