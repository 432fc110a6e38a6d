package main

import (
	"os"
	"testing"
)

// TestRegressions reads what benchstat wrote of two runs (testdata/benchstat.csv): one benchmark slower by 30 %, one by 3 %, one
// faster, one within the noise, and one that allocates more.
func TestRegressions(t *testing.T) {
	table, err := os.ReadFile("testdata/benchstat.csv")
	if err != nil {
		t.Fatal(err)
	}
	got, err := regressions(string(table))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Slower-2: +30.00% sec/op (p=0.000 n=8)",
		"Slower-2: -23.08% B/s (p=0.000 n=8)",
		"Greedy-2: +50.00% allocs/op (p=0.000 n=8)",
	}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
	if _, err := regressions("another,form\n"); err == nil {
		t.Error("a table of another form has no regressions")
	}
}
