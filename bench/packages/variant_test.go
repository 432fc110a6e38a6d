//go:build integration

package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// packageUnderTest is the package that `make deb` built.
func packageUnderTest(t *testing.T) string {
	t.Helper()
	deb := os.Getenv("PACKAGES_DEB")
	if deb == "" {
		t.Fatal("this test needs a package: run make packages")
	}
	return deb
}

// variant makes a package of a later version, 9.N, from the one under test; change gets its unpacked tree.
func variant(t *testing.T, n int, change func(tree string)) string {
	t.Helper()
	dir := t.TempDir()
	tree, deb := filepath.Join(dir, "tree"), filepath.Join(dir, fmt.Sprintf("s3-crypt-proxy_9.%d.deb", n))
	if out, err := exec.Command("dpkg-deb", "-R", packageUnderTest(t), tree).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	control := filepath.Join(tree, "DEBIAN", "control")
	text, err := os.ReadFile(control)
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^Version: .*$`).ReplaceAll(text, fmt.Appendf(nil, "Version: 9.%d", n))
	if err := os.WriteFile(control, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(tree)
	}
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, deb).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return deb
}

// longer appends to a program, which runs as before and is another file.
func longer(t *testing.T, tree string, programs ...string) {
	t.Helper()
	for _, name := range programs {
		f, err := os.OpenFile(filepath.Join(tree, "usr/bin", name), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("another build\n"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// wrapped puts a shell script before the proxy: it serves, while checks and versions go to the program itself.
func wrapped(t *testing.T, tree, serve string) {
	t.Helper()
	proxy := filepath.Join(tree, "usr/bin/s3-crypt-proxy")
	if err := os.Rename(proxy, proxy+".real"); err != nil {
		t.Fatal(err)
	}
	script := strings.Join([]string{"#!/bin/sh", `real=$(dirname "$0")/s3-crypt-proxy.real`, `case "$*" in *check*|*version*|*fingerprint*) exec "$real" "$@" ;; esac`, serve, ""}, "\n")
	if err := os.WriteFile(proxy, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// cripple makes a program that does not run.
func cripple(t *testing.T, tree string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(tree, "usr/bin/memkey-admin"), []byte("#!/bin/sh\nexit 126\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}
