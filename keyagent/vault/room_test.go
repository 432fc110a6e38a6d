package vault

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// TestFirstEnrolmentLeavesRoom: a ring that could never be rotated is not pinned.
func TestFirstEnrolmentLeavesRoom(t *testing.T) {
	for _, generation := range []uint64{maxFirstGeneration + 1, math.MaxUint64} {
		r := newRig(t, 1)
		if _, status, detail := r.send(1, pack(memkey.OpEnroll, generation, keys(t, "A"))); status != memkey.StatusGeneration || !r.Pins().Empty() {
			t.Errorf("generation %d: %v %s", generation, status, detail)
		}
	}
	r := newRig(t, 1)
	r.must(memkey.OpEnroll, maxFirstGeneration, "A")
	r.must(memkey.OpEnroll, maxFirstGeneration+1, "aB")
}

// TestOpenRemovesWhatAnUnfinishedWriteLeft, and takes nothing from it.
func TestOpenRemovesWhatAnUnfinishedWriteLeft(t *testing.T) {
	r := newEnrolled(t, false)
	pins, err := os.ReadFile(r.config.PinsPath)
	if err != nil {
		t.Fatal(err)
	}
	config := r.config
	config.PinsPath = filepath.Join(t.TempDir(), "pins")
	if err := os.WriteFile(config.PinsPath, pins, 0o600); err != nil {
		t.Fatal(err)
	}
	temp := config.PinsPath + ".new"
	if err := os.WriteFile(temp, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := os.Stat(temp); !os.IsNotExist(err) || v.Pins().Generation != 5 {
		t.Errorf("%v, generation %d", err, v.Pins().Generation)
	}
}
