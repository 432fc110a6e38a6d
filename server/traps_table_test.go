package server

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryTrapHasItsTests: each test that docs/traps.md names is somewhere in this
// repository, and no trap is without.
func TestEveryTrapHasItsTests(t *testing.T) {
	have := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			if err == nil && d.IsDir() && path != ".." && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			have[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/traps.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| \d+ \|.*\|$`).FindAllString(string(page), -1)
	if len(rows) != 15 {
		t.Errorf("%d traps", len(rows))
	}
	name := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	for _, row := range rows {
		tests := name.FindAllStringSubmatch(row, -1)
		if len(tests) < 2 {
			t.Errorf("too few tests: %s", row)
		}
		for _, m := range tests {
			if !have[m[1]] {
				t.Errorf("%s is nowhere: %.60s", m[1], row)
			}
		}
	}
}
