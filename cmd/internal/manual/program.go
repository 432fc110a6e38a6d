package manual

import (
	"bytes"
	"fmt"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// product stands at the foot of every page.
const product = "s3-crypt-proxy"

// Program is what is to be described.
type Program struct {
	Root    *cobra.Command
	Doc     string // path of its doc.go
	Section int    // of the manual: 1 = for users, 8 = for the administrator of a machine
	See     []string
}

// Dir is where pages are to go: $S3CP_MANUAL_DIR, or "" if nobody wants them.
func Dir() string { return os.Getenv("S3CP_MANUAL_DIR") }

// Write makes man/NAME.SECTION and completions/{bash,zsh,fish}/… in dir.
func Write(dir string, p Program) error {
	page, err := p.Page()
	if err != nil {
		return fmt.Errorf("cannot make the manual of %s: %w", p.Root.Name(), err)
	}
	name := p.Root.Name()
	if err := Put(dir, fmt.Sprintf("man/%s.%d", name, p.Section), page); err != nil {
		return err
	}
	var bash, zsh, fish bytes.Buffer
	for _, err := range []error{p.Root.GenBashCompletionV2(&bash, true), p.Root.GenZshCompletion(&zsh), p.Root.GenFishCompletion(&fish, true)} {
		if err != nil {
			return fmt.Errorf("cannot make the completions of %s: %w", name, err)
		}
	}
	for path, content := range map[string][]byte{"bash/" + name: bash.Bytes(), "zsh/_" + name: zsh.Bytes(), "fish/" + name + ".fish": fish.Bytes()} {
		if err := Put(dir, "completions/"+path, content); err != nil {
			return err
		}
	}
	return nil
}

// Put writes a file of the manual, making its directories.
func Put(dir, name string, content []byte) error {
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

// Page is the man page.
func (p Program) Page() ([]byte, error) {
	sections, err := readDoc(p.Doc)
	if err != nil {
		return nil, err
	}
	r := &roff{}
	r.title(p.Root.Name(), p.Section, p.Root.Short)
	for _, s := range sections {
		if s.title == "Usage" {
			r.heading("Synopsis")
			r.text(s.blocks)
		}
	}
	r.heading("Description")
	r.text(sections[0].blocks)
	r.heading("Options")
	r.flags(p.Root.Flags(), p.Root.PersistentFlags())
	r.heading("Commands")
	r.commands(p.Root)
	for _, s := range sections[1:] {
		if s.title == "Usage" || strings.HasPrefix(s.title, "Promises") { // the latter are for who changes the code
			continue
		}
		r.heading(s.title)
		r.text(s.blocks)
	}
	r.see(p.See)
	return []byte(r.String()), nil
}

func (r *roff) title(name string, section int, short string) {
	r.request("TH", strings.ToUpper(name), fmt.Sprint(section), "", product, product)
	r.heading("Name")
	r.lines(name + " - " + short)
}

func (r *roff) see(pages []string) {
	r.heading("See also")
	r.lines(strings.Join(pages, ", "))
}

// commands describes every command below c with its own help.
func (r *roff) commands(c *cobra.Command) {
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() && !sub.IsAdditionalHelpTopicCommand() || sub.Name() == "help" {
			continue
		}
		if !sub.HasSubCommands() || sub.Long != "" {
			_, own, _ := strings.Cut(sub.UseLine(), " ")
			r.request("SS", strings.TrimSuffix(own, " [flags]"))
			about := sub.Long
			if about == "" {
				about = strings.ToUpper(sub.Short[:1]) + sub.Short[1:] + "."
			}
			r.text(parse(about))
			r.flags(sub.LocalNonPersistentFlags())
		}
		r.commands(sub)
	}
}

// flags describes flags; one that is in two sets is described once.
func (r *roff) flags(sets ...*pflag.FlagSet) {
	seen := map[string]bool{"help": true}
	for _, set := range sets {
		set.VisitAll(func(f *pflag.Flag) {
			if seen[f.Name] || f.Hidden {
				return
			}
			seen[f.Name] = true
			value, usage := pflag.UnquoteUsage(f)
			name := "--" + f.Name
			if f.Shorthand != "" {
				name = "-" + f.Shorthand + ", " + name
			}
			if value != "" {
				name += " " + value
			}
			r.WriteString(".TP\n.B ")
			r.lines(name)
			r.lines(usage)
		})
	}
}

// section is what stands below a heading of doc.go; the first has no title.
type section struct {
	title  string
	blocks []comment.Block
}

func readDoc(path string) ([]section, error) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		return nil, err
	}
	sections := []section{{}}
	for _, b := range parse(f.Doc.Text()) {
		if h, ok := b.(*comment.Heading); ok {
			sections = append(sections, section{title: plain(h.Text)})
			continue
		}
		last := &sections[len(sections)-1]
		last.blocks = append(last.blocks, b)
	}
	if len(sections[0].blocks) == 0 {
		return nil, fmt.Errorf("%s describes nothing", path)
	}
	return sections, nil
}
