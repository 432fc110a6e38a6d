package report

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/unix"
)

// Machine is the line that says where the figures come from.
func Machine(ctx context.Context) string {
	var flags []string
	for _, f := range []cpuid.FeatureID{cpuid.AESNI, cpuid.VAES, cpuid.CLMUL, cpuid.SHA, cpuid.AVX2, cpuid.AVX512F} {
		if cpuid.CPU.Supports(f) {
			flags = append(flags, f.String())
		}
	}
	kernel := "unknown"
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	name := strings.TrimSpace(cpuid.CPU.BrandName)
	if name == "" {
		name = cpuid.CPU.VendorString
	}
	return fmt.Sprintf("%s (%s; L2 %d KiB), %d cores, %s, %s %s/%s, commit %s, %s", name, strings.Join(flags, " "), max(0, cpuid.CPU.Cache.L2>>10),
		runtime.NumCPU(), kernel, runtime.Version(), runtime.GOOS, runtime.GOARCH, commit(ctx), time.Now().UTC().Format("2006-01-02"))
}

// commit is the checkout's commit, or "unknown" outside of one.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
