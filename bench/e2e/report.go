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
func render(opt options, machine string, results []backendResult) string {
	var b strings.Builder
	b.WriteString("## End to end\n\n")
	fmt.Fprintf(&b, "%s objects, %d in flight, PBS's requests, %d rounds; client, proxy and backend are separate processes on one machine.\n", sizeText(opt.size), opt.inFlight, opt.rounds)
	b.WriteString("Figures are median (lowest–highest). CPU is in seconds per GiB of payload; every object was read back and compared after each round.\n")
	b.WriteString("`direct` goes to the backend over plain HTTP without TLS; the others have TLS in front of the proxy and plain HTTP behind it.\n")
	b.WriteString("Behind `direct` versitygw checks the client's SHA-256 and MD5 itself; behind a proxy, which has checked them, it gets an unsigned payload.\n")
	b.WriteString("`pass-through` is the same proxy built with sealing and hashing off: what it costs is our plumbing.\n\n")
	fmt.Fprintf(&b, "Machine: %s\n\n    %s\n", machine, opt.command())
	for _, r := range results {
		for _, op := range []string{protocol.Put, protocol.Get} {
			fmt.Fprintf(&b, "\n### %s, backend %s\n\n", strings.ToUpper(op), r.name)
			b.WriteString("| column | MiB/s | proxy CPU s/GiB | client CPU s/GiB | backend CPU s/GiB | p50 ms | p99 ms | proxy peak RSS MiB |\n|---|---|---|---|---|---|---|---|\n")
			for _, c := range r.columns {
				b.WriteString(row(c, op))
			}
		}
	}
	return b.String()
}

func row(c columnResult, op string) string {
	of := func(figure func(sample) float64) report.Spread { return spreadOf(c.samples[op], figure) }
	proxy, peak := "–", "–"
	if c.proxy != "" {
		proxy = of(func(s sample) float64 { return s.proxy }).Text(2)
		peak = fmt.Sprint(c.peak >> 20)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %.1f | %.1f | %s |\n", c.name,
		of(func(s sample) float64 { return s.rate }).Text(0), proxy,
		of(func(s sample) float64 { return s.client }).Text(2),
		of(func(s sample) float64 { return s.backend }).Text(2),
		of(func(s sample) float64 { return s.p50.Seconds() * 1000 }).Median,
		of(func(s sample) float64 { return s.p99.Seconds() * 1000 }).Median, peak)
}

func sizeText(n int) string {
	if n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// command reproduces the run.
func (o options) command() string {
	return fmt.Sprintf("make rig && bin/e2e -rounds %d -size %d -inflight %d -keys %d -window %v -backends %s", o.rounds, o.size, o.inFlight, o.keys, o.window, strings.Join(o.backends, ","))
}
