package manual

import (
	"fmt"
	"go/doc/comment"
	"strings"
)

// roff collects a man page (man(7)).
type roff struct{ strings.Builder }

// escape makes text mean itself: roff's own characters, and a dot or quote that
// would begin a request.
var escape = strings.NewReplacer(`\`, `\e`, "-", `\-`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`, "'", `\(aq`)

// lines writes text that is not to be filled, or is one paragraph.
func (r *roff) lines(text string) {
	for line := range strings.Lines(text) {
		line = escape.Replace(strings.TrimRight(line, " \n"))
		if strings.HasPrefix(line, ".") || line == "" {
			line = `\&` + line
		}
		r.WriteString(line + "\n")
	}
}

// request writes a request with quoted arguments.
func (r *roff) request(name string, args ...string) {
	r.WriteString("." + name)
	for _, a := range args {
		fmt.Fprintf(r, ` "%s"`, strings.ReplaceAll(escape.Replace(a), `"`, `\(dq`))
	}
	r.WriteString("\n")
}

// heading begins a section.
func (r *roff) heading(text string) { r.request("SH", strings.ToUpper(text)) }

// code writes lines as they are.
func (r *roff) code(text string) {
	r.WriteString(".PP\n.RS 2\n.nf\n")
	r.lines(strings.ReplaceAll(text, "\t", "    "))
	r.WriteString(".fi\n.RE\n")
}

// text writes a Go doc comment: paragraphs, indented code, lists. Headings are the
// caller's.
func (r *roff) text(blocks []comment.Block) {
	for _, b := range blocks {
		switch b := b.(type) {
		case *comment.Paragraph:
			r.WriteString(".PP\n")
			r.lines(plain(b.Text))
		case *comment.Code:
			r.code(b.Text)
		case *comment.List:
			for _, item := range b.Items {
				mark := "*"
				if item.Number != "" {
					mark = item.Number + "."
				}
				r.request("IP", mark, "4")
				for i, c := range item.Content {
					if p, ok := c.(*comment.Paragraph); ok {
						if i > 0 {
							r.WriteString(".IP\n")
						}
						r.lines(plain(p.Text))
					}
				}
			}
		case *comment.Heading:
			r.request("SS", plain(b.Text))
		}
	}
}

// plain is text without marks.
func plain(text []comment.Text) string {
	var b strings.Builder
	for _, t := range text {
		switch t := t.(type) {
		case comment.Plain:
			b.WriteString(string(t))
		case comment.Italic:
			b.WriteString(string(t))
		case *comment.Link:
			b.WriteString(plain(t.Text))
		case *comment.DocLink:
			b.WriteString(plain(t.Text))
		}
	}
	return b.String()
}

// parse reads text in the form of Go doc comments, which help texts have too.
func parse(text string) []comment.Block {
	var p comment.Parser
	return p.Parse(text).Content
}
