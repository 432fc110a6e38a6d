package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/report"
)

// target is a figure that the product is held to. Its value comes from one scenario, so from one run on one machine.
type target struct {
	text  string
	from  string // id of the scenario
	limit float64
	least bool // limit is the least, else the most
	value func(r result) (report.Spread, error)
	why   reason // shown where it is not met
}

// cpuPerByte is ns of the proxy's CPU for each byte.
func cpuPerByte(col column, op string) func(result) (report.Spread, error) {
	return func(r result) (report.Spread, error) {
		return r.figure(col, op, func(s sample) float64 { return s.perGiB(s.proxy) * 1e9 / (1 << 30) })
	}
}

// cpuPerRequest is microseconds of the proxy's CPU for each request.
func cpuPerRequest(col column, op string) func(result) (report.Spread, error) {
	return func(r result) (report.Spread, error) {
		return r.figure(col, op, func(s sample) float64 { return s.perRequest(s.proxy) })
	}
}

// ratio compares two columns round by round, in which they met the same machine.
func ratio(a, b column, op string, f func(sample) float64) func(result) (report.Spread, error) {
	return func(r result) (report.Spread, error) {
		x, err := r.samples(a, op)
		if err != nil {
			return report.Spread{}, err
		}
		y, err := r.samples(b, op)
		if err != nil {
			return report.Spread{}, err
		}
		v := make([]float64, len(x))
		for i := range x {
			v[i] = f(x[i]) / f(y[i])
		}
		return report.SpreadOf(v), nil
	}
}

// peakOf is the most resident memory of what is between, in MiB, over that of b if there is one.
func peakOf(a column, b ...column) func(result) (report.Spread, error) {
	return func(r result) (report.Spread, error) {
		v := 0.0
		for _, c := range r.columns {
			if c.bucket == a.bucket {
				v = float64(c.peak) / mib
			}
		}
		for _, c := range r.columns {
			if len(b) > 0 && c.bucket == b[0].bucket {
				v /= float64(c.peak) / mib
			}
		}
		return report.Spread{Median: v, Low: v, High: v}, nil
	}
}

func speed(s sample) float64    { return s.rate }
func pace(s sample) float64     { return s.perSecond }
func proxyCPU(s sample) float64 { return s.perGiB(s.proxy) }
func halfTime(s sample) float64 { return s.p50.Seconds() }
func withoutOpening(s sample) float64 {
	return (s.p50 - opening).Seconds()
}

// opening is how long XChaCha20-Poly1305 takes to open 4 MiB on one core here, by the table of sealing alone.
const opening = 1500 * time.Microsecond

