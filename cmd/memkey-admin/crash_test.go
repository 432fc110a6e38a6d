//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

const crashPassphrase = "correct horse battery"

// desk is an administrator's directory, with a server that knows them.
type desk struct {
	t      *testing.T
	home   string
	pass   string
	server *keyServer
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	dir := t.TempDir()
	d := &desk{t: t, home: filepath.Join(dir, "home"), pass: filepath.Join(dir, "pass")}
	if err := os.WriteFile(d.pass, []byte(crashPassphrase+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.server, err = newKeyServer(filepath.Join(dir, "server")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.server.end)
	if err := d.server.start(0, 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := awaitServer(ctx, d.server.address); err != nil {
		t.Fatal(err)
	}
	out := d.do("init", "--json", "--server", "https://"+d.server.address, "--fingerprint", memkey.ServerFingerprint(d.server.identity.Public()).String())
	var reply struct{ Result initResult }
	if err := json.Unmarshal(out, &reply); err != nil {
		t.Fatal(err)
	}
	public, err := hex.DecodeString(reply.Result.Public)
	if err != nil {
		t.Fatal(err)
	}
	roles, err := memkey.ParseRoles("deliver,enroll,clear,share,status")
	if err != nil {
		t.Fatal(err)
	}
	d.server.admit(public, roles, "anna")
	d.do("key", "generate")
	d.do("key", "enroll")
	return d
}

func (d *desk) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"--passphrase-file", d.pass, "--config", filepath.Join(d.home, "c.json")}, args...)...)
	cmd.Args[0] = "memkey-admin"
	cmd.Env = append(os.Environ(), "GORACE="+noExitSleep)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// do runs a command that has to succeed, and returns its stdout.
func (d *desk) do(args ...string) []byte {
	d.t.Helper()
	cmd := d.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		d.t.Fatalf("%v: %v\n%s%s", args, err, out, stderr.Bytes())
	}
	return out
}

// ring opens what is in the file right now.
func (d *desk) ring() *keyfile.Keyring {
	d.t.Helper()
	data, err := keyfile.Read(filepath.Join(d.home, defaultKeyring))
	if err != nil {
		d.t.Fatal(err)
	}
	ring, err := keyfile.Open(data, []byte(crashPassphrase))
	if err != nil {
		d.t.Fatalf("the ring does not open any more: %v", err)
	}
	return ring
}

// agrees says what is wrong between file and server. Every rotation adds one key and one generation, so a second key
// for one generation would show.
func (d *desk) agrees(ring *keyfile.Keyring) error {
	pins := d.server.vault.Pins()
	if uint64(len(ring.Keys)) != ring.Generation {
		return fmt.Errorf("%d keys at generation %d", len(ring.Keys), ring.Generation)
	}
	if pins.Generation > ring.Generation || ring.Generation > pins.Generation+1 || ring.Generation > pins.Generation && !ring.Pending {
		return fmt.Errorf("the file has generation %d (pending %v), the server %d", ring.Generation, ring.Pending, pins.Generation)
	}
	for _, pinned := range pins.Keys {
		found := false
		for _, k := range ring.Keys {
			found = found || k.ID == pinned.ID && k.KVT == pinned.KVT
		}
		if !found {
			return fmt.Errorf("the server has pinned key %v, which the file has not", pinned.ID)
		}
	}
	return nil
}

// TestRotationBrokenOffAnywhere kills rotations at random moments.
func TestRotationBrokenOffAnywhere(t *testing.T) {
	desks, kills := 4, 6
	if testing.Short() {
		desks, kills = 1, 3
	}
	for range desks {
		d := newDesk(t)
		start := time.Now()
		d.do("key", "rotate")
		usual := time.Since(start)
		for range kills {
			cmd := d.command("key", "rotate")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(rand.N(usual * 5 / 4))
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			ring := d.ring()
			if err := d.agrees(ring); err != nil {
				t.Fatalf("after the kill: %v", err)
			}
			pending, generation := ring.Pending, ring.Generation
			ring.Wipe()
			if !pending {
				continue
			}
			d.do("key", "rotate")
			ring = d.ring()
			if err := d.agrees(ring); err != nil || ring.Pending || ring.Generation != generation {
				t.Fatalf("after going on: %v, pending %v, generation %d, was %d", err, ring.Pending, ring.Generation, generation)
			}
			ring.Wipe()
		}
	}
}

// TestTwoRotationsAtOnce: one of them has to wait for its turn, and says so.
func TestTwoRotationsAtOnce(t *testing.T) {
	d := newDesk(t)
	unlock, err := keyfile.Lock(filepath.Join(d.home, defaultKeyring))
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.command("key", "rotate").CombinedOutput()
	if exit := (*exec.ExitError)(nil); err == nil || !asExit(err, &exit) || exit.ExitCode() != int(exitFile) || !bytes.Contains(out, []byte("another process works on it")) {
		t.Errorf("%v\n%s", err, out)
	}
	unlock()
	d.do("key", "rotate")
}

func asExit(err error, exit **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*exit = e
	return ok
}
