package manual

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLinksLeadSomewhere: every relative link of the documents, and every heading that one
// names, is there: in the repository, and below /usr/share/doc, where the package puts them.
func TestLinksLeadSomewhere(t *testing.T) {
	const root = "../../.."
	installed := t.TempDir()
	if out, err := exec.Command(filepath.Join(root, "deploy/debian/docs"), installed).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for where, dir := range map[string]string{"the repository": root, "the package": installed} {
		links, broken := followLinks(t, dir)
		if links < 50 {
			t.Errorf("in %s: only %d links were found", where, links)
		}
		for _, b := range broken {
			t.Errorf("in %s: %s", where, b)
		}
	}
}

// TestBrokenLinksAreFound is the control of the above.
func TestBrokenLinksAreFound(t *testing.T) {
	above := t.TempDir()
	dir := filepath.Join(above, "top")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a.md": "# One `two`, three\n\n[good](sub/b.md#plain) [good](#one-two-three) [good](sub) [out](https://example.com/none) `[code](none)`\n```\n[code](none)\n# none\n```\n[no file](none.md) [no\nheading](sub/b.md#none) [no heading](#none)\n",
		// A link above the top may lead to anything on one machine, and to nothing on the next.
		"sub/b.md":    "## Plain\n\n[good](../a.md) [leaves](../../above.md)\n",
		"../above.md": "above\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, broken := followLinks(t, dir)
	slices.Sort(broken)
	want := []string{"a.md: #none", "a.md: none.md", "a.md: sub/b.md#none", "sub/b.md: ../../above.md"}
	if !slices.Equal(broken, want) {
		t.Errorf("%q, want %q", broken, want)
	}
}

var (
	link   = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	code   = regexp.MustCompile("`[^`\n]*`")
	scheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
)

// followLinks counts the relative links of all documents below root, and lists those that
// lead nowhere.
func followLinks(t *testing.T, root string) (links int, broken []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "dist" || d.Name() == "bin" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		from, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		text, _ := readDocument(t, path)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if scheme.MatchString(m[1]) {
				continue
			}
			links++
			if why := follow(t, root, path, m[1]); why != nil {
				broken = append(broken, fmt.Sprintf("%s: %s", from, m[1]))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return links, broken
}

// follow goes to the target of a link in the document at path.
func follow(t *testing.T, root, path, target string) error {
	t.Helper()
	file, heading, _ := strings.Cut(target, "#")
	file, err := url.PathUnescape(file)
	if err != nil {
		return err
	}
	to := path
	if file != "" {
		to = filepath.Join(filepath.Dir(path), file)
	}
	if rel, err := filepath.Rel(root, to); err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("it leaves the documents")
	}
	if _, err := os.Stat(to); err != nil {
		return err
	}
	if heading == "" {
		return nil
	}
	if _, headings := readDocument(t, to); !slices.Contains(headings, heading) {
		return fmt.Errorf("no such heading")
	}
	return nil
}

// readDocument gives a document without its code, and the anchors of its headings as GitHub
// makes them.
func readDocument(t *testing.T, path string) (text string, headings []string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fenced := false
	seen := map[string]int{}
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if fenced {
			continue
		}
		if title := strings.TrimLeft(line, "#"); title != line && strings.HasPrefix(title, " ") {
			anchor := slug(title)
			headings = append(headings, anchor)
			if n := seen[anchor]; n > 0 {
				headings[len(headings)-1] = fmt.Sprintf("%s-%d", anchor, n)
			}
			seen[anchor]++
		}
		b.WriteString(code.ReplaceAllString(line, ""))
	}
	return b.String(), headings
}

// slug is the anchor of a heading.
func slug(title string) string {
	title = link.ReplaceAllString(title, "]")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || r > 0x7f:
			return r
		}
		return -1
	}, strings.ToLower(strings.TrimSpace(title)))
}
