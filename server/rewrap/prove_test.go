package rewrap

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// TestProofThatFailedOnceIsTriedAgain: a store that was busy once has proved nothing,
// and large objects are moved all the same; one that has proved the opposite keeps
// them all, and does not count as gone.
func TestProofThatFailedOnceIsTriedAgain(t *testing.T) {
	const n = maxFailures + 5
	base := newFake()
	base.setState(t, ringOf(t, 'B', 'A'))
	for i := range n {
		key := fmt.Sprintf("m%02d", i)
		base.put(t, key, sealedParts(t, ringOf(t, 'A'), key, 5<<20))
	}
	for _, busy := range []string{"Put", "CreateUpload", "UploadPart", "CompleteUpload"} {
		f := base.copy()
		var failed atomic.Bool
		f.before = func(_ int, op, key string) error {
			if op == busy && strings.HasPrefix(key, scratchPrefix) && failed.CompareAndSwap(false, true) {
				return errBusy
			}
			return nil
		}
		report, err := run(t.Context(), t, f, func(c *Config) { c.Parallel = 1 })
		if err != nil || !failed.Load() || report.Kinds.Failed.Objects != 1 || report.Kinds.Rewrapped.Objects != n-1 {
			t.Errorf("%s busy once: %v %+v", busy, err, report.Kinds)
		}
	}
	f := base.copy()
	f.noComplete = true
	report, err := run(t.Context(), t, f)
	if err != nil || report.Kinds.Held.Objects != n || f.count("CompleteUpload") != 1 {
		t.Errorf("without conditions: %v %+v", err, report.Kinds)
	}
}

// TestScratchOfAKilledRunIsRemoved, and that of a run beside this one is not.
func TestScratchOfAKilledRunIsRemoved(t *testing.T) {
	f := rotated(t, 2)
	f.put(t, scratchPrefix+"dead", []byte("may be deleted\n"))
	f.put(t, scratchPrefix+"alive", []byte("may be deleted\n"))
	o := f.objects[scratchPrefix+"alive"]
	o.at = writtenAt.Add(2*scratchLife - time.Minute)
	f.objects[scratchPrefix+"alive"] = o
	for _, survey := range []bool{true, false} {
		if _, err := run(t.Context(), t, f, on(writtenAt.Add(2*scratchLife)), func(c *Config) { c.Survey = survey }); err != nil {
			t.Fatal(err)
		}
		if _, ok := f.objects[scratchPrefix+"dead"]; ok != survey {
			t.Errorf("survey %v: the dead run's object is there: %v", survey, ok)
		}
	}
	for key := range f.objects {
		if strings.HasPrefix(key, format.ReservedPrefix) && key != format.StateKey && key != scratchPrefix+"alive" {
			t.Errorf("%s is left", key)
		}
	}
	if _, ok := f.objects[scratchPrefix+"alive"]; !ok {
		t.Error("the object of a run beside this one was removed")
	}
}
