package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// given is what one source says about one key.
type given struct {
	values []string
	origin Origin
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, pathless(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, pathless(err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("it has more than %d bytes", limit)
	}
	return b, nil
}

// pathless drops the path that os puts into its errors: ours have it already.
func pathless(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// fileReader walks a YAML document with the key table beside it. The library's
// own strict mode stops at the first fault, names Go types and repeats values,
// secrets among them; the walk names every fault by key and line, and no value.
type fileReader struct {
	path     string
	keys     map[string]Key
	names    []string
	found    map[string]given
	lines    map[string]int // of every key and section seen, to find repetitions
	lists    map[string]EntryList
	counts   map[string]int    // entries of each list
	places   map[string]Origin // where an entry begins, by each of its keys
	problems Problems
}

func (r *fileReader) fail(n *yaml.Node, key, why string) {
	r.problems = append(r.problems, Problem{File: r.path, Line: n.Line, Key: key, Why: why})
}

// parse walks a whole file; false = it is no configuration at all.
func (r *fileReader) parse(content []byte) bool {
	d := yaml.NewDecoder(bytes.NewReader(content))
	var doc, next yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return true // an empty file: everything from the environment
	case err != nil:
		r.problems = append(r.problems, syntaxProblem(r.path, err))
		return false
	}
	if err := d.Decode(&next); err == nil {
		r.fail(&next, "", "there is a second YAML document; want one")
		return false
	} else if !errors.Is(err, io.EOF) {
		r.problems = append(r.problems, syntaxProblem(r.path, err))
		return false
	}
	if len(doc.Content) != 1 {
		return true
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return true // comments only
	}
	if !r.plain(root, "") {
		return false
	}
	if root.Kind != yaml.MappingNode {
		r.fail(root, "", "the file is no set of `key: value` lines")
		return false
	}
	r.section(root, "")
	return true
}

// plain refuses what a configuration has no use for, and what could make a file
// mean something else than it seems to say.
func (r *fileReader) plain(n *yaml.Node, key string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.fail(n, key, "YAML anchors and aliases are not supported; put a value that begins with & or * into quotes")
	case n.Style&yaml.TaggedStyle != 0:
		r.fail(n, key, "YAML tags are not supported; put a value that begins with ! into quotes")
	default:
		return true
	}
	return false
}

// section walks the keys of one mapping; prefix is "" or ends with a dot.
func (r *fileReader) section(m *yaml.Node, prefix string) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		if k.Kind != yaml.ScalarNode || !r.plain(k, "") {
			if k.Kind != yaml.ScalarNode {
				r.fail(k, strings.TrimSuffix(prefix, "."), "a key is no plain word")
			}
			continue
		}
		name := prefix + k.Value
		if first, dup := r.lines[name]; dup {
			r.fail(k, printable(name), "it is given twice, first on line "+strconv.Itoa(first))
			continue
		}
		r.lines[name] = k.Line
		switch {
		case strings.Contains(k.Value, "."):
			r.report(name, k)
		case r.isKey(name):
			r.value(r.keys[name], k, v)
		case r.isList(name):
			r.entries(r.lists[name], k, v)
		case r.isSection(name):
			r.inner(name, v)
		default:
			r.unknown(name, k, v)
		}
	}
}

func (r *fileReader) isKey(name string) bool { _, ok := r.keys[name]; return ok }

func (r *fileReader) isList(name string) bool { _, ok := r.lists[name]; return ok }

func (r *fileReader) isSection(name string) bool {
	for _, k := range r.names {
		if strings.HasPrefix(k, name+".") {
			return true
		}
	}
	return false
}

func (r *fileReader) inner(name string, v *yaml.Node) {
	switch {
	case !r.plain(v, name):
	case v.Kind == yaml.MappingNode:
		r.section(v, name+".")
	case v.Kind == yaml.ScalarNode && v.Tag == "!!null":
		// All its keys are commented out.
	default:
		r.fail(v, name, "it is a section; want indented `key: value` lines below it")
	}
}

