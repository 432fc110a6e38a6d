package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/versity/versitygw/tests/integration"
)

const document = "../../docs/s3-compatibility.md"

// TestFiguresAreThoseOfTheTables: no figure above the exceptions is typed.
func TestFiguresAreThoseOfTheTables(t *testing.T) {
	_, have, _, err := summarized(document)
	if err != nil {
		t.Fatal(err)
	}
	want, err := summary(document)
	if err != nil {
		t.Fatal(err)
	}
	if have != want {
		t.Errorf("run bin/conformance -write; the document has\n%swant\n%s", have, want)
	}
}

// TestExceptionsAreTests: none is of a test that was renamed or is not run.
func TestExceptionsAreTests(t *testing.T) {
	every := regexp.MustCompile("")
	for _, versioning := range []bool{false, true} {
		listed, err := exceptions(document, versioning)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range unknown(append(chosen(every, false), chosen(every, true)...), listed) {
			t.Error(wrong)
		}
	}
}

// TestFamiliesHaveTests: a pattern that matches nothing would count as core what it was made for.
func TestFamiliesHaveTests(t *testing.T) {
	for _, f := range beside {
		found := false
		for name := range integration.GetIntTests() {
			found = found || f.tests.MatchString(name)
		}
		if !found {
			t.Errorf("no test is about %s", f.about)
		}
	}
	for name, want := range map[string]bool{"PutObject_success": true, "ListObjectVersions_checksum": true, "AccessControl_x": false, "GetObjectAcl_x": false} {
		if core(name) != want {
			t.Errorf("%s: %v", name, core(name))
		}
	}
}

// TestWritingLeavesTheRest: what stands around the table stays, and a document without a place for it is not touched.
func TestWritingLeavesTheRest(t *testing.T) {
	doc, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "doc.md")
	for text, ok := range map[string]bool{strings.Replace(string(doc), summaryBegin, summaryBegin+"| stale |\n", 1): true, strings.Replace(string(doc), summaryBegin, "", 1): false} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := writeSummary(path); (err == nil) != ok {
			t.Errorf("%v", err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := string(doc); ok && string(got) != want || !ok && string(got) != text {
			t.Error("the document is not what it was")
		}
	}
}
