package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/cpuid/v2"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

func TestTwoDashes(t *testing.T) {
	root := newRoot(nil)
	f := func(in, want string) {
		t.Helper()
		args := strings.Fields(in)
		if got := strings.Join(twoDashes(args, root), " "); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
		if strings.Join(args, " ") != in {
			t.Errorf("%q: the arguments themselves were changed", in)
		}
	}
	f("", "")
	f("-config a.yaml", "--config a.yaml")
	f("--config a.yaml", "--config a.yaml")
	f("-config=a.yaml", "--config=a.yaml")
	f("-version", "--version")
	f("-help", "--help")
	f("-h", "-h")
	f("-v", "-v")
	f("check -keys -config a", "check --keys --config a")
	f("-config -version", "--config -version")
	f("--config -version -version", "--config -version --version")
	f("-config", "--config")
	f("-- -config a", "-- -config a")
	f("-unknown -config a", "--unknown --config a")
	f("-verzion=x -hv", "--verzion=x --hv")
	f("-x=1", "-x=1")
	f("-", "-")
	f("--keys=true -version", "--keys=true --version")
}

// TestEveryCommandIsExplained holds the command tree to its rules.
func TestEveryCommandIsExplained(t *testing.T) {
	root := newRoot(nil)
	names := map[string]bool{}
	for _, c := range root.Commands() {
		names[c.Name()] = true
		if c.Short == "" || !strings.Contains(c.Long, "Exit status:") || c.RunE == nil || c.Args == nil {
			t.Errorf("%s: no help, no exit status, no function or any arguments", c.Name())
		}
	}
	if len(names) != 3 || !names["check"] || !names["fingerprint"] || !names["tune"] {
		t.Errorf("commands %v", names)
	}
}

func TestFasterSuite(t *testing.T) {
	f := func(want format.Suite, has ...cpuid.FeatureID) {
		t.Helper()
		supports := func(ids ...cpuid.FeatureID) bool {
			for _, id := range ids {
				found := false
				for _, h := range has {
					found = found || h == id
				}
				if !found {
					return false
				}
			}
			return true
		}
		if got := fasterSuite(supports); got != want {
			t.Errorf("%v: %v, want %v", has, got, want)
		}
	}
	f(format.XChaCha20Poly1305)
	f(format.XChaCha20Poly1305, cpuid.AESNI)
	f(format.XChaCha20Poly1305, cpuid.CLMUL)
	f(format.AES256GCM, cpuid.AESNI, cpuid.CLMUL)
	f(format.XChaCha20Poly1305, cpuid.AESARM)
	f(format.XChaCha20Poly1305, cpuid.AESARM, cpuid.CLMUL)
	f(format.AES256GCM, cpuid.AESARM, cpuid.PMULL)

	for name, want := range map[string]format.Suite{
		"xchacha20-poly1305": format.XChaCha20Poly1305,
		"aes-256-gcm":        format.AES256GCM,
		"auto":               fasterSuite(cpuid.CPU.Supports),
	} {
		if got := chooseSuite(config.Encryption{Cipher: name}); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestUselessVerbsStopEveryCommand, with the line that has them.
func TestUselessVerbsStopEveryCommand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	write(t, file, "clients:\n  - name: x\n    access_key: X\n    secret_key: y\n    access: read-only\n    prefixes: [a/]\n    verbs: [GetObject, PutObject]\n")
	root := newRoot([]string{"S3CP_BACKEND_ENDPOINT=http://127.0.0.1:1", "S3CP_BACKEND_ACCESS_KEY=A", "S3CP_BACKEND_SECRET_KEY=s", "S3CP_ADMIN_TOKEN=token-of-some-length"})
	root.SetArgs([]string{"check", "--config", file})
	root.SetOut(io.Discard)
	err := root.Execute()
	if want := file + ":7: clients[0].verbs: PutObject is not within access: read-only with prefixes, so it would have no effect"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}
