package main

import (
	"fmt"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/report"
)

func spreadOf(samples []sample, figure func(sample) float64) report.Spread {
	v := make([]float64, len(samples))
	for i, s := range samples {
		v[i] = figure(s)
	}
	return report.SpreadOf(v)
}

// render writes the section.
func render(opt options, machine string, results []result) (string, error) {
	var b strings.Builder
	b.WriteString("## End to end\n\n")
	b.WriteString("Client, proxy and backend are separate processes on one machine. Figures are medians of windows (lowest–highest), whose columns take turns; a ratio is that of windows of the same round.\n")
	b.WriteString("Every object was read back and compared after each round, off the clock.\n")
	b.WriteString("`direct` goes to the backend over plain HTTP without TLS; the others have TLS in front of the proxy and plain HTTP behind it, unless the title says otherwise.\n")
	b.WriteString("Behind `direct` versitygw checks the client's digests itself; behind a proxy, which has checked them, it gets an unsigned payload.\n")
	b.WriteString("versitygw runs with `--io-buffer-size 65536` for every column: with its default of 1 MiB it makes a buffer of that size for each ranged read, which is what a HEAD of ours asks for, and 700 µs of its CPU.\n")
	b.WriteString("`pass-through` is the same proxy built with sealing and hashing off: what it costs is our plumbing. CPU seconds a GiB are also ns a byte, to 7 %.\n\n")
	fmt.Fprintf(&b, "Machine: %s\n\n", machine)
	held, err := renderTargets(results)
	if err != nil {
		return "", err
	}
	b.WriteString(held)
	for _, r := range results {
		fmt.Fprintf(&b, "### %s\n\n", r.title)
		if r.note != "" {
			b.WriteString(r.note + "\n\n")
		}
		fmt.Fprintf(&b, "    %s\n\n", opt.command(r.scenario))
		if r.perRequest() {
			renderRequests(&b, r)
		} else {
			renderBytes(&b, r)
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// perRequest says whether requests are what counts, not their bytes.
func (s scenario) perRequest() bool { return s.size <= 64*kib }

// renderBytes is a table of what each byte costs.
func renderBytes(b *strings.Builder, r result) {
	b.WriteString("| operation | column | MiB/s | proxy CPU s/GiB | client CPU s/GiB | backend CPU s/GiB | p50 ms | p99 ms | peak MiB |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, op := range r.ops {
		if op == protocol.Head || op == protocol.List || op == protocol.Delete || op == protocol.Copy {
			continue
		}
		for _, c := range r.columns {
			of := func(f func(sample) float64) report.Spread { return spreadOf(c.samples[op], f) }
			proxy, peak := "–", "–"
			if c.kind != straight {
				proxy, peak = of(func(s sample) float64 { return s.perGiB(s.proxy) }).Text(2), fmt.Sprint(c.peak>>20)
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %.1f | %.1f | %s |\n", strings.ToUpper(op), c.name, of(speed).Text(0), proxy,
				of(func(s sample) float64 { return s.perGiB(s.client) }).Text(2), of(func(s sample) float64 { return s.perGiB(s.backend) }).Text(2),
				of(func(s sample) float64 { return s.p50.Seconds() * 1000 }).Median, of(func(s sample) float64 { return s.p99.Seconds() * 1000 }).Median, peak)
		}
	}
	if rest := r.only(protocol.Head, protocol.List, protocol.Delete, protocol.Copy); len(rest.ops) > 0 {
		b.WriteByte('\n')
		renderRequests(b, rest)
	}
}

// only is the result with these operations alone, of those it has.
func (r result) only(ops ...string) result {
	var have []string
	for _, op := range r.ops {
		for _, o := range ops {
			if op == o {
				have = append(have, op)
			}
		}
	}
	r.ops = have
	return r
}

// renderRequests is a table of what each request costs.
func renderRequests(b *strings.Builder, r result) {
	b.WriteString("| operation | column | requests/s | proxy CPU µs | client CPU µs | backend CPU µs | p50 ms | p99 ms | peak MiB |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, op := range r.ops {
		for _, c := range r.columns {
			of := func(f func(sample) float64) report.Spread { return spreadOf(c.samples[op], f) }
			proxy, peak := "–", "–"
			if c.kind != straight {
				proxy, peak = of(func(s sample) float64 { return s.perRequest(s.proxy) }).Text(0), fmt.Sprint(c.peak>>20)
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %.2f | %.2f | %s |\n", strings.ToUpper(op), c.name, of(pace).Text(0), proxy,
				of(func(s sample) float64 { return s.perRequest(s.client) }).Text(0), of(func(s sample) float64 { return s.perRequest(s.backend) }).Text(0),
				of(func(s sample) float64 { return s.p50.Seconds() * 1000 }).Median, of(func(s sample) float64 { return s.p99.Seconds() * 1000 }).Median, peak)
		}
	}
}
