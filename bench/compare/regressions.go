package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// worst is how much worse a median may be, as a fraction, before it counts: what code moves by being laid out otherwise.
const worst = 0.05

// regressions names what is slower in benchstat's CSV, whose tables have the columns name, base, its spread, this, its
// spread, change, p. A change reads "~" where benchstat takes it for noise, else like "+7.31%".
func regressions(table string) ([]string, error) {
	var out []string
	unit, tables := "", 0
	r := csv.NewReader(strings.NewReader(table))
	r.FieldsPerRecord = -1
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read benchstat's table: %w", err)
		}
		if len(row) >= 6 && row[0] == "" && row[5] == "vs base" {
			unit, tables = row[1], tables+1
			continue
		}
		if len(row) < 6 || row[0] == "" || row[0] == "geomean" || !strings.HasSuffix(row[5], "%") {
			continue
		}
		change, err := strconv.ParseFloat(strings.TrimSuffix(row[5], "%"), 64)
		if err != nil {
			return nil, fmt.Errorf("cannot read benchstat's change %q of %s: %w", row[5], row[0], err)
		}
		if unit == "B/s" {
			change = -change // less is worse
		}
		if change/100 > worst {
			out = append(out, fmt.Sprintf("%s: %s %s (%s)", row[0], row[5], unit, strings.Join(row[6:], " ")))
		}
	}
	if tables == 0 {
		return nil, errors.New("cannot read benchstat's table: it has no column `vs base`")
	}
	return out, nil
}
