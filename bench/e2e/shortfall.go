package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
)

// reason says why a figure falls short, from what the same windows measured where it can.
type reason func(result) (string, error)

// because is a reason that needs no figure.
func because(text string) reason { return func(result) (string, error) { return text, nil } }

// whole is the CPU that client, proxy and store need together.
func (s sample) whole() float64 { return (s.client + s.proxy + s.backend).Seconds() }

// sharedCores: where everything runs on the same cores and these are busy, throughput goes as the CPU that a request needs of
// all three processes. A GiB counts where bytes do, else a request.
func sharedCores(op string) reason {
	return func(r result) (string, error) {
		unit, of := "a GiB", func(s sample) float64 { return s.whole() / s.gib }
		if op == protocol.Head {
			unit, of = "a request", func(s sample) float64 { return s.whole() * 1000 / float64(s.requests) }
		}
		with, err := r.figure(xchacha, op, of)
		if err != nil {
			return "", err
		}
		without, err := r.figure(direct, op, of)
		if err != nil {
			return "", err
		}
		measure := "s"
		if op == protocol.Head {
			measure = "ms"
		}
		return fmt.Sprintf("client, proxy and store share %d cores: %s costs them %.2f %s of CPU together, and %.2f where client and store talk over plain HTTP; "+
			"the quotient, %.2f, is the most that full cores allow", runtime.NumCPU(), unit, with.Median, measure, without.Median, without.Median/with.Median), nil
	}
}

// renderShortfalls names what is not met, with its reason.
func renderShortfalls(results []result, missed []target) (string, error) {
	if len(missed) == 0 {
		return "", nil
	}
	var b strings.Builder
	b.WriteString("What is not met, and why:\n\n")
	for _, t := range missed {
		r, _ := scenarioOf(results, t)
		why, err := t.why(r)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "- %s: %s.\n", t.text, why)
	}
	return b.String() + "\n", nil
}

// Reasons that no window measures; the profiles behind them are in docs/profiling.md.
var (
	hashesAndSockets = because("what is left is SHA-256 and MD5 of the plain bytes, two sockets, and TLS; docs/profiling.md has the profile")
	rawOpening       = because("what is more than in pass-through is the opening itself, at the speeds of the raw ciphers under \"Sealing and hashing alone\", while each byte is in memory once more")
	besideRclone     = because("a GET is mostly TLS and two sockets, which cost both the same: our pass-through, which opens nothing, takes nearly as much as 0.4 of rclone's CPU (\"PBS: 4 MiB, 16 in flight, versitygw\"), and for throughput client and store share the cores")
	oneConnection    = because("one connection is served by one core at a time in each process, and what it waits for is the store's core in a PUT and the proxy's TLS in a GET, not sealing (its table has what a GiB takes each); what a second worker is to the pipeline alone, `Seal` and `Open` with `workers=2` say under \"Sealing and hashing alone\"")
	farStore         = because("each body is received, proved and sealed whole before its first byte is sent, so that it can be sent again, and the line waits for the first of each window; client, proxy and store take turns on the cores that the line's own clock needs too")
	plumbing         = because("pass-through costs the same: it is TLS records, HTTP and two signatures, not sealing; docs/profiling.md")
	budgetSet        = because("more is in motion than `pipeline.budget` counts")
	oneOpening       = because("the object is opened whole before its status line")
)
