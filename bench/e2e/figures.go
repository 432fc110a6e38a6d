package main

import (
	"encoding/json"
	"io"
)

// figures are the medians of a column under an operation, for other programs: `e2e -json`.
type figures struct {
	Scenario, Column, Op   string
	MiBPerSecond           float64
	Client, Proxy, Backend float64 // CPU seconds a GiB
}

// writeFigures writes one JSON object for each column and operation that moves bytes.
func writeFigures(w io.Writer, results []result) error {
	enc := json.NewEncoder(w)
	for _, r := range results {
		for _, c := range r.columns {
			for _, op := range r.ops {
				of := func(f func(sample) float64) float64 { return spreadOf(c.samples[op], f).Median }
				if c.samples[op][0].gib == 0 {
					continue
				}
				err := enc.Encode(figures{r.id, c.bucket, op, of(speed), of(func(s sample) float64 { return s.perGiB(s.client) }),
					of(proxyCPU), of(func(s sample) float64 { return s.perGiB(s.backend) })})
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}
