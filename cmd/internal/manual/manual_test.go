package manual

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestEscaping(t *testing.T) {
	for given, want := range map[string]string{
		"a - b":             `a \- b`,
		".TH is no request": `\&.TH is no request`,
		`\fB back`:          `\efB back`,
		"'tis ~ ^ `x`":      `\(aqtis \(ti \(ha \(gax\(ga`,
		"--config FILE":     `\-\-config FILE`,
	} {
		r := &roff{}
		r.lines(given)
		if r.String() != want+"\n" {
			t.Errorf("%q becomes %q, want %q", given, r, want)
		}
	}
	r := &roff{}
	r.request("SH", `say "no" \ twice`)
	if want := ".SH \"say \\(dqno\\(dq \\e twice\"\n"; r.String() != want {
		t.Errorf("%q, want %q", r, want)
	}
}

func TestProgramPage(t *testing.T) {
	doc := filepath.Join(t.TempDir(), "doc.go")
	const text = `// Tool does it.
//
// # Usage
//
//	tool [make]
//
// # Exit status
//
//	0   done
//
// # Promises, each with the test that proves it
//
//   - None.
package main
`
	if err := os.WriteFile(doc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	root := &cobra.Command{Use: "tool", Short: "does it", Run: func(*cobra.Command, []string) {}}
	root.PersistentFlags().String("config", "", "the `FILE`")
	group := &cobra.Command{Use: "key", Short: "keys"}
	sub := &cobra.Command{Use: "make NAME", Short: "make one", Long: "make makes:\n\n  one\n  two\n", Run: func(*cobra.Command, []string) {}}
	sub.Flags().BoolP("force", "f", false, "do not ask")
	group.AddCommand(sub)
	root.AddCommand(group)
	dir := t.TempDir()
	if err := Write(dir, Program{Root: root, Doc: doc, Section: 8, See: []string{"other(1)"}}); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "man", "tool.8"))
	if err != nil {
		t.Fatal(err)
	}
	rest := string(page)
	for _, want := range []string{
		".TH \"TOOL\" \"8\"", "tool \\- does it\n", ".SH \"SYNOPSIS\"\n", "tool [make]\n", ".SH \"DESCRIPTION\"\n", "Tool does it.\n", ".SH \"OPTIONS\"\n", ".B \\-\\-config FILE\nthe FILE\n",
		".SS \"key make NAME\"\n", "make makes:\n", ".nf\none\ntwo\n.fi\n", ".B \\-f, \\-\\-force\ndo not ask\n", ".SH \"EXIT STATUS\"\n", "0   done\n", ".SH \"SEE ALSO\"\nother(1)\n",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("no %q in what is left of\n%s", want, page)
		}
		rest = after
	}
	if strings.Contains(string(page), "PROMISES") {
		t.Error("promises to programmers are in the page")
	}
	for _, name := range []string{"bash/tool", "zsh/_tool", "fish/tool.fish"} {
		if info, err := os.Stat(filepath.Join(dir, "completions", name)); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
