package main

import (
	"slices"
	"testing"
)

func TestFigures(t *testing.T) {
	out := "=== RUN   TestA\n    a_test.go:7: seed: X=1\n    a_test.go:9: 3 writes, all there\n--- PASS: TestA (1.00s)\n=== RUN   TestB\n    b_test.go:1: peak 1 MiB\n--- PASS: TestB\nPASS\n"
	want := []string{"- `TestA`: seed: X=1\n", "- `TestA`: 3 writes, all there\n", "- `TestB`: peak 1 MiB\n"}
	if got := figures(out); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := figures("PASS\n"); len(got) != 0 {
		t.Errorf("%q", got)
	}
}
