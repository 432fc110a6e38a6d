package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestDocumentAndRunMustAgree(t *testing.T) {
	names := []string{"passes", "fails", "listed", "mended"}
	got := compare(names, map[string]string{"fails": "why", "listed": "why"}, map[string]exception{"listed": {}, "mended": {}})
	want := []string{"FAILED, and not among the exceptions: fails: why", "PASSED, and among the exceptions: mended"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := unknown(names, map[string]exception{"listed": {}, "renamed": {}}); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestExceptionsAreReadFromTheDocument(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	for text, want := range map[string]int{
		"# x\n" + chapter + "\n| Tests | Cause | Why |\n|---|---|---|\n| a, b | users | one reason |\n| c | public | another |\n\n## Next\n| d | users | no |\n": 3,
		"# x\n" + chapter + "\n| a | users | |\n":                      -1,
		"# x\n" + chapter + "\n| a | weather | x |\n":                  -1,
		"# x\n" + chapter + "\n| a | users | x |\n| a | users | x |\n": -1,
		"# x\n": -1,
		"# x\n" + chapter + "| a | users | x |\n" + withVersions + "| b | users | x |\n| c | users | x |\n" + withoutVersions + "| d | users | x |\n\n## Next\n| e | users | x |\n": 2,
		"# x\n" + chapter + "| a | users | x |\n" + withoutVersions + "| b | users | x |\n| c | users | x |\n" + withVersions + "| d | users | x |\n":                               3,
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