// targets are in the order of the table.
var targets = []target{
	{"PUT, SHA-256 and MD5, XChaCha20-Poly1305: ns of CPU a byte", "sink", 2.3, false, cpuPerByte(xchacha, protocol.Put), hashesAndSockets},
	{"PUT, SHA-256 and MD5, AES-256-GCM: ns of CPU a byte", "sink", 2.0, false, cpuPerByte(aesgcm, protocol.Put), hashesAndSockets},
	{"PUT, SHA-256 alone, AES-256-GCM: ns of CPU a byte", "sha256", 1.7, false, cpuPerByte(aesgcm, protocol.Put), hashesAndSockets},
	{"GET, XChaCha20-Poly1305: CPU, pass-through = 1", "sink", 1.45, false, ratio(xchacha, through, protocol.Get, proxyCPU), rawOpening},
	{"GET, AES-256-GCM: CPU, pass-through = 1", "sink", 1.20, false, ratio(aesgcm, through, protocol.Get, proxyCPU), rawOpening},
	{"PUT, XChaCha20-Poly1305: MiB/s, rclone = 1", "rclone", 2.2, true, ratio(xchacha, byClone, protocol.Put, speed), besideRclone},
	{"GET, XChaCha20-Poly1305: MiB/s, rclone = 1", "rclone", 1.45, true, ratio(xchacha, byClone, protocol.Get, speed), besideRclone},
	{"PUT, XChaCha20-Poly1305: CPU a GiB, rclone = 1", "rclone", 0.4, false, ratio(xchacha, byClone, protocol.Put, proxyCPU), besideRclone},
	{"GET, XChaCha20-Poly1305: CPU a GiB, rclone = 1", "rclone", 0.4, false, ratio(xchacha, byClone, protocol.Get, proxyCPU), besideRclone},
	{"peak memory, rclone = 1", "rclone", 1, false, peakOf(xchacha, byClone), budgetSet},
	{"PUT, XChaCha20-Poly1305: MiB/s, direct = 1, all on two cores", "rclone", 0.80, true, ratio(xchacha, direct, protocol.Put, speed), sharedCores(protocol.Put)},
	{"GET, XChaCha20-Poly1305: MiB/s, direct = 1, all on two cores", "rclone", 0.75, true, ratio(xchacha, direct, protocol.Get, speed), sharedCores(protocol.Get)},
	{"HEAD, XChaCha20-Poly1305: requests a second, direct = 1, all on two cores", "rclone", 0.5, true, ratio(xchacha, direct, protocol.Head, pace), sharedCores(protocol.Head)},
	{"PUT, XChaCha20-Poly1305, behind the line: MiB/s, direct = 1", "line", 0.97, true, ratio(xchacha, direct, protocol.Put, speed), farStore},
	{"GET, XChaCha20-Poly1305, behind the line: MiB/s, direct = 1", "line", 0.97, true, ratio(xchacha, direct, protocol.Get, speed), farStore},
	{"1 GiB, one connection, PUT: MiB/s of two workers, one = 1", "large", 1.6, true, ratio(column{bucket: "two-workers"}, column{bucket: "one-worker"}, protocol.Put, speed), oneConnection},
	{"1 GiB, one connection, GET: MiB/s of two workers, one = 1", "large", 1.6, true, ratio(column{bucket: "two-workers"}, column{bucket: "one-worker"}, protocol.Get, speed), oneConnection},
	{"1 GiB, one connection: peak MiB, budget 256", "large", 256 + 64, false, peakOf(column{bucket: "two-workers"}), budgetSet},
	{"64 times 16 MiB in flight: peak MiB, budget 256", "memory", 256 + 96, false, peakOf(xchacha), budgetSet},
	{"HEAD: microseconds of CPU, 65 of them the SDK's own call", "small", 65 + 60, false, cpuPerRequest(xchacha, protocol.Head), plumbing},
	{"GET of 1 KiB: microseconds of CPU, 65 of them the SDK's own call", "small", 65 + 60, false, cpuPerRequest(xchacha, protocol.Get), plumbing},
	{"LIST of 1,000 names: microseconds of CPU", "small", 3000, false, cpuPerRequest(xchacha, protocol.List), plumbing},
	{"GET of 4 MiB, one in flight: time without one opening (1.5 ms), pass-through = 1", "one", 1.3, false, firstByte, oneOpening},
}

// firstByte holds a GET, which is opened whole before its first byte, against one that is not.
func firstByte(r result) (report.Spread, error) {
	x, err := r.samples(xchacha, protocol.Get)
	if err != nil {
		return report.Spread{}, err
	}
	y, err := r.samples(through, protocol.Get)
	if err != nil {
		return report.Spread{}, err
	}
	v := make([]float64, len(x))
	for i := range x {
		v[i] = withoutOpening(x[i]) / halfTime(y[i])
	}
	return report.SpreadOf(v), nil
}

// samples are a column's of an operation.
func (r result) samples(col column, op string) ([]sample, error) {
	i := slices.IndexFunc(r.columns, func(c columnResult) bool { return c.bucket == col.bucket })
	if i < 0 || len(r.columns[i].samples[op]) == 0 {
		return nil, fmt.Errorf("%s has no %s of %s", r.id, op, col.bucket)
	}
	return r.columns[i].samples[op], nil
}

func (r result) figure(col column, op string, f func(sample) float64) (report.Spread, error) {
	list, err := r.samples(col, op)
	if err != nil {
		return report.Spread{}, err
	}
	return spreadOf(list, f), nil
}

// renderTargets is the table of what was measured against what must be, for the scenarios that ran.
func renderTargets(results []result) (string, error) {
	var b strings.Builder
	var missed []target
	for _, t := range targets {
		r, ok := scenarioOf(results, t)
		if !ok {
			continue
		}
		v, err := t.value(r)
		if err != nil {
			return "", err
		}
		word, met := "at most", v.Median <= t.limit
		if t.least {
			word, met = "at least", v.Median >= t.limit
		}
		if !met {
			missed = append(missed, t)
		}
		digits := 2
		if t.limit >= 10 {
			digits = 0
		}
		fmt.Fprintf(&b, "| %s | %s %.*f | %s | %s |\n", t.text, word, digits, t.limit, v.Text(digits), map[bool]string{true: "yes", false: "**no**"}[met])
	}
	if b.Len() == 0 {
		return "", nil
	}
	short, err := renderShortfalls(results, missed)
	return "### What it is held to\n\n| figure | must be | is | met |\n|---|---|---|---|\n" + b.String() + "\n" + short, err
}

// scenarioOf is what a target is taken from, if it ran.
func scenarioOf(results []result, t target) (result, bool) {
	i := slices.IndexFunc(results, func(r result) bool { return r.id == t.from })
	if i < 0 {
		return result{}, false
	}
	return results[i], true
}
