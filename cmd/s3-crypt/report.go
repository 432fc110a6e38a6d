package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/rewrap"
)

// print writes the closing report.
func (s *session) print(r rewrap.Report) error {
	if s.opt.json {
		return json.NewEncoder(s.stdout).Encode(r)
	}
	w := bufio.NewWriter(s.stdout)
	writeReport(w, r)
	return w.Flush()
}

// writeReport writes the report for people.
func writeReport(w io.Writer, r rewrap.Report) {
	whole := ""
	if !r.Complete {
		whole = ", not looked at to its end"
	}
	fmt.Fprintf(w, "bucket %s%s\n", r.Bucket, whole)
	kinds := []struct {
		name  string
		count rewrap.Count
		show  bool
	}{
		{"looked at", r.Seen, true},
		{"rewrapped now", r.Kinds.Rewrapped, !r.Survey},
		{"under the active key before", r.Kinds.Current, !r.Survey},
		{"to be rewrapped", r.Kinds.Older, r.Survey},
		{"do not open, not touched", r.Kinds.Unreadable, r.Kinds.Unreadable.Objects > 0},
		{"kept changing, not touched", r.Kinds.Changed, r.Kinds.Changed.Objects > 0},
		{"held, not touched", r.Kinds.Held, r.Kinds.Held.Objects > 0},
		{"failed, old or new", r.Kinds.Failed, r.Kinds.Failed.Objects > 0},
		{"deleted meanwhile", r.Kinds.Gone, r.Kinds.Gone.Objects > 0},
	}
	for _, k := range kinds {
		if k.show {
			fmt.Fprintf(w, "  %-28s %s\n", k.name, countText(k.count))
		}
	}
	fmt.Fprintln(w, "keys")
	for _, k := range r.Keys {
		fmt.Fprintf(w, "  %s  %-28s %s\n", k.ID, countText(k.Count), keyText(r, k))
	}
	if r.Further.Objects > 0 {
		fmt.Fprintf(w, "  further keys      %s\n", countText(r.Further))
	}
	if r.Keyless > 0 {
		fmt.Fprintf(w, "  not seen          %s\n", objectsText(r.Keyless))
	}
	writeVersions(w, r)
	if len(r.Trouble) > 0 {
		fmt.Fprintln(w, "trouble")
	}
	for _, t := range r.Trouble {
		fmt.Fprintf(w, "  %s: %s: %s\n", printable(t.Key), t.Kind, printable(t.Reason))
	}
	if r.Unnamed > 0 {
		fmt.Fprintf(w, "  and %s more\n", objectsText(r.Unnamed))
	}
}

// writeVersions tells of noncurrent versions, which no rewrap can bring under another
// key.
func writeVersions(w io.Writer, r rewrap.Report) {
	var rows []string
	for _, k := range r.Keys {
		if k.Noncurrent.Objects > 0 {
			rows = append(rows, fmt.Sprintf("  %s  %s", k.ID, countText(k.Noncurrent)))
		}
	}
	if r.NoncurrentUnseen > 0 {
		rows = append(rows, "  not seen          "+objectsText(r.NoncurrentUnseen))
	}
	if r.NoncurrentHidden {
		rows = append(rows, "  the backend does not tell whether there are any")
	}
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(w, "noncurrent versions, which stay under their keys")
	for _, row := range rows {
		fmt.Fprintln(w, row)
	}
}

// keyText says what a key is to the bucket, and whether it can go.
func keyText(r rewrap.Report, k rewrap.KeyReport) string {
	var is []string
	switch {
	case k.Active:
		is = append(is, "active")
	case k.Recorded:
		is = append(is, "older")
	default:
		is = append(is, "not in the bucket's state")
	}
	if !k.Loaded {
		is = append(is, "not loaded")
	}
	switch {
	case k.Retirable:
		is = append(is, "unused, can be retired: s3-crypt retire "+r.Bucket+" "+k.ID)
	case k.Recorded && !k.Active:
		is = append(is, "cannot be retired: "+whyNot(r, k))
	}
	return strings.Join(is, ", ")
}

func whyNot(r rewrap.Report, k rewrap.KeyReport) string {
	switch {
	case k.Objects > 0:
		return "in use"
	case !r.Complete:
		return "not all objects were looked at"
	case k.Noncurrent.Objects > 0:
		return "in use by noncurrent versions"
	case r.NoncurrentUnseen > 0 || r.NoncurrentHidden:
		return "noncurrent versions may be under it"
	}
	return "the key of some objects was not seen"
}

func countText(c rewrap.Count) string { return objectsText(c.Objects) + ", " + bytesText(c.Bytes) }

func objectsText(n int64) string {
	if n == 1 {
		return "1 object"
	}
	return strconv.FormatInt(n, 10) + " objects"
}

// bytesText is a size for people, in binary units.
func bytesText(n int64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB"}
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1024, 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// printable keeps names of objects from moving the cursor: clients choose them.
func printable(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return strconv.Quote(s)
		}
	}
	return s
}

// objectPrinter writes a line for each object. The zero one writes nothing.
type objectPrinter struct {
	w    *bufio.Writer
	json bool
}

func newObjectPrinter(w io.Writer, asJSON bool) objectPrinter {
	return objectPrinter{bufio.NewWriter(w), asJSON}
}

// objectLine is a line of --objects --json.
type objectLine struct {
	Key   string      `json:"key"`
	Bytes int64       `json:"bytes"`
	Kind  rewrap.Kind `json:"outcome"`
	KeyID string      `json:"key_id,omitempty"`
}

// print is rewrap.Config.Each. What cannot be written is told by flush.
func (p objectPrinter) print(o rewrap.Outcome) {
	line := objectLine{Key: o.Key, Bytes: o.Size, Kind: o.Kind}
	if o.Named {
		line.KeyID = o.KeyID.String()
	}
	if p.json {
		_ = json.NewEncoder(p.w).Encode(line)
		return
	}
	if line.KeyID == "" {
		line.KeyID = strings.Repeat("-", 16)
	}
	_, _ = fmt.Fprintf(p.w, "%s %12d %-10s %s\n", line.KeyID, line.Bytes, line.Kind, printable(line.Key))
}

func (p objectPrinter) flush() error {
	if p.w == nil {
		return nil
	}
	return p.w.Flush()
}
