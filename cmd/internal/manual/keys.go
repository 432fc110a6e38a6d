package manual

import (
	"fmt"
	"strings"
)

// KeysPage is the man page of a configuration file. intro is in the form of Go doc
// comments. The text of keys has, for each, its name at the beginning of a line,
// and indented lines below.
func KeysPage(name, short, intro, keys string, see ...string) []byte {
	r := &roff{}
	r.title(name, 5, short)
	r.heading("Description")
	r.text(parse(intro))
	r.heading("Keys")
	for line := range strings.Lines(keys) {
		switch line = strings.TrimRight(line, "\n"); {
		case line == "":
		case strings.HasPrefix(line, " "):
			if strings.HasPrefix(strings.TrimSpace(line), "Takes: ") {
				r.WriteString(".br\n")
			}
			r.lines(strings.TrimSpace(line))
		default:
			fmt.Fprint(r, ".TP\n.B ")
			r.lines(line)
		}
	}
	r.see(see)
	return []byte(r.String())
}

// FilePage is the man page of a configuration file whose explained example is its
// whole description.
func FilePage(name, short, intro, example string, see ...string) []byte {
	r := &roff{}
	r.title(name, 5, short)
	r.heading("Description")
	r.text(parse(intro))
	r.heading("Keys")
	r.code(example)
	r.see(see)
	return []byte(r.String())
}
