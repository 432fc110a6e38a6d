package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// given is what the file says about one key.
type given struct {
	values []string
	line   int
}

// walker goes through a YAML document with the table beside it. The library's own strict mode stops at the first fault,
// names Go types, and repeats values, the seed among them.
type walker struct {
	path     string
	keys     []key
	given    map[string]given
	lines    map[string]int // of every key and section seen
	problems Problems
}

func (w *walker) at(line int, name, why string) {
	w.problems = append(w.problems, Problem{File: w.path, Line: line, Key: printable(name), Why: why})
}

// fail reports a problem of a key at its line.
func (w *walker) fail(name, why string) { w.at(w.given[name].line, name, why) }

func (w *walker) refuse(k key, g given, err error) {
	why := "want " + k.want
	if err != errUnfit {
		why = err.Error() + "; " + why
	}
	p := Problem{File: w.path, Line: g.line, Key: k.name, Why: why}
	if !k.private && !k.list {
		p.Value = shown(g.values[0])
	}
	w.problems = append(w.problems, p)
}

func (w *walker) document(content []byte) {
	d := yaml.NewDecoder(bytes.NewReader(content))
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return // empty
	case err != nil:
		w.syntax(err)
		return
	}
	if err := d.Decode(&more); err == nil {
		w.at(more.Line, "", "there is a second YAML document; want one")
		return
	} else if !errors.Is(err, io.EOF) {
		w.syntax(err)
		return
	}
	if len(doc.Content) != 1 {
		return
	}
	root := doc.Content[0]
	switch {
	case isNull(root): // comments only
	case !w.plain(root, ""):
	case root.Kind != yaml.MappingNode:
		w.at(root.Line, "", "the file is no set of `key: value` lines")
	default:
		w.mapping(root, "")
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// plain refuses what could make a file mean something else than it seems to say.
func (w *walker) plain(n *yaml.Node, name string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		w.at(n.Line, name, "YAML anchors and aliases are not supported; put a value that begins with & or * into quotes")
	case n.Style&yaml.TaggedStyle != 0:
		w.at(n.Line, name, "YAML tags are not supported; put a value that begins with ! into quotes")
	default:
		return true
	}
	return false
}

// mapping walks one level; prefix is "" or ends with a dot.
func (w *walker) mapping(m *yaml.Node, prefix string) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			w.at(k.Line, strings.TrimSuffix(prefix, "."), "a key is no plain word")
			continue
		}
		name := prefix + k.Value
		if !w.plain(k, name) || !w.plain(v, name) {
			continue
		}
		if first, twice := w.lines[name]; twice {
			w.at(k.Line, name, "it is given twice, first on line "+strconv.Itoa(first))
			continue
		}
		w.lines[name] = k.Line
		found, known := w.find(name)
		switch {
		case strings.Contains(k.Value, "."):
			w.unknown(name, k.Line)
		case known:
			w.value(found, k, v)
		case prefix == "" && w.isSection(name):
			w.section(name, v)
		case prefix == "" && v.Kind == yaml.MappingNode && len(v.Content) > 0:
			for j := 0; j+1 < len(v.Content); j += 2 { // the leaves tell best what was meant
				w.unknown(name+"."+v.Content[j].Value, v.Content[j].Line)
			}
		default:
			w.unknown(name, k.Line)
		}
	}
}

func (w *walker) find(name string) (key, bool) {
	for _, k := range w.keys {
		if k.name == name {
			return k, true
		}
	}
	return key{}, false
}

func (w *walker) isSection(name string) bool {
	for _, k := range w.keys {
		if strings.HasPrefix(k.name, name+".") {
			return true
		}
	}
	return false
}

func (w *walker) section(name string, v *yaml.Node) {
	switch {
	case v.Kind == yaml.MappingNode:
		w.mapping(v, name+".")
	case isNull(v): // all its keys are commented out
	default:
		w.at(v.Line, name, "it is a section; want indented `key: value` lines below it")
	}
}

func (w *walker) value(k key, at, v *yaml.Node) {
	switch {
	case isNull(v):
		w.at(at.Line, k.name, "it has no value; take the line out for the default")
	case k.list && v.Kind == yaml.SequenceNode:
		var items []string
		for _, item := range v.Content {
			if !w.plain(item, k.name) {
				return
			}
			if item.Kind != yaml.ScalarNode || isNull(item) {
				w.at(item.Line, k.name, "an item of the list is no single value")
				return
			}
			items = append(items, item.Value)
		}
		w.given[k.name] = given{items, at.Line}
	case k.list:
		w.at(at.Line, k.name, "it is not a list; want [a, b]")
	case v.Kind != yaml.ScalarNode:
		w.at(at.Line, k.name, "it is not a single value; want "+k.want)
	default:
		w.given[k.name] = given{[]string{v.Value}, at.Line}
	}
}

func (w *walker) unknown(name string, line int) {
	p := Problem{File: w.path, Line: line, Key: printable(name), Why: "unknown key"}
	if len(w.problems) < maxProblems { // a hint that nobody will see is not worth its time
		p.Hint = hint(name, w.keys)
	}
	w.problems = append(w.problems, p)
}

var (
	// yamlLine finds the line in an error of the YAML library.
	yamlLine = regexp.MustCompile(`line (\d+): `)
	// yamlQuote marks those of its messages that repeat what a file says.
	yamlQuote = regexp.MustCompile("['\"`]")
)

// syntax reports the library's error without anything that it may have taken from the file.
func (w *walker) syntax(err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	p := Problem{File: w.path, Why: "it is no valid YAML"}
	if m := yamlLine.FindStringSubmatchIndex(text); m != nil {
		p.Line, _ = strconv.Atoi(text[m[2]:m[3]]) // digits, by the pattern
		text = text[m[1]:]
	}
	if !yamlQuote.MatchString(text) {
		p.Why = fmt.Sprintf("%s: %s", p.Why, text)
	}
	w.problems = append(w.problems, p)
}
