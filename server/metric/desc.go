package metric

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Kind is the form of a figure, in Prometheus' words.
type Kind string

// The kinds.
const (
	Counter       Kind = "counter"
	Gauge         Kind = "gauge"
	HistogramKind Kind = "histogram"
)

// Desc describes a family of figures.
type Desc struct {
	Name   string // whole, with its prefix and unit
	Kind   Kind
	Labels []string
	Help   string // one sentence, for operators; no line breaks
}

// WriteMarkdown writes a table as the manual has it, sorted by name.
func WriteMarkdown(w io.Writer, table []Desc) error {
	var b strings.Builder
	b.WriteString("| name | kind | labels | what it tells |\n|---|---|---|---|\n")
	for _, d := range sorted(table) {
		labels := make([]string, len(d.Labels))
		for i, l := range d.Labels {
			labels[i] = "`" + l + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.Name, d.Kind, strings.Join(labels, ", "), d.Help)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func sorted(table []Desc) []Desc {
	table = slices.Clone(table)
	slices.SortFunc(table, func(a, b Desc) int { return strings.Compare(a.Name, b.Name) })
	return table
}
