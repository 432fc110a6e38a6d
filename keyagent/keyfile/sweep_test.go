package keyfile

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSweepRemovesWhatKilledWritersLeft, and nothing else.
func TestSweepRemovesWhatKilledWritersLeft(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ring")
	for _, name := range []string{"ring", "ring.1", "ring.lock", "other", ".ring.tmp-1", ".ring.1.tmp-22", ".other.tmp-1", ".ringtmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	Sweep(path)
	for name, want := range map[string]bool{"ring": true, "ring.1": true, "ring.lock": true, "other": true, ".ring.tmp-1": false, ".ring.1.tmp-22": false, ".other.tmp-1": true, ".ringtmp": true} {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
}
