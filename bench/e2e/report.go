package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
)

const (
	beginMark = "<!-- e2e:begin (make bench rewrites this section) -->"
	endMark   = "<!-- e2e:end -->"
)

// spread is the median, the lowest and the highest of some figures.
type spread struct{ median, low, high float64 }

func spreadOf(samples []sample, figure func(sample) float64) spread {
	v := make([]float64, len(samples))
	for i, s := range samples {
		v[i] = figure(s)
	}
	slices.Sort(v)
	mid := v[len(v)/2]
	if len(v)%2 == 0 {
		mid = (v[len(v)/2-1] + mid) / 2
	}
	return spread{mid, v[0], v[len(v)-1]}
}

// text writes the median with its spread.
func (s spread) text(decimals int) string {
	return fmt.Sprintf("%.*f (%.*f–%.*f)", decimals, s.median, decimals, s.low, decimals, s.high)
}

// render writes the section, markers included.
func render(opt options, machine string, results []backendResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n## End to end\n\n", beginMark)
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
	b.WriteString(endMark + "\n")
	return b.String()
}

func row(c columnResult, op string) string {
	of := func(figure func(sample) float64) spread { return spreadOf(c.samples[op], figure) }
	proxy, peak := "–", "–"
	if c.proxy != "" {
		proxy = of(func(s sample) float64 { return s.proxy }).text(2)
		peak = fmt.Sprint(c.peak >> 20)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %.1f | %.1f | %s |\n", c.name,
		of(func(s sample) float64 { return s.rate }).text(0), proxy,
		of(func(s sample) float64 { return s.client }).text(2),
		of(func(s sample) float64 { return s.backend }).text(2),
		of(func(s sample) float64 { return s.p50.Seconds() * 1000 }).median,
		of(func(s sample) float64 { return s.p99.Seconds() * 1000 }).median, peak)
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

// replaceSection puts section in the place of the one between the markers, or at the end of the file.
func replaceSection(file, section string) error {
	old, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	begin, end := bytes.Index(old, []byte(beginMark)), bytes.Index(old, []byte(endMark+"\n"))
	var text []byte
	switch {
	case begin < 0 && end < 0:
		if text = old; len(text) > 0 {
			text = append(bytes.TrimRight(text, "\n"), "\n\n"...)
		}
		text = append(text, section...)
	case begin < 0 || end < begin:
		return fmt.Errorf("cannot write %s: its markers %s and %s do not fit together", file, beginMark, endMark)
	default:
		text = append(text, old[:begin]...)
		text = append(text, section...)
		text = append(text, old[end+len(endMark)+1:]...)
	}
	tmp := file + ".new"
	if err := os.WriteFile(tmp, text, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}
