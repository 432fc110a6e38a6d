//go:build integration

package packages

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestScripts holds every shell script to shellcheck, without exceptions.
func TestScripts(t *testing.T) {
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var scripts []string
	for _, pattern := range []string{"deploy/*.sh", "deploy/debian/build", "deploy/debian/p*", ".ci/*", "bench/*/install", "bench/packages/run"} {
		found, err := filepath.Glob(filepath.Join(repository, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		scripts = append(scripts, found...)
	}
	if out, err := exec.Command("shellcheck", append([]string{"-x"}, scripts...)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
