package backend

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// errNotPlain: the document is for encoding/xml to judge.
var errNotPlain = errors.New("not a plain document")

// plain is elements for the XML that stores write: a declaration, elements without prefixes, text with references. It
// gives errNotPlain for all else, be it XML or not, so that it needs to be right only about what it takes: that
// encoding/xml takes it too, and for the same (FuzzPlainIsWhatXMLIs). It reads each byte once and copies none but texts
// with references; the names and values are parts of the document.
type plain struct {
	text  string
	at    int
	open  []string // elements that were entered and not left
	empty bool     // the last of them is of the form <name/>
}

func newPlain(text string) *plain {
	p := &plain{text: text, open: make([]string, 0, 8)}
	for _, d := range [...]string{`<?xml version="1.0" encoding="UTF-8"?>`, `<?xml version="1.0" encoding="utf-8"?>`, `<?xml version='1.0' encoding='utf-8' ?>`, `<?xml version='1.0' encoding='UTF-8'?>`, `<?xml version="1.0"?>`} {
		if strings.HasPrefix(text, d) {
			p.at = len(d)
			break
		}
	}
	return p
}

func (p *plain) enter() (string, bool, error) {
	if p.empty {
		p.leave()
		return "", false, nil
	}
	for p.at < len(p.text) && space(p.text[p.at]) {
		p.at++
	}
	if strings.HasPrefix(p.text[p.at:], "</") {
		return "", false, p.close()
	}
	name, err := p.tag()
	return name, err == nil, err
}

func (p *plain) value() (string, error) {
	if p.empty {
		p.leave()
		return "", nil
	}
	v, err := p.chars()
	if err != nil {
		return "", err
	}
	return v, p.close()
}

func (p *plain) skip() error {
	for depth := len(p.open); len(p.open) >= depth; {
		if p.empty {
			p.leave()
			continue
		}
		if _, err := p.chars(); err != nil {
			return err
		}
		if strings.HasPrefix(p.text[p.at:], "</") {
			if err := p.close(); err != nil {
				return err
			}
		} else if _, err := p.tag(); err != nil {
			return err
		}
	}
	return nil
}

func (p *plain) end() error {
	if len(p.open) > 0 || strings.Trim(p.text[p.at:], " \t\r\n") != "" {
		return errNotPlain
	}
	return nil
}

// leave forgets the element that was entered last.
func (p *plain) leave() { p.open, p.empty = p.open[:len(p.open)-1], false }

// close reads the end tag of the element that was entered last, and leaves it.
func (p *plain) close() error {
	if len(p.open) == 0 {
		return errNotPlain
	}
	name := p.open[len(p.open)-1]
	rest := p.text[p.at:]
	n := len("</") + len(name)
	if len(rest) <= n || rest[:2] != "</" || rest[2:n] != name || rest[n] != '>' {
		return errNotPlain
	}
	p.at += n + 1
	p.leave()
	return nil
}

// tag reads a start tag and enters its element. Attributes are passed over.
func (p *plain) tag() (string, error) {
	s := p.text
	i := p.at
	if i >= len(s) || s[i] != '<' || len(p.open) == maxDepth {
		return "", errNotPlain
	}
	i++
	start := i
	for i < len(s) && nameByte(s[i], i == start) {
		i++
	}
	name := s[start:i]
	if name == "" {
		return "", errNotPlain
	}
	for i < len(s) && space(s[i]) {
		for i < len(s) && space(s[i]) {
			i++
		}
		if i < len(s) && (s[i] == '>' || s[i] == '/') {
			break
		}
		n := attributeLength(s[i:])
		if n == 0 {
			return "", errNotPlain
		}
		i += n
	}
	switch {
	case strings.HasPrefix(s[i:], ">"):
		i++
	case strings.HasPrefix(s[i:], "/>"):
		i += 2
		p.empty = true
	default:
		return "", errNotPlain
	}
	p.at = i
	p.open = append(p.open, name)
	return name, nil
}

// maxDepth is more than any answer nests.
const maxDepth = 16

// attributeLength is the length of an attribute at the beginning of s, 0 for none that is plain.
func attributeLength(s string) int {
	i := 0
	for i < len(s) && nameByte(s[i], i == 0) {
		i++
	}
	if i > 0 && i+1 < len(s) && s[i] == ':' {
		begin := i + 1
		for i++; i < len(s) && nameByte(s[i], i == begin); i++ {
		}
		if i == begin {
			return 0
		}
	}
	if i == 0 || len(s) < i+2 || s[i] != '=' || s[i+1] != '"' {
		return 0
	}
	for i += 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c < ' ' || c > '~' || c == '<' || c == '&':
			return 0
		}
	}
	return 0
}

// ordinary are the bytes of a text that stand for themselves and end nothing: ASCII without <, > and &, and of those below
// the space the tab and the line feed. A carriage return is not among them: it is to be read as a line feed.
var ordinary = func() (is [256]bool) {
	for c := range utf8.RuneSelf {
		is[c] = (c >= ' ' || c == '\t' || c == '\n') && c != '<' && c != '>' && c != '&'
	}
	return is
}()

// chars reads text up to the next tag and resolves its references.
func (p *plain) chars() (string, error) {
	text, i := p.text[p.at:], 0
	ascii, reference := true, false
	for ; ; i++ {
		for i < len(text) && ordinary[text[i]] {
			i++
		}
		if i == len(text) {
			return "", errNotPlain
		}
		c := text[i]
		if c == '<' {
			break
		}
		switch {
		case c >= utf8.RuneSelf:
			ascii = false
		case c == '&':
			reference = true
		case c == '>' && (i < 2 || text[i-2:i] != "]]"):
		default:
			return "", errNotPlain
		}
	}
	raw := text[:i]
	p.at += i
	if !ascii && !characters(raw) {
		return "", errNotPlain
	}
	if reference {
		return resolved(raw)
	}
	return raw, nil
}

// characters says whether s is UTF-8 of characters that XML has, which those below the space are not looked at for.
func characters(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsAny(s, "\ufffe\uffff")
}

// references are those of XML's own, the one first that is in every ETag.
var references = [...]struct {
	name string
	char byte
}{{"quot;", '"'}, {"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"apos;", '\''}}

// resolved replaces the references of a text: XML's five names, and numbers of characters.
func resolved(raw string) (string, error) {
	var b strings.Builder
	b.Grow(len(raw))
next:
	for {
		n := strings.IndexByte(raw, '&')
		if n < 0 {
			b.WriteString(raw)
			return b.String(), nil
		}
		b.WriteString(raw[:n])
		raw = raw[n+1:]
		for _, r := range references {
			if strings.HasPrefix(raw, r.name) {
				b.WriteByte(r.char)
				raw = raw[len(r.name):]
				continue next
			}
		}
		name, after, _ := strings.Cut(raw, ";")
		number, ok := strings.CutPrefix(name, "#")
		base := 10
		if hex, isHex := strings.CutPrefix(number, "x"); isHex {
			number, base = hex, 16
		}
		c, err := strconv.ParseUint(number, base, 21)
		if !ok || err != nil || len(name) == len(raw) || !xmlCharacter(rune(c)) {
			return "", errNotPlain
		}
		b.WriteRune(rune(c))
		raw = after
	}
}

// xmlCharacter is Char of XML 1.0, section 2.2.
func xmlCharacter(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= utf8.MaxRune
}

func space(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// nameByte says whether c may stand in a name; first, at its beginning.
func nameByte(c byte, first bool) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || !first && ('0' <= c && c <= '9' || c == '-' || c == '.')
}
