package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"memkey-server": main})
}

// quickRaceExit keeps processes under the race detector from sleeping a second at their end.
const quickRaceExit = "GORACE=atexit_sleep_ms=0"

// process is a real server in the background, with what it logged.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// startProcess runs this test binary as memkey-server.
func startProcess(binary, dir string, env, args []string, attr *syscall.SysProcAttr) (*process, error) {
	p := &process{cmd: exec.Command(binary, args...), done: make(chan struct{})}
	p.cmd.Args[0] = "memkey-server" // by which testscript.Main knows what to be
	p.cmd.Dir, p.cmd.Env, p.cmd.SysProcAttr = dir, append(env, quickRaceExit), attr
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState has it
		close(p.done)
	}()
	return p, nil
}

// await returns the first log line with text in it.
func (p *process) await(text string) (string, bool) {
	for range 2000 {
		for line := range strings.Lines(p.text()) {
			if strings.Contains(line, text) && strings.HasSuffix(line, "\n") {
				return line, true
			}
		}
		select {
		case <-p.done:
			if !strings.Contains(p.text(), text) {
				return "", false
			}
		case <-time.After(5 * time.Millisecond):
		}
	}
	return "", false
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// readyLine is what the line "ready" says.
type readyLine struct {
	Listen string `json:"listen_addr"`
}

// adminKey is the identity of an administrator of that name; the same name is the same key.
func adminKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("test admin " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// masterBytes is the master key of that name: random to look at, so that it can be searched for.
func masterBytes(name byte) []byte {
	sum := sha256.Sum256([]byte{'m', name})
	return sum[:]
}

// ringPackage makes a package with a key for each letter, the upper case one active.
func ringPackage(op memkey.Op, generation uint64, names string) (*memkey.Package, error) {
	p := &memkey.Package{Op: op, Generation: generation}
	for i := range len(names) {
		b := masterBytes(names[i] | 0x20)
		derived, err := format.DeriveKeys(b)
		if err != nil {
			return nil, err
		}
		master, err := keyagent.NewSecret(b)
		if err != nil {
			return nil, err
		}
		p.Keys = append(p.Keys, memkey.PackageKey{ID: derived.ID(), KVT: derived.KVT(), Master: master, Active: names[i]&0x20 == 0})
	}
	return p, nil
}

// connect is an administrator's side.
func connect(url, fingerprint, admin string) (*memkey.Client, error) {
	fp, err := memkey.ParseFingerprint(fingerprint)
	if err != nil {
		return nil, err
	}
	identity, err := memkey.NewSigner(adminKey(admin).Seed())
	if err != nil {
		return nil, err
	}
	return memkey.NewClient(memkey.ClientConfig{URL: url, Server: fp, Identity: identity})
}

// send sends one package.
func send(c *memkey.Client, op memkey.Op, generation uint64, names string) (memkey.Receipt, error) {
	p, err := ringPackage(op, generation, names)
	if err != nil {
		return memkey.Receipt{}, err
	}
	defer p.Wipe()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return c.Send(ctx, p)
}

// rig is a running server with one administrator, "anna", who may do all.
type rig struct {
	*process
	t           testing.TB
	dir, config string
	socket      string
	fingerprint string
	url         string
	client      *memkey.Client
}

type rigOptions struct {
	binary string
	dir    string
	yaml   string
	uid    uint32 // 0 = as the test
}

func startRig(t testing.TB, o rigOptions) *rig {
	t.Helper()
	if o.binary == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		o.binary, o.dir = self, t.TempDir()
	}
	r := &rig{t: t, dir: o.dir, config: filepath.Join(o.dir, "memkey.yaml"), socket: filepath.Join(o.dir, "s")}
	yaml := fmt.Sprintf("server:\n  listen_addr: 127.0.0.1:0\n  unix_socket_path: %s\nstate_dir: %s/state\nlog_level: debug\n%s", r.socket, o.dir, o.yaml)
	if err := os.WriteFile(r.config, []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
	var attr *syscall.SysProcAttr
	if o.uid != 0 {
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: o.uid, Gid: o.uid}}
	}
	env := append(os.Environ(), "GOTRACEBACK=crash")
	for _, args := range [][]string{{"init"}, {"admin", "add", fmt.Sprintf("%x", []byte(adminKey("anna").Public().(ed25519.PublicKey))),
		"--roles", "deliver,enroll,clear,share,status", "--name", "anna"}} {
		p, err := startProcess(o.binary, o.dir, env, append(args, "-config", r.config), attr)
		if err != nil {
			t.Fatal(err)
		}
		if <-p.done; p.cmd.ProcessState.ExitCode() != 0 {
			t.Fatalf("%v: %s", args, p.text())
		}
	}
	var err error
	if r.process, err = startProcess(o.binary, o.dir, env, []string{"serve", "-config", r.config}, attr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.kill)
	r.connect()
	return r
}

func (r *rig) connect() {
	r.t.Helper()
	line, ok := r.await(`"message":"ready"`)
	if !ok {
		r.t.Fatalf("not ready:\n%s", r.text())
	}
	var ready readyLine
	if err := json.Unmarshal([]byte(line), &ready); err != nil {
		r.t.Fatal(err)
	}
	line, _ = r.await("SERVER FINGERPRINT")
	_, rest, found := strings.Cut(line, "SERVER FINGERPRINT: ")
	if !found || len(rest) < 64 {
		r.t.Fatalf("no fingerprint in %q", line)
	}
	r.fingerprint, r.url = rest[:64], "https://"+ready.Listen
	var err error
	if r.client, err = connect(r.url, r.fingerprint, "anna"); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) must(op memkey.Op, generation uint64, names string) memkey.Receipt {
	r.t.Helper()
	receipt, err := send(r.client, op, generation, names)
	if err != nil {
		r.t.Fatalf("%v: %v\n%s", op, err, r.text())
	}
	return receipt
}

// forms are the spellings in which 32 secret bytes could lie around: halves of raw bytes and hex, base64 at every
// alignment.
func forms(secret []byte) map[string][]byte {
	all := map[string][]byte{}
	for i, half := range [][]byte{secret[:16], secret[16:32]} {
		text := hex.EncodeToString(half)
		all[fmt.Sprintf("raw half %d", i)] = half
		all[fmt.Sprintf("hex half %d", i)] = []byte(text)
		all[fmt.Sprintf("HEX half %d", i)] = []byte(strings.ToUpper(text))
	}
	for skip := range 3 {
		part := secret[skip : skip+27]
		all[fmt.Sprintf("base64 at %d", skip)] = []byte(base64.StdEncoding.EncodeToString(part))
		all[fmt.Sprintf("base64url at %d", skip)] = []byte(base64.URLEncoding.EncodeToString(part))
	}
	return all
}

// copyBinary is a copy of the test binary that every user can run, with a directory for that user.
func copyBinary(t testing.TB, uid int) (binary, dir string) {
	t.Helper()
	root, err := os.MkdirTemp("", "memkey-server")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, dir = filepath.Join(root, "memkey-server"), filepath.Join(root, "home")
	from, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(binary, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	for _, step := range []error{to.Close(), os.Chmod(root, 0o755), os.Chmod(binary, 0o755), os.Mkdir(dir, 0o755), os.Chown(dir, uid, uid)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	return binary, dir
}
