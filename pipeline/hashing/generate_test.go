package hashing

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestKernelsAreGenerated: blocks_amd64.s is what _asm writes.
func TestKernelsAreGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the generator; the long run does it")
	}
	dir := t.TempDir()
	cmd := exec.Command("go", "run", ".", "-out", filepath.Join(dir, "blocks_amd64.s"), "-stubs", filepath.Join(dir, "blocks_amd64.go"), "-pkg", "hashing")
	cmd.Dir = "_asm"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"blocks_amd64.s", "blocks_amd64.go"} {
		made, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// The first line names the command, and with it the directory.
		_, made, _ = bytes.Cut(made, []byte("\n"))
		_, kept, _ = bytes.Cut(kept, []byte("\n"))
		if !bytes.Equal(made, kept) {
			t.Errorf("%s is not what the generator writes", name)
		}
	}
}
