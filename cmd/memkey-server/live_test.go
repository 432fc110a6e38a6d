package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	ports "github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// TestEndWipesAndIsNoClear ends a server under a proxy: the proxy must hear of no clear, and must get the keys again from
// the next server.
func TestEndWipesAndIsNoClear(t *testing.T) {
	r := startRig(t, rigOptions{})
	r.must(memkey.OpEnroll, 1, "A")
	client, err := keyagent.NewClient(keyagent.ClientConfig{Socket: r.socket})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	rings := make(chan int, 64)
	go func() { _ = client.Run(ctx, func(ring keyagent.Ring) error { rings <- len(ring.Keys); return nil }) }() // it ends with ctx
	next := func() int {
		select {
		case n := <-rings:
			return n
		case <-time.After(10 * time.Second):
			t.Fatal("the proxy hears nothing")
			return -1
		}
	}
	for n := next(); n != 1; n = next() {
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-r.done
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("exit status %d:\n%s", code, r.text())
	}
	if _, err := os.Lstat(r.socket); err == nil {
		t.Error("the socket is left")
	}
	if len(rings) != 0 {
		t.Fatalf("the end of the server sent a ring of %d keys", <-rings)
	}
	if r.process, err = startProcess(r.cmd.Path, r.dir, os.Environ(), []string{"-config", r.config}, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.kill)
	r.connect()
	r.must(memkey.OpDeliver, 1, "A")
	if n := next(); n != 1 {
		t.Errorf("the next server sent a ring of %d keys first", n)
	}
	// The panic button is one.
	if _, err := r.client.Send(ctx, &memkey.Package{Op: memkey.OpClear}); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for n := next(); n != 0; n = next() {
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("a clear took %v to the proxy", took)
	}
}

// TestLogHasNoSecrets does what can be done at log level debug, good and bad, and looks for keys, the seed and a share in
// everything that the server wrote.
func TestLogHasNoSecrets(t *testing.T) {
	for _, format := range []string{"json", "console"} {
		t.Run(format, func(t *testing.T) {
			// The rig reads the ready line as JSON: a second server says the same for people.
			r := startRig(t, rigOptions{})
			if format == "console" {
				r.kill()
				yaml, err := os.ReadFile(r.config)
				if err != nil {
					t.Fatal(err)
				}
				address := freeAddress(t)
				yaml = bytes.Replace(yaml, []byte("127.0.0.1:0"), []byte(address), 1)
				if err := os.WriteFile(r.config, append(yaml, "log_format: console\n"...), 0o600); err != nil {
					t.Fatal(err)
				}
				if r.process, err = startProcess(r.cmd.Path, r.dir, os.Environ(), []string{"-config", r.config}, nil); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(r.kill)
				if _, ok := r.await("ready"); !ok {
					t.Fatal(r.text())
				}
				if r.client, err = connect("https://"+address, r.fingerprint, "anna"); err != nil {
					t.Fatal(err)
				}
			}
			r.must(memkey.OpEnroll, 1, "A")
			r.must(memkey.OpEnroll, 2, "aB")
			for _, bad := range []string{"aC", "xY", "b", "Ab"} {
				if _, err := send(r.client, memkey.OpDeliver, 2, bad); err == nil {
					t.Errorf("%s is accepted", bad)
				}
			}
			share := bytes.Repeat(masterBytes('s'), 20)
			if _, err := r.client.Send(context.Background(), &memkey.Package{Op: memkey.OpShare, Share: bytes.Clone(share)}); err == nil {
				t.Error("noise is accepted as a share")
			}
			if _, err := r.client.Send(context.Background(), &memkey.Package{Op: memkey.OpClear}); err != nil {
				t.Error(err)
			}
			if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			<-r.done
			seed, err := os.ReadFile(filepath.Join(r.dir, "state", "identity"))
			if err != nil {
				t.Fatal(err)
			}
			written := map[string][]byte{"log": []byte(r.text())}
			for _, name := range []string{"audit.log", "pins"} {
				if written[name], err = os.ReadFile(filepath.Join(r.dir, "state", name)); err != nil {
					t.Fatal(err)
				}
			}
			if !strings.Contains(r.text(), "generation") || !bytes.Contains(written["audit.log"], []byte(`"op":"share"`)) {
				t.Fatalf("the server wrote nothing of interest:\n%s", r.text())
			}
			for what, secret := range map[string][]byte{"key a": masterBytes('a'), "key b": masterBytes('b'), "key c": masterBytes('c'), "the share": share, "the seed": seed} {
				for form, needle := range forms(secret) {
					for name, content := range written {
						if bytes.Contains(content, needle) {
							t.Errorf("%s has %s, %s", name, what, form)
						}
					}
				}
			}
		})
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	address, release, err := ports.HoldPort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return address
}

// TestNotify plays systemd: the server says when it is ready, that it lives, and when it ends.
func TestNotify(t *testing.T) {
	dir := t.TempDir()
	bus, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "notify"))
	t.Setenv("WATCHDOG_USEC", "100000")
	r := startRig(t, rigOptions{})
	if err := bus.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1000)
	var said []string
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"} {
		if want == "STOPPING=1" {
			if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		for ok := false; !ok; {
			n, err := bus.Read(buf)
			if err != nil {
				t.Fatalf("no %s after %q: %v", want, said, err)
			}
			said = append(said, string(buf[:n]))
			ok = strings.HasPrefix(said[len(said)-1], want)
		}
	}
	if !strings.HasPrefix(said[0], "READY=1") {
		t.Errorf("the server said %q", said)
	}
}

// TestFingerprintLine: deployment tools grep for it.
func TestFingerprintLine(t *testing.T) {
	r := startRig(t, rigOptions{})
	line, ok := r.await("SERVER FINGERPRINT")
	var fields struct {
		Fingerprint string `json:"fingerprint"`
		Message     string `json:"message"`
	}
	if err := json.Unmarshal([]byte(line), &fields); !ok || err != nil || fields.Fingerprint != r.fingerprint || fields.Message != "SERVER FINGERPRINT: "+r.fingerprint {
		t.Errorf("%s: %v", line, err)
	}
	if b, err := hex.DecodeString(r.fingerprint); err != nil || len(b) != 32 {
		t.Errorf("the fingerprint is %q", r.fingerprint)
	}
}
