package rig

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Process is a running child.
type Process struct {
	Name string
	PID  int

	stdin io.WriteCloser
	out   *lines
	log   *tail
	done  chan struct{}
	err   error       // of the exit; read after done
	told  atomic.Bool // its end was reported: Stop need not repeat it
	grace time.Duration
}

// spec is what start needs.
type spec struct {
	name string // for messages
	path string // of the binary
	args []string
	env  []string
	log  io.Writer // nil, or a copy of stderr
}

// start runs a child. It gets a pipe as stdin, whose write end lives as long as we do, and a process group of its own,
// so that Ctrl-C reaches us alone and we stop things in order.
func start(s spec) (*Process, error) {
	p := &Process{Name: s.name, out: newLines(), log: &tail{copy: s.log}, done: make(chan struct{}), grace: stopGrace}
	cmd := exec.Command(s.path, s.args...)
	cmd.Env = s.env
	cmd.Stdout, cmd.Stderr = p.out, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.WaitDelay = stopGrace
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", s.name, err)
	}
	started := make(chan error, 1)
	go func() {
		// The death signal is sent when the thread that started the child ends, not the process: hold the thread.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done) // first: who waits for a line and hears that none comes asks how it ended
			p.out.close()
		}
	}()
	if err := <-started; err != nil {
		p.stdin.Close()
		return nil, fmt.Errorf("cannot start %s: %w", s.name, err)
	}
	p.PID = cmd.Process.Pid
	return p, nil
}

// Alive tells whether the child still runs.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop ends the child and waits for it: SIGTERM, its stdin closed, SIGKILL after a grace time. The error tells what
// went wrong inside it; ending by our signal is no error.
func (p *Process) Stop() error {
	if p.Alive() {
		syscall.Kill(p.PID, syscall.SIGTERM)
	}
	p.stdin.Close()
	select {
	case <-p.done:
	case <-time.After(p.grace):
		p.Kill()
		return fmt.Errorf("%s did not end within %v and was killed; its log ends:\n%s", p.Name, p.grace, p.log)
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() {
		return nil
	}
	if p.err != nil && !p.told.Load() {
		return fmt.Errorf("%s ended with %w; its log ends:\n%s", p.Name, p.err, p.log)
	}
	return nil
}

// Kill ends the child with SIGKILL and waits for it.
func (p *Process) Kill() {
	if p.Alive() {
		syscall.Kill(p.PID, syscall.SIGKILL)
	}
	p.stdin.Close()
	<-p.done
}

// Log is the end of the child's stderr.
func (p *Process) Log() string { return p.log.String() }

// failed says that the child did not come up, with the end of its log.
func (p *Process) failed(why string) error {
	state := "it still runs"
	if !p.Alive() {
		state = fmt.Sprintf("it ended: %v", p.err)
	}
	return fmt.Errorf("cannot start %s: %s (%s); its log ends:\n%s", p.Name, why, state, p.log)
}

// ended says how a child ended that was not told to.
func (p *Process) ended() error {
	p.told.Store(true)
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("%s (process %d) ended by itself: %s; its log ends:\n%s", p.Name, p.PID, how, p.log)
}

// Binary is the path of one of our binaries: in the directory $S3CP_BIN, or else in bin/ of the repository, looked for
// from the working directory upwards.
func Binary(name string) (string, error) {
	dir := os.Getenv("S3CP_BIN")
	if dir == "" {
		wd, err := os.Getwd()
		if err != nil {
			return "", err
		}
		for dir = wd; ; dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				break
			}
			if dir == filepath.Dir(dir) {
				return "", fmt.Errorf("cannot find %s: set S3CP_BIN to the directory of the binaries", name)
			}
		}
		dir = filepath.Join(dir, "bin")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("cannot find %s: %w (make rig builds it)", name, err)
	}
	return path, nil
}

// lines is a child's stdout, handed out line by line; lines nobody takes are dropped, the oldest first.
type lines struct {
	mu     sync.Mutex
	part   []byte
	ready  chan string
	closed bool
}

func newLines() *lines { return &lines{ready: make(chan string, 64)} }

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range b {
		if c != '\n' {
			l.part = append(l.part, c)
			continue
		}
		select {
		case l.ready <- string(l.part):
		default:
			<-l.ready
			l.ready <- string(l.part)
		}
		l.part = l.part[:0]
	}
	return len(b), nil
}

func (l *lines) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.ready)
	}
}
