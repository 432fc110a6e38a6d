package pipeline

import (
	"fmt"

	"github.com/klauspost/cpuid/v2"
)

// Tuning is what this CPU suggests, and why.
type Tuning struct {
	Workers    int
	BatchBytes int
	Why        string
}

// Tune chooses a batch of about half the core's own L2 cache, so that what was
// just read and hashed is still there when it is sealed, and as many workers as
// the process may run on. segment is the format's segment size in bytes.
func Tune(segment int) Tuning {
	return tune(segment, cpuid.CPU.Cache.L2, allCores(), cpuid.CPU.BrandName)
}

func tune(segment, l2, cores int, brand string) Tuning {
	t := Tuning{Workers: cores, BatchBytes: autoMax}
	why := "the CPU tells no L2 size"
	if l2 > 0 {
		t.BatchBytes = min(max(l2/2, autoMin), autoMax)
		why = fmt.Sprintf("half of %d KiB L2, within %d to %d KiB", l2>>10, autoMin>>10, autoMax>>10)
	}
	if segment > 0 {
		t.BatchBytes = max(1, t.BatchBytes/segment) * segment
	}
	if brand == "" {
		brand = "unknown CPU"
	}
	t.Why = fmt.Sprintf("%s: %d workers (GOMAXPROCS), batches of %d KiB (%s)", brand, t.Workers, t.BatchBytes>>10, why)
	return t
}
