package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestDocumentAndRunMustAgree(t *testing.T) {
	names := []string{"passes", "fails", "listed", "mended"}
	got := compare(names, map[string]string{"fails": "why", "listed": "why"}, map[string]string{"listed": "reason", "mended": "reason"})
	want := []string{"FAILED, and not among the exceptions: fails: why", "PASSED, and among the exceptions: mended"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := unknown(names, map[string]string{"listed": "r", "renamed": "r"}); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestExceptionsAreReadFromTheDocument(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	for text, want := range map[string]int{
		"# x\n" + chapter + "\n| Tests | Why |\n|---|---|\n| a, b | one reason |\n| c | another |\n\n## Next\n| d | no |\n": 3,
		"# x\n" + chapter + "\n| a | |\n":              -1,
		"# x\n" + chapter + "\n| a | x |\n| a | x |\n": -1,
		"# x\n": -1,
		"# x\n" + chapter + "| a | x |\n" + withVersions + "| b | x |\n| c | x |\n" + withoutVersions + "| d | x |\n\n## Next\n| e | x |\n": 2,
		"# x\n" + chapter + "| a | x |\n" + withoutVersions + "| b | x |\n| c | x |\n" + withVersions + "| d | x |\n":                       3,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := exceptions(path, false)
		if err != nil && want >= 0 || err == nil && len(got) != want {
			t.Errorf("%q: %v, %v; want %d", text, got, err, want)
		}
	}
}

// A test that was running when its process ended is run once more, alone, before it is blamed.
func TestProcessThatEndsIsBlamedOnTheRightTest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results")
	out, err := openNotes(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []note{{Test: "ends"}, {Test: "beside"}, {Test: "beside"}, {Test: "beside", Ended: true}, {Test: "ends"}, {Test: "fails"}, {Test: "fails", Ended: true, Error: "why"}, {Test: "once"}} {
		out.write(n)
	}
	last, err := readNotes(path)
	if err != nil {
		t.Fatal(err)
	}
	failed, left := judged([]string{"ends", "beside", "fails", "once", "never"}, last)
	if left != 2 || len(failed) != 2 || failed["ends"] == "" || failed["fails"] != "why" {
		t.Errorf("%v, %d left", failed, left)
	}
}