// value keeps the text of a known key.
func (r *fileReader) value(key Key, k, v *yaml.Node) {
	if !r.plain(v, key.Name) {
		return
	}
	origin := Origin{File: r.path, Line: k.Line}
	switch {
	case v.Kind == yaml.ScalarNode && v.Tag == "!!null":
		empty := `""`
		if key.Kind == List {
			empty = "[]"
		}
		r.fail(k, key.Name, "it has no value; write "+empty+" for empty, or take the line out")
	case key.Kind == List:
		if v.Kind != yaml.SequenceNode {
			r.fail(k, key.Name, "it is not a list; want lines that begin with `- `, or [a, b]")
			return
		}
		items := make([]string, 0, len(v.Content))
		for _, item := range v.Content {
			if !r.plain(item, key.Name) {
				return
			}
			if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
				r.fail(item, key.Name, "an item of the list is no single value")
				return
			}
			items = append(items, item.Value)
		}
		r.found[key.Name] = given{items, origin}
	case v.Kind != yaml.ScalarNode:
		r.fail(k, key.Name, "it is not a single value; want "+key.Allowed)
	default:
		r.found[key.Name] = given{[]string{v.Value}, origin}
	}
}

// unknown reports a key that does not exist. Below an unknown section it reports
// the leaves, since they tell best what was meant.
func (r *fileReader) unknown(name string, k, v *yaml.Node) {
	if v.Kind == yaml.MappingNode && len(v.Content) > 0 && strings.Count(name, ".") == 0 {
		for i := 0; i+1 < len(v.Content); i += 2 {
			if leaf := v.Content[i]; leaf.Kind == yaml.ScalarNode {
				r.report(name+"."+leaf.Value, leaf)
			} else {
				r.report(name, k)
			}
		}
		return
	}
	r.report(name, k)
}

func (r *fileReader) report(name string, at *yaml.Node) {
	p := Problem{File: r.path, Line: at.Line, Key: printable(name), Why: "unknown key"}
	if len(r.problems) >= maxProblems {
		// It will not be shown: do not spend time on it.
	} else if meant := r.meant(name); meant == name {
		section, leaf, _ := strings.Cut(name, ".")
		p.Hint = fmt.Sprintf("write %s: on an indented line below %s:", leaf, section)
	} else if meant != "" {
		p.Hint = "did you mean " + meant + "?"
	}
	r.problems = append(r.problems, p)
}

// meant finds the key a person had in mind: the same name in another section,
// or a similar one.
func (r *fileReader) meant(name string) string {
	leaf := name[strings.LastIndexByte(name, '.')+1:]
	for _, k := range r.names {
		if k == name || k == leaf {
			return k
		}
	}
	if meant := nearest(name, r.names); meant != "" {
		return meant
	}
	var same []string
	for _, k := range r.names {
		if k[strings.LastIndexByte(k, '.')+1:] == leaf {
			same = append(same, k)
		}
	}
	if len(same) == 1 {
		return same[0]
	}
	return ""
}

// printable makes a key that a file brought safe to show.
func printable(name string) string {
	if len(name) <= maxShown && !strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return name
	}
	return shown(name)
}

// yamlLine finds the line in an error of the YAML library.
var yamlLine = regexp.MustCompile(`line (\d+): `)

// quiet are the messages of the YAML library that repeat what a file says.
var quiet = regexp.MustCompile("['\"`]")

// syntaxProblem turns the library's error into ours, without anything that it
// may have taken from the file.
func syntaxProblem(path string, err error) Problem {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	p := Problem{File: path, Why: "it is no valid YAML"}
	if m := yamlLine.FindStringSubmatchIndex(msg); m != nil {
		p.Line, _ = strconv.Atoi(msg[m[2]:m[3]])
		msg = msg[m[1]:]
	}
	if !quiet.MatchString(msg) {
		p.Why += ": " + msg
	}
	return p
}
