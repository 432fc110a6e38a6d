//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
)

// TestFullOutputIsAFailure: what could not be printed was not reported, whatever the command.
func TestFullOutputIsAFailure(t *testing.T) {
	dir := t.TempDir()
	pass := dir + "/pass"
	if err := os.WriteFile(pass, []byte("a passphrase of words\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(args ...string) []string {
		return append([]string{"--config", dir + "/c.json", "--passphrase-file", pass}, args...)
	}
	var said bytes.Buffer
	sys := surroundings{in: strings.NewReader(""), out: &said, err: &said, getenv: func(string) string { return "" }, cost: keyfile.LowCost()}
	if code := run(context.Background(), at("key", "generate"), sys); code != 0 {
		t.Fatalf("exit %d\n%s", code, &said)
	}
	for _, args := range [][]string{at("key", "show"), at("--json", "key", "show"), {"--help"}, {"--version"}, {"help", "key", "send"}} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			if runtime.GOOS == "linux" {
				t.Fatal(err)
			}
			t.Skip("this system has no device that is always full: ", err)
		}
		said.Reset()
		sys.out = full
		if code := run(context.Background(), args, sys); code != int(exitInternal) || !strings.Contains(said.String(), "no space left") {
			t.Errorf("%v: exit %d\n%s", args, code, &said)
		}
		full.Close()
	}
}

// TestPassphraseFileOfOthersIsRefused: whoever may read it has the passphrase.
func TestPassphraseFileOfOthersIsRefused(t *testing.T) {
	dir := t.TempDir()
	pass := dir + "/pass"
	if err := os.WriteFile(pass, []byte("a passphrase of words\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o644, 0o602} {
		if err := os.Chmod(pass, mode); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		sys := surroundings{in: strings.NewReader(""), out: &said, err: &said, getenv: func(string) string { return "" }, cost: keyfile.LowCost()}
		code := run(context.Background(), []string{"--config", dir + "/c.json", "--passphrase-file", pass, "key", "generate"}, sys)
		if code != int(exitFile) || !strings.Contains(said.String(), "others than its owner") || !strings.Contains(said.String(), "try: chmod 600 "+pass) {
			t.Errorf("mode %o: exit %d\n%s", mode, code, &said)
		}
		if exists(dir+"/.memkey") || strings.Contains(said.String(), "passphrase of words") {
			t.Errorf("mode %o: something was done or shown", mode)
		}
	}
}
