package metric

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestHistogramText(t *testing.T) {
	v := NewVec("d_seconds", "op", time.Millisecond, 3) // 1, 2 and 4 ms
	for _, d := range []time.Duration{-time.Second, time.Millisecond, time.Millisecond + 1, 4 * time.Millisecond, time.Hour} {
		v.With("get").Observe(d)
	}
	alone := NewVec("a_seconds", "", time.Second, 1)
	alone.With("").Observe(500 * time.Millisecond)
	var b strings.Builder
	v.WritePrometheus(&b)
	alone.WritePrometheus(&b)
	const want = `d_seconds_bucket{op="get",le="0.001"} 2
d_seconds_bucket{op="get",le="0.002"} 3
d_seconds_bucket{op="get",le="0.004"} 4
d_seconds_bucket{op="get",le="+Inf"} 5
d_seconds_sum{op="get"} 3600.006000001
d_seconds_count{op="get"} 5
a_seconds_bucket{le="1"} 1
a_seconds_bucket{le="+Inf"} 1
a_seconds_sum 0.5
a_seconds_count 1
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
}

func TestVecEscapesItsLabel(t *testing.T) {
	v := NewVec("d", "op", time.Second, 1)
	v.With("a\"b\\c\nd").Observe(0)
	var b strings.Builder
	v.WritePrometheus(&b)
	if want := `d_count{op="a\"b\\c\nd"} 1`; !strings.Contains(b.String(), want) {
		t.Errorf("%s\nhas no %s", &b, want)
	}
}

func TestQuantile(t *testing.T) {
	h := NewHistogram(time.Millisecond, 4)
	if _, ok := h.Counts().Quantile(0.5); ok {
		t.Error("a quantile of nothing")
	}
	for range 90 {
		h.Observe(time.Millisecond)
	}
	before := h.Counts()
	for range 10 {
		h.Observe(7 * time.Millisecond)
	}
	want := func(c Counts, q float64, low, high time.Duration) {
		t.Helper()
		if d, ok := c.Quantile(q); !ok || d <= low || d > high {
			t.Errorf("quantile %v is %v, want within (%v, %v]", q, d, low, high)
		}
	}
	want(h.Counts(), 0.5, 0, time.Millisecond)
	want(h.Counts(), 0.9, 0, time.Millisecond)
	want(h.Counts(), 0.95, 4*time.Millisecond, 8*time.Millisecond)
	want(h.Counts().Since(before), 0.01, 4*time.Millisecond, 8*time.Millisecond)
	if n := h.Counts().Since(before).Total(); n != 10 {
		t.Errorf("%d since, want 10", n)
	}
	h.Observe(time.Hour)
	if d, _ := h.Counts().Quantile(1); d != 8*time.Millisecond {
		t.Errorf("what is beyond the bounds is told as %v", d)
	}
}

func TestWriteText(t *testing.T) {
	table := []Desc{
		{Name: "a_total", Kind: Counter, Help: "A."},
		{Name: "b_seconds", Kind: HistogramKind, Labels: []string{"op"}, Help: "B."},
		{Name: "c_count", Kind: Gauge, Help: "No histogram."},
	}
	one := func(w io.Writer) {
		io.WriteString(w, "# TYPE x y\nz_unknown 1\nb_seconds_bucket{op=\"x_sum 1\",le=\"+Inf\"} 1\nc_count 3\na_total{k=\"2\"} 2\n")
	}
	two := func(w io.Writer) { io.WriteString(w, "a_total{k=\"1\"} 1\nb_seconds_sum 4\nb_seconds_count 1\n") }
	var b strings.Builder
	if err := WriteText(&b, table, one, two); err != nil {
		t.Fatal(err)
	}
	const want = `# HELP a_total A.
# TYPE a_total counter
a_total{k="2"} 2
a_total{k="1"} 1
# HELP b_seconds B.
# TYPE b_seconds histogram
b_seconds_bucket{op="x_sum 1",le="+Inf"} 1
b_seconds_sum 4
b_seconds_count 1
# HELP c_count No histogram.
# TYPE c_count gauge
c_count 3
z_unknown 1
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
	b.Reset()
	if err := WriteMarkdown(&b, table); err != nil {
		t.Fatal(err)
	}
	if want := "| `b_seconds` | histogram | `op` | B. |\n"; !strings.Contains(b.String(), want) {
		t.Errorf("%s\nhas no %s", &b, want)
	}
}
