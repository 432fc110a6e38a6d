package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600)
	os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600)
	if lock, err = claim(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "env")); !os.IsNotExist(err) {
		t.Error("a stale env file says that the stack is ready")
	}
	if err := release(dir, lock); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 || left[0].Name() != "mine" {
		t.Errorf("left %v", left)
	}
}

func TestAllowedBuckets(t *testing.T) {
	for v, want := range map[string][]string{"": {"backups"}, "a": {"a"}, " a , b,": {"a", "b"}} {
		t.Setenv("S3CP_ALLOWED_BUCKETS", v)
		if got := allowedBuckets(); !slices.Equal(got, want) {
			t.Errorf("%q: %v", v, got)
		}
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
	for _, want := range []string{"--endpoint 127.0.0.1 --port 8443", "--fingerprint aa:bb", "bucket=backups", "source .run/env", "--aws-sigv4"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	e[5].value = ""
	if strings.Contains(show(e), "proxmox") {
		t.Error("PBS is told to use plain HTTP")
	}
}

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{nil, {"dance"}, {"demo", "-nonsense"}, {"run", "extra"}} {
		if got := command(context.Background(), args); got != 2 {
			t.Errorf("%v: status %d", args, got)
		}
	}
}
