package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// chapter of the document that lists the exceptions.
const chapter = "\n## Exceptions of the conformance suite\n"

// Sections of the chapter.
const (
	withVersions    = "\n### Only on a server with versions\n"
	withoutVersions = "\n### Only on a server without versions\n"
)

// An exception is a test that fails.
type exception struct{ cause, why string }

// exceptions reads the tables of the document: names of tests, the cause (one of causes), and why they fail.
//
//	| Tests | Cause | Why |
//	|---|---|---|
//	| A_test, B_test | users | a reason |
//
// Those of the chapter itself fail on a server with versions and on one without, those of its two sections on one alone.
func exceptions(path string, versioning bool) (map[string]exception, error) {
	doc, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	_, text, found := strings.Cut(string(doc), chapter)
	if !found {
		return nil, fmt.Errorf("%s has no chapter %q", path, strings.TrimSpace(chapter))
	}
	text, _, _ = strings.Cut(text, "\n## ")
	other := withVersions
	if versioning {
		other = withoutVersions
	}
	if before, after, found := strings.Cut(text, other); found {
		_, after, _ = strings.Cut(after, "\n### ")
		text = before + "\n### " + after
	}
	listed := map[string]exception{}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 3 || strings.TrimSpace(cells[0]) == "Tests" {
			continue
		}
		e := exception{strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2])}
		for name := range strings.SplitSeq(cells[0], ",") {
			name = strings.TrimSpace(name)
			_, twice := listed[name]
			switch {
			case twice:
				return nil, fmt.Errorf("%s lists %s twice", path, name)
			case e.why == "":
				return nil, fmt.Errorf("%s gives no reason for %s", path, name)
			case !slices.Contains(causes, e.cause):
				return nil, fmt.Errorf("%s gives a cause for %s that there is none of: %q", path, name, e.cause)
			}
			listed[name] = e
		}
	}
	return listed, nil
}

// compare returns what is wrong: tests that failed and are not listed, and listed ones that passed.
func compare(names []string, failed map[string]string, listed map[string]exception) (wrong []string) {
	for _, n := range names {
		_, isListed := listed[n]
		why, hasFailed := failed[n]
		switch {
		case hasFailed && !isListed:
			wrong = append(wrong, fmt.Sprintf("FAILED, and not among the exceptions: %s: %s", n, why))
		case isListed && !hasFailed:
			wrong = append(wrong, fmt.Sprintf("PASSED, and among the exceptions: %s", n))
		}
	}
	return wrong
}

// unknown are listed names that no test has.
func unknown(all []string, listed map[string]exception) (wrong []string) {
	for n := range listed {
		if !slices.Contains(all, n) {
			wrong = append(wrong, "among the exceptions, and no test: "+n)
		}
	}
	slices.Sort(wrong)
	return wrong
}
