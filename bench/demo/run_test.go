package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestEnvFileIsForShells(t *testing.T) {
	dir := t.TempDir()
	e := environment{{"ENDPOINT", "https://127.0.0.1:1"}, {"SECRET_KEY", `a'b"c$d` + "`e`" + ` f\g`}, {"FINGERPRINT", ""}}
	if err := writeEnv(dir, e); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(filepath.Join(dir, "env"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	out, err := exec.Command("sh", "-c", `. "$1"/env; printf '%s|%s|%s' "$ENDPOINT" "$SECRET_KEY" "${FINGERPRINT-unset}"`, "sh", dir).Output()
	if err != nil || string(out) != "https://127.0.0.1:1|"+e.get("SECRET_KEY")+"|" {
		t.Errorf("a shell reads %q, %v", out, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "env.new")); err == nil {
		t.Error("the temporary file is left")
	}
}

func TestOnlyOneStackPerDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".run")
	lock, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claim(dir); err == nil {
		t.Error("two stacks share a directory")
	}
	if err := writeEnv(dir, environment{{"A", "b"}}); err != nil {
		t.Fatal(err)
	}
	if err := release(dir, lock); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
	// What a killed run left is taken over; what is not ours stays.
	os.MkdirAll(dir, 0o700)
	os.WriteFile(filepath.Join(dir, "env"), []byte("STALE=1"), 0o600)
	os.WriteFile(filepath.Join(dir, "env.new"), []byte("STALE"), 0o600)
	os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600)
	os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600)
	if lock, err = claim(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "env")); !os.IsNotExist(err) {
		t.Error("a stale env file says that the stack is ready")
	}
	if _, err := os.Stat(filepath.Join(dir, "env.new")); !os.IsNotExist(err) {
		t.Error("a half-written env file is left")
	}
	if err := release(dir, lock); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 || left[0].Name() != "mine" {
		t.Errorf("left %v", left)
	}
}

func TestPasteLines(t *testing.T) {
	e := environment{{"ENDPOINT", "https://127.0.0.1:8443"}, {"ACCESS_KEY", "AK"}, {"SECRET_KEY", "SK"}, {"BUCKET", "backups"}, {"REGION", "us-east-1"},
		{"FINGERPRINT", "aa:bb"}, {"ADMIN_ENDPOINT", "http://127.0.0.1:1"}, {"ADMIN_TOKEN", "T"}}
	show := func(e environment) string {
		var b strings.Builder
		paste(&screen{w: &b}, ".run", e)
		return b.String()
	}
	got := show(e)
	for _, want := range []string{"--endpoint 127.0.0.1 --port 8443", "--fingerprint aa:bb", "bucket=backups", "source .run/env", "--aws-sigv4", "%2F", "uploads=", "any region", "needs no token"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	e[5].value = ""
	if strings.Contains(show(e), "proxmox") {
		t.Error("PBS is told to use plain HTTP")
	}
}

// TestDemoRefusesBeforeItStarts: S3CP_BIN names nothing, so that anything that starts would fail with other words.
func TestDemoRefusesBeforeItStarts(t *testing.T) {
	t.Setenv("S3CP_BIN", t.TempDir())
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := func(dir, want string) {
		t.Helper()
		var b strings.Builder
		err := demo(context.Background(), &screen{w: &b}, dir, nil)
		if err == nil || err.Error() != want || b.Len() > 0 {
			t.Errorf("got  %v\nwant %s\nshown %q", err, want, b.String())
		}
	}
	refused("/nonexistent/x", "cannot use DIR=/nonexistent/x: no such file or directory")
	refused(file, "cannot use DIR="+file+": it is no directory")
	t.Setenv("S3CP_BACKEND_ENDPOINT", "https://s3.example.com")
	refused(t.TempDir(), "S3CP_BACKEND_ENDPOINT is set: the demo changes stored bytes, so it brings an S3 server of its own; take the variable away, or use `make run` with it")
}

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{nil, {"dance"}, {"demo", "-nonsense"}, {"run", "extra"}} {
		if got := command(context.Background(), args); got != 2 {
			t.Errorf("%v: status %d", args, got)
		}
	}
}
