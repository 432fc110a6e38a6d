package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/export"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/rewrap"
)

func TestClearEndsTheWork(t *testing.T) {
	w := rotation(t, 400)
	var wg sync.WaitGroup
	wg.Go(func() {
		for began := time.Now(); w.puts() < 10 && time.Since(began) < 20*time.Second; {
			time.Sleep(time.Millisecond)
		}
		w.holder.Clear()
	})
	file := filepath.Join(t.TempDir(), "cp")
	code, stdout, stderr := w.run(t.Context(), "rewrap", bucket, "--rate", "10/s", "--checkpoint", file)
	wg.Wait()
	if code != int(exitKeys) || !strings.Contains(stderr, "were cleared") || !strings.Contains(stderr, "\ntry: memkey-admin key send") {
		t.Errorf("%d\n%s", code, stderr)
	}
	if !strings.Contains(stdout, "not looked at to its end") {
		t.Errorf("%s", stdout)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("no checkpoint: %v", err)
	}
	if err := w.load("BA"); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := w.run(t.Context(), "rewrap", bucket, "--checkpoint", file); code != 0 {
		t.Errorf("%d\n%s", code, stderr)
	}
}

func TestAgentWithoutAKeyIsToldWithinItsTime(t *testing.T) {
	w := rotation(t, 0)
	w.holder.Clear()
	for what, socket := range map[string]string{"the keys are cleared": w.socket, "cannot reach": filepath.Join(w.dir, "none")} {
		_, _, err := holdKeys(t.Context(), socket, nil, 200*time.Millisecond, func() { t.Error("cleared") })
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	code, _, stderr := w.run(ctx, "keys", bucket)
	if code != int(exitInterrupted) || !strings.Contains(stderr, "\ntry: s3-crypt keys") {
		t.Errorf("%d %s", code, stderr)
	}
	if _, _, err := holdKeys(t.Context(), "relative", nil, time.Second, nil); err == nil {
		t.Error("a relative path was taken")
	}
}

// A rotation during a run must not change the run's keys, nor end it.
func TestRingOfARunStays(t *testing.T) {
	w := rotation(t, 0)
	h, ring, err := holdKeys(t.Context(), w.socket, nil, 5*time.Second, func() { t.Error("cleared") })
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(ring.IDs())
	if err := w.load("CBA"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if fmt.Sprint(ring.IDs()) != before || before != fmt.Sprintf("[%s %s]", keyID("B"), keyID("A")) {
		t.Errorf("%v, was %v", ring.IDs(), before)
	}
	h.close()
	if _, err := ring.Active(); err == nil {
		t.Error("the keys are still there after close")
	}
}

func TestTwoActiveKeysAreRefused(t *testing.T) {
	var r keyagent.Ring
	for _, b := range []byte("AB") {
		m, err := keyagent.NewSecret(master(b))
		if err != nil {
			t.Fatal(err)
		}
		r.Keys = append(r.Keys, keyagent.Key{Master: m, Active: true})
	}
	defer r.Wipe()
	if _, err := export.Keyring(r); err == nil {
		t.Error("taken")
	}
	r.Keys[0].Active, r.Keys[1].Active = false, false
	if _, err := export.Keyring(r); err == nil {
		t.Error("a ring without an active key was taken")
	}
}

func TestEveryFailureHasItsCode(t *testing.T) {
	s := &session{opt: &options{config: "f.yaml"}, cfg: &config.Config{AdminListenAddr: "127.0.0.1:9090"}, bucket: bucket}
	for err, want := range map[error]exitCode{
		errInterrupted:         exitInterrupted,
		context.Canceled:       exitInterrupted,
		errCleared:             exitKeys,
		errIncomplete:          exitIncomplete,
		rewrap.ErrInUse:        exitIncomplete,
		rewrap.ErrCheckpoint:   exitConfig,
		rewrap.ErrState:        exitBucket,
		rewrap.ErrKeys:         exitBucket,
		rewrap.ErrNotRecorded:  exitBucket,
		rewrap.ErrRotated:      exitBucket,
		rewrap.ErrNoConditions: exitBucket,
		&backend.Error{Kind: backend.NoBucket, Op: "List"}: exitBackend,
		&backend.Error{Kind: backend.Busy, Op: "List"}:     exitBackend,
		&failure{exitConfig, io.EOF, "x"}:                  exitConfig,
		io.ErrClosedPipe:                                   exitInternal,
	} {
		f := s.explain(fmt.Errorf("cannot x: %w", err), "s3-crypt rewrap")
		lines := strings.Split(strings.TrimSuffix(f.text(), "\n"), "\n")
		if f.code != want || len(lines) != 2 || !strings.HasPrefix(lines[0], "s3-crypt: ") || !strings.HasPrefix(lines[1], "try: ") || len(lines[1]) < 6 {
			t.Errorf("%v: %d\n%s", err, f.code, f.text())
		}
	}
	gone := s.explain(fmt.Errorf("%w: %w", rewrap.ErrStoreGone, &backend.Error{Kind: backend.Busy, Op: "GetObject"}), "again")
	if gone.code != exitBackend {
		t.Errorf("a store that is gone: %d", gone.code)
	}
}

// TestNothingPrintedHasKeyBytes looks for the masters, raw, in hex and base64, in
// everything that every command prints and leaves in files.
func TestNothingPrintedHasKeyBytes(t *testing.T) {
	w := rotation(t, 20)
	var all bytes.Buffer
	file := filepath.Join(t.TempDir(), "cp")
	for _, args := range [][]string{
		{"keys", bucket}, {"keys", bucket, "--objects", "--json"}, {"keys", "another"}, {"retire", bucket, keyID("A")},
		{"rewrap", bucket, "--dry-run"}, {"rewrap", bucket, "--json"}, {"retire", bucket, keyID("A"), "--json"}, {"frobnicate"}, {"help"},
	} {
		_, stdout, stderr := w.run(t.Context(), args...)
		all.WriteString(stdout + stderr)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, stdout, stderr := w.run(ctx, "rewrap", bucket, "--rate", "10/s", "--checkpoint", file)
	all.WriteString(stdout + stderr)
	if b, err := os.ReadFile(file); err == nil {
		all.Write(b)
	}
	if all.Len() < 2000 {
		t.Fatalf("only %d bytes were printed", all.Len())
	}
	for _, b := range []byte("AB") {
		m := master(b)[:12]
		for _, form := range []string{string(m), hex.EncodeToString(m), strings.ToUpper(hex.EncodeToString(m)), base64.StdEncoding.EncodeToString(m)} {
			if strings.Contains(all.String(), form) {
				t.Errorf("printed: %q", form)
			}
		}
	}
	if strings.Contains(all.String(), "backendsecret") || strings.Contains(all.String(), "clientsecret") {
		t.Error("a secret of the configuration was printed")
	}
}

func TestReportIsJSONThatSaysTheSame(t *testing.T) {
	w := rotation(t, 7)
	code, stdout, _ := w.run(t.Context(), "rewrap", bucket, "--json")
	var r rewrap.Report
	d := json.NewDecoder(strings.NewReader(stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil || code != 0 || !r.Clean() || r.Kinds.Rewrapped.Objects != 7 || r.Active != keyID("B") {
		t.Errorf("%d %v %+v", code, err, r)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Error("more than one object")
	}
}

// brokenPipe takes nothing.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestReportThatCannotBeWrittenIsAFailure(t *testing.T) {
	w := rotation(t, 3)
	for _, args := range [][]string{{"rewrap", bucket}, {"keys", bucket, "--objects"}, {"keys", bucket, "--json"}} {
		var stderr bytes.Buffer
		if code := run(t.Context(), append(args, "--config", w.file()), nil, brokenPipe{}, &stderr); code != int(exitInternal) {
			t.Errorf("%v: %d %s", args, code, &stderr)
		}
	}
}

func TestProgressLinesAreForPeopleWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	s := &session{stderr: &lines{w: &out}}
	s.line(rewrap.Progress{Seen: rewrap.Count{Objects: 1234, Bytes: 5 << 30}, Rewrapped: rewrap.Count{Objects: 1, Bytes: 512}, Trouble: 3})
	if out.String() != "s3-crypt: looked at 1234 objects, 5.0 GiB; 1 object, 512 B rewrapped, 3 in trouble\n" {
		t.Errorf("%q", out.String())
	}
}

// TestBarOnATerminal runs the real binary on a pseudo terminal.
func TestBarOnATerminal(t *testing.T) {
	w := rotation(t, 200)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "rewrap", bucket, "--rate", "100/s", "--config", w.file())
	cmd.Args[0] = "s3-crypt"
	cmd.Env = []string{"TERM=xterm", "HOME=" + t.TempDir()}
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	tty, err := pty.Start(cmd) // stdin and stderr
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	shown, err := io.ReadAll(tty) // ends with EIO, as pseudo terminals do
	if werr := cmd.Wait(); werr != nil {
		t.Fatalf("%v\n%s", werr, shown)
	}
	if err != nil && !errors.Is(err, os.ErrClosed) && !strings.Contains(err.Error(), "input/output error") {
		t.Fatal(err)
	}
	if !bytes.Contains(shown, []byte("rewrapped")) || !bytes.Contains(shown, []byte("/202")) || bytes.Count(shown, []byte("\r")) < 3 {
		t.Errorf("no bar: %q", shown)
	}
	if !strings.HasPrefix(stdout.String(), "bucket backups\n") {
		t.Errorf("%q", stdout.String())
	}
}

func TestTextsForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 40: "5.0 TiB", 1 << 62: "4096.0 PiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for in, want := range map[string]string{"a/b ü": "a/b ü", "a\nb": `"a\nb"`, "\x1b[2J": `"\x1b[2J"`, "\xff": `"\xff"`, "\u202e": `"\u202e"`} {
		if got := printable(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	var b bytes.Buffer
	writeReport(&b, rewrap.Report{
		Bucket: "b", Complete: true, Keyless: 1, Unnamed: 5, Further: rewrap.Count{Objects: 2},
		Kinds: rewrap.KindCounts{Changed: rewrap.Count{Objects: 1}, Failed: rewrap.Count{Objects: 1}, Gone: rewrap.Count{Objects: 1}},
		Keys:  []rewrap.KeyReport{{ID: "k1", Recorded: true}, {ID: "k2", Loaded: true}},
	})
	for _, want := range []string{"kept changing", "failed, old or new", "deleted meanwhile", "older, not loaded, cannot be retired: the key of some objects was not seen", "not in the bucket's state", "further keys", "not seen", "and 5 objects more"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q:\n%s", want, b.String())
		}
	}
	b.Reset()
	writeReport(&b, rewrap.Report{
		Bucket: "b", Complete: true, NoncurrentUnseen: 3, NoncurrentHidden: true, Kinds: rewrap.KindCounts{Held: rewrap.Count{Objects: 1}},
		Keys: []rewrap.KeyReport{{ID: "k1", Recorded: true, Loaded: true, Noncurrent: rewrap.Count{Objects: 4, Bytes: 8}}},
	})
	for _, want := range []string{"held, not touched", "noncurrent versions, which stay", "k1  4 objects, 8 B", "not seen          3 objects", "does not tell", "older, cannot be retired: in use by noncurrent versions"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q:\n%s", want, b.String())
		}
	}
}
