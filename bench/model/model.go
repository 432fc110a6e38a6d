package main

import (
	"fmt"
	"strings"
)

// figures are those of `e2e -json`.
type figures struct {
	Column, Op             string
	MiBPerSecond           float64
	Client, Proxy, Backend float64 // CPU seconds a GiB
}

// together is the rate, in MiB/s, of everything on so many cores.
func (f figures) together(cores int) float64 {
	return float64(cores) * 1024 / (f.Client + f.Proxy + f.Backend)
}

// alone is the rate of a proxy that has so many cores for itself, in GB/s (10^9 bytes).
func (f figures) alone(cores int) float64 { return float64(cores) * gib / 1e9 / f.Proxy }

const gib = 1 << 30

// rows are the columns of e2e that the table has.
var rows = []struct{ key, name string }{
	{"xchacha put", "PUT, XChaCha20-Poly1305"}, {"aesgcm put", "PUT, AES-256-GCM"},
	{"xchacha get", "GET, XChaCha20-Poly1305"}, {"aesgcm get", "GET, AES-256-GCM"},
}

// links are networks, in bits a second.
var links = []struct {
	name string
	bits float64
}{{"10 Gbit/s", 10e9}, {"25 Gbit/s", 25e9}, {"100 Gbit/s", 100e9}}

// bigHost is the host the product is tuned for: 96 cores.
const bigHost = 96

// render writes the section; off names the deviations beyond the tolerance. stream is ns a byte of one body's hashes.
func render(machine string, cores int, all, one map[string]figures, stream float64) (section string, off []string) {
	var b strings.Builder
	b.WriteString("## Scaling\n\nThe model of bench/model: client, proxy and store cost so much CPU a GiB, and all cores of a machine are busy. Its unit costs are measured on all cores;\n")
	b.WriteString("then its rates are held against what is measured on all cores, and on one with everything pinned to it.\n\n")
	fmt.Fprintf(&b, "Machine: %s\n\n    make rig passthrough && go run ./bench/model\n\n", machine)
	fmt.Fprintf(&b, "| 4 MiB, 16 in flight, sink | CPU s/GiB: client + proxy + store | %d cores: model, measured MiB/s | off | 1 core: model, measured MiB/s | off |\n|---|---|---|---|---|---|\n", cores)
	deviation := func(name string, model, measured float64) string {
		d := model/measured - 1
		if d > tolerance || d < -tolerance {
			off = append(off, fmt.Sprintf("%s %+.0f %%", name, d*100))
		}
		return fmt.Sprintf("%+.0f %%", d*100)
	}
	for _, r := range rows {
		a, o := all[r.key], one[r.key]
		fmt.Fprintf(&b, "| %s | %.2f + %.2f + %.2f | %.0f, %.0f | %s | %.0f, %.0f | %s |\n", r.name, a.Client, a.Proxy, a.Backend,
			a.together(cores), a.MiBPerSecond, deviation(r.name+" on all cores", a.together(cores), a.MiBPerSecond),
			a.together(1), o.MiBPerSecond, deviation(r.name+" on one core", a.together(1), o.MiBPerSecond))
	}
	fmt.Fprintf(&b, "\nOn a host of its own, by the same unit costs (extrapolated, not measured): one body is hashed at no more than %.2f GB/s, whatever the cores.\n\n", 1/stream)
	fmt.Fprintf(&b, "| | a core | %d cores | 16 bodies in flight at most |", bigHost)
	for _, l := range links {
		b.WriteString(" cores to fill " + l.name + " |")
	}
	b.WriteString("\n|---|---|---|---|" + strings.Repeat("---|", len(links)) + "\n")
	for _, r := range rows {
		a := all[r.key]
		bound := "–"
		if strings.HasPrefix(r.name, "PUT") {
			bound = fmt.Sprintf("%.1f GB/s", min(16/stream, a.alone(bigHost)))
		}
		fmt.Fprintf(&b, "| %s | %.2f GB/s | %.0f GB/s | %s |", r.name, a.alone(1), a.alone(bigHost), bound)
		for _, l := range links {
			fmt.Fprintf(&b, " %.0f |", ceil(l.bits/8/1e9/a.alone(1)))
		}
		b.WriteByte('\n')
	}
	b.WriteString("\nWhere a link needs fewer cores than the host has, the link is the bound, and the store behind it before that in most places.\n")
	return b.String(), off
}

func ceil(v float64) float64 {
	if n := float64(int(v)); n < v {
		return n + 1
	}
	return v
}
