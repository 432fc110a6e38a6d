package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"s3-crypt": main})
}

// TestScripts runs testdata/script/*.txtar against the real binary, a store in
// memory and a real key agent. $CONFIG names them; $A, $B and $C are key ids.
// Besides testscript's own commands there are:
//
//	exits CODE args...               run s3-crypt and compare its exit status
//	agent KEYS                       load keys into the agent, the first active; none = clear
//	state KEYS                       record keys in the bucket, the first active
//	fill KEY PREFIX N                store N objects under a key
//	junk NAME                        store something that is not sealed
//	store lax|down|up                ignore conditions, refuse everything, do neither
//	stopped CODE PUTS SIGNAL args... run s3-crypt, send it a signal after so many PUTs more
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			w, err := newWorld()
			if err != nil {
				return err
			}
			env.Defer(w.end)
			env.Values[worldKey{}] = w
			env.Setenv("CONFIG", w.file())
			for _, k := range []string{"A", "B", "C"} {
				env.Setenv(k, keyID(k))
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
			"agent": func(ts *testscript.TestScript, _ bool, args []string) {
				if len(args) == 0 {
					theWorld(ts).holder.Clear()
					return
				}
				ts.Check(theWorld(ts).load(args[0]))
			},
			"state": func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(theWorld(ts).state(args[0])) },
			"fill": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.Atoi(args[2])
				ts.Check(err)
				ts.Check(theWorld(ts).fill(args[0], args[1], n))
			},
			"junk": func(ts *testscript.TestScript, _ bool, args []string) {
				s := theWorld(ts).store
				s.mu.Lock()
				defer s.mu.Unlock()
				s.set(args[0], bytes.Repeat([]byte("not sealed "), 200))
			},
			"store": func(ts *testscript.TestScript, _ bool, args []string) {
				s := theWorld(ts).store
				s.mu.Lock()
				defer s.mu.Unlock()
				s.lax, s.down = args[0] == "lax", args[0] == "down"
			},
			"stopped": stopped,
		},
	})
}

type worldKey struct{}

func theWorld(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec("s3-crypt", args[1:]...); err != nil {
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

func stopped(ts *testscript.TestScript, _ bool, args []string) {
	more, err := strconv.Atoi(args[1])
	ts.Check(err)
	// A run that is stopped leaves objects that it has written and not counted, which the next one writes again.
	puts := theWorld(ts).puts() + more
	sig := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}[args[2]]
	self, err := os.Executable()
	ts.Check(err)
	cmd := exec.Command(self, args[3:]...)
	cmd.Args[0] = "s3-crypt" // by which testscript.Main knows what to be
	cmd.Dir = ts.Getenv("WORK")
	cmd.Env = []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH")}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	ts.Check(cmd.Start())
	w := theWorld(ts)
	for began := time.Now(); w.puts() < puts && time.Since(began) < 60*time.Second; {
		time.Sleep(2 * time.Millisecond)
	}
	ts.Check(cmd.Process.Signal(sig))
	_ = cmd.Wait() // its code is compared
	if code := strconv.Itoa(cmd.ProcessState.ExitCode()); code != args[0] {
		ts.Fatalf("exit status %s, want %s:\n%s%s", code, args[0], &stdout, &stderr)
	}
	_, err = ts.Stdout().Write(stdout.Bytes())
	ts.Check(err)
	_, err = ts.Stderr().Write(stderr.Bytes())
	ts.Check(err)
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
	documented := 0
	for line := range strings.Lines(string(doc)) {
		if len(line) > 6 && strings.HasPrefix(line, "//\t") && line[3] >= '0' && line[3] <= '9' && line[4] == ' ' {
			documented++
		}
	}
	if constants != 9 || documented != constants {
		t.Errorf("%d codes, %d documented in doc.go", constants, documented)
	}
	for i := range constants {
		if !strings.Contains(longHelp, strconv.Itoa(i)+" ") {
			t.Errorf("--help does not say what %d is", i)
		}
	}
}
