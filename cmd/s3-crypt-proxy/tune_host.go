package main

import (
	"fmt"
	"runtime"

	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/unix"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline/hashing"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

// host is what tune found. Rates are in 10^6 bytes a second.
type host struct {
	cores, physical int
	memory          uint64 // bytes; 0 = unknown
	tuning          pipeline.Tuning

	hash  map[hashing.Kernel]float64 // as many bodies at once as there are cores, twice
	seal  map[format.Suite]float64   // one core
	batch map[int]float64            // one body hashed and sealed by all workers, by the batch's bytes
	half  float64                    // the same with one worker for each physical core; 0 = all cores are physical
}

// Within this of the best, the automatic choice stays: less is noise.
const closeEnough = 0.95

// advice is what to set, in the order of a configuration file. What the automatic
// choice does as well is left to it.
func (h *host) advice() []advice {
	x, g := h.seal[format.XChaCha20Poly1305], h.seal[format.AES256GCM]
	cipher, why := format.XChaCha20Poly1305, fmt.Sprintf("%.0f MB/s a core, aes-256-gcm %.0f", x, g)
	if g > x {
		cipher, why = format.AES256GCM, fmt.Sprintf("%.0f MB/s a core, xchacha20-poly1305 %.0f", g, x)
	}
	list := []advice{{"encryption", "cipher", cipher.String(), why}}
	best := h.tuning.BatchBytes
	for size, rate := range h.batch {
		if rate > h.batch[best] {
			best = size
		}
	}
	if auto := h.tuning.BatchBytes; h.batch[auto] >= closeEnough*h.batch[best] {
		list = append(list, advice{"encryption", "chunk_size", "0", fmt.Sprintf("automatic: %d KiB, half of the L2 cache, and no size is better by 5 %%", auto>>10)})
	} else {
		list = append(list, advice{"encryption", "chunk_size", fmt.Sprintf("%dKiB", best>>10), fmt.Sprintf("%.0f MB/s, automatic (%d KiB) %.0f", h.batch[best], auto>>10, h.batch[auto])})
	}
	workers := advice{"pipeline", "workers", "0", fmt.Sprintf("automatic: all %d cores", h.cores)}
	if all := h.batch[h.tuning.BatchBytes]; h.half*closeEnough > all {
		workers.value, workers.why = fmt.Sprint(h.physical), fmt.Sprintf("the physical cores: %.0f MB/s, all %d logical ones %.0f", h.half, h.cores, all)
	}
	list = append(list, workers, h.budget())
	return append(list, h.hashing())
}

// hashing is the fastest kernel, the simpler one of equals.
func (h *host) hashing() advice {
	kernel, others := hashing.Standard, ""
	for _, k := range hashing.Kernels() {
		if h.hash[k] > h.hash[kernel] {
			kernel = k
		}
	}
	for _, k := range hashing.Kernels() {
		if rate, ok := h.hash[k]; ok && k != kernel {
			others += fmt.Sprintf(", %s %.0f", k, rate)
		}
	}
	if others == "" {
		return advice{"pipeline", "hashing", string(hashing.Auto), "this processor has no SHA instructions for the fused kernel"}
	}
	return advice{"pipeline", "hashing", string(kernel), fmt.Sprintf("%.0f MB/s%s", h.hash[kernel], others)}
}

// budget is room for two bodies of PBS's largest chunks for each core, no more than a
// quarter of the memory, and what is the default at least.
func (h *host) budget() advice {
	const chunk, least = 20 << 20, 256 << 20
	want := max(least, 2*chunk*uint64(h.cores))
	why := fmt.Sprintf("two bodies of 20 MiB for each of %d cores, 256 MiB at least", h.cores)
	if quarter := h.memory / 4; h.memory > 0 && want > quarter {
		want = max(64<<20, quarter)
		why = fmt.Sprintf("a quarter of %d MiB of memory", h.memory>>20)
	}
	return advice{"pipeline", "budget", config.Size(want &^ (1<<20 - 1)).String(), why}
}

// thisHost is what need not be measured.
func thisHost() *host {
	h := &host{cores: runtime.GOMAXPROCS(0), physical: cpuid.CPU.PhysicalCores, tuning: pipeline.Tune(format.SegmentSize),
		hash: map[hashing.Kernel]float64{}, seal: map[format.Suite]float64{}, batch: map[int]float64{}}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		h.memory = uint64(info.Totalram) * uint64(info.Unit)
	}
	return h
}
