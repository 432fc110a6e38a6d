package report

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSpreadOf(t *testing.T) {
	in := []float64{3, 1, 2}
	if got := SpreadOf(in); got != (Spread{2, 1, 3}) || in[0] != 3 {
		t.Errorf("%+v", got)
	}
	if got := SpreadOf([]float64{4, 1, 2, 3}).Text(1); got != "2.5 (1.0–4.0)" {
		t.Error(got)
	}
}

func TestReplaceKeepsTheRest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "B.md")
	os.WriteFile(file, []byte("# Top\n"), 0o644)
	for _, step := range []struct{ name, text string }{{"a", "one"}, {"b", "two"}, {"a", "three"}} {
		if err := Replace(file, step.name, step.text); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := os.ReadFile(file)
	ab, ae := Marks("a")
	bb, be := Marks("b")
	want := "# Top\n\n" + ab + "\nthree\n" + ae + "\n\n" + bb + "\ntwo\n" + be + "\n"
	if string(got) != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	os.WriteFile(file, []byte(ab+"\nno end\n"), 0o644)
	if err := Replace(file, "a", "x"); err == nil {
		t.Error("broken marks are taken")
	}
}

func TestMachineNamesWhatCounts(t *testing.T) {
	line := Machine(context.Background())
	for _, part := range []string{"cores", "go1.", "commit", "L2"} {
		if !strings.Contains(line, part) {
			t.Errorf("%q lacks %q", line, part)
		}
	}
}
