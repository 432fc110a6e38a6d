package metric

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Source writes samples in the text format, without HELP and TYPE.
type Source func(w io.Writer)

// WriteText writes what the sources have as one document: every family in one place,
// sorted, those of the table with HELP and TYPE, others as they are. Comments of the
// sources are dropped.
func WriteText(w io.Writer, table []Desc, sources ...Source) error {
	var raw bytes.Buffer
	for _, s := range sources {
		s(&raw)
	}
	desc := make(map[string]Desc, len(table))
	for _, d := range table {
		desc[d.Name] = d
	}
	lines := map[string][]string{}
	for line := range strings.Lines(raw.String()) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		name := family(line, desc)
		lines[name] = append(lines[name], line)
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		if d, ok := desc[name]; ok {
			fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, d.Help, name, d.Kind)
		}
		for _, line := range lines[name] {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Family is the name under which a sample line stands in the table: without labels,
// and without the endings of a histogram that the table has.
func Family(line string, table []Desc) string {
	desc := make(map[string]Desc, len(table))
	for _, d := range table {
		desc[d.Name] = d
	}
	return family(line, desc)
}

func family(line string, table map[string]Desc) string {
	name := line
	if end := strings.IndexAny(line, "{ "); end >= 0 {
		name = line[:end]
	}
	for _, ending := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, ending); ok && table[base].Kind == HistogramKind {
			return base
		}
	}
	return name
}

// quote writes a label's value, escaped as the format wants it.
func quote(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(value) + `"`
}
