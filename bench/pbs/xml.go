package pbs

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// node is one element of an answer. Attributes are not needed by any answer and are dropped.
type node struct {
	name     string
	value    string // trimmed text
	children []*node
}

// maxDepth is far above any S3 answer: a bound on the recursion of a hostile document.
const maxDepth = 16

// parseXML reads a document as PBS's parser does: namespaces and prefixes ignored, repeats of an element in one run
// only, no byte order mark, nothing but one element.
func parseXML(doc []byte) (*node, error) {
	if bytes.HasPrefix(doc, []byte("\xef\xbb\xbf")) {
		return nil, errors.New("the document begins with a byte order mark")
	}
	d := xml.NewDecoder(bytes.NewReader(doc))
	var root *node
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if root != nil {
				return nil, errors.New("the document has two roots")
			}
			if root, err = parseElement(d, t, 1); err != nil {
				return nil, err
			}
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, errors.New("the document has text outside its root")
			}
		}
	}
	if root == nil {
		return nil, errors.New("the document is empty")
	}
	return root, nil
}

func parseElement(d *xml.Decoder, start xml.StartElement, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the document is more than %d elements deep", maxDepth)
	}
	n := &node{name: start.Name.Local}
	seen := map[string]bool{}
	var text strings.Builder
	for {
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			name := t.Name.Local
			if last := len(n.children) - 1; seen[name] && n.children[last].name != name {
				return nil, fmt.Errorf("duplicate field %q in %q: its elements are not in one run", name, n.name)
			}
			seen[name] = true
			child, err := parseElement(d, t, depth+1)
			if err != nil {
				return nil, err
			}
			n.children = append(n.children, child)
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			n.value = strings.TrimSpace(text.String())
			return n, nil
		}
	}
}

// all returns the children of a name.
func (n *node) all(name string) []*node {
	var list []*node
	for _, c := range n.children {
		if c.name == name {
			list = append(list, c)
		}
	}
	return list
}

// text is the value of the first child of a name, or "".
func (n *node) text(name string) string {
	if l := n.all(name); len(l) > 0 {
		return l[0].value
	}
	return ""
}

// one returns the value of a child that may be there at most once.
func (n *node) one(name string) (value string, present bool, err error) {
	switch l := n.all(name); len(l) {
	case 0:
		return "", false, nil
	case 1:
		return l[0].value, true, nil
	}
	return "", false, fmt.Errorf("duplicate field %q in %q", name, n.name)
}

// must returns the value of a child that must be there once.
func (n *node) must(name string) (string, error) {
	v, ok, err := n.one(name)
	if err == nil && !ok {
		err = fmt.Errorf("missing field %q in %q", name, n.name)
	}
	return v, err
}

// root parses an answer's document and insists on its root: an error document or a foreign page under status 200
// would read as an empty result to PBS.
func root(op string, doc []byte, name string) (*node, error) {
	n, err := parseXML(doc)
	if err != nil {
		return nil, broken(op, "unreadable document: %v", err)
	}
	if n.name != name {
		return nil, broken(op, "the document is <%s>, want <%s>", n.name, name)
	}
	return n, nil
}
