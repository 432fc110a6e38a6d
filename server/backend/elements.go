package backend

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// elements walks a document, element by element. It stands in an element: the one that enter went into last and that
// neither value nor skip has left. Whatever is no XML is an error, at the latest of end.
type elements interface {
	// enter goes into the next child and gives its name without a namespace, or leaves the element if it has no more.
	// Text beside children is an error: no listing has any.
	enter() (name string, ok bool, err error)
	// value gives the element's text and leaves it. A child is an error.
	value() (string, error)
	// skip leaves the element with all that is in it.
	skip() error
	// end demands that nothing but white space and comments is left.
	end() error
}

// readDocument walks a document whose root element has been entered, first with the scanner of plain documents, and from
// its beginning with encoding/xml if it is not one of those. walk begins anew each time.
func readDocument(doc []byte, root string, walk func(elements) error) error {
	text := string(doc)
	err := readElements(newPlain(text), root, walk)
	if errors.Is(err, errNotPlain) {
		err = readElements(&parsed{d: xml.NewDecoder(strings.NewReader(text))}, root, walk)
	}
	return err
}

func readElements(e elements, root string, walk func(elements) error) error {
	name, ok, err := e.enter()
	if err != nil {
		return err
	}
	if !ok || name != root {
		return fmt.Errorf("answer is no %s", root)
	}
	if err := walk(e); err != nil {
		return err
	}
	return e.end()
}

// parsed is elements by encoding/xml.
type parsed struct{ d *xml.Decoder }

// token is the decoder's, without what its errors quote of the document.
func (p *parsed) token() (xml.Token, error) {
	t, err := p.d.Token()
	if err != nil && err != io.EOF {
		err = errNotXML
	}
	return t, err
}

var (
	errNotXML  = errors.New("answer is not XML")
	errBesides = errors.New("answer with text between its elements")
)

func (p *parsed) enter() (string, bool, error) {
	for {
		t, err := p.token()
		if err != nil {
			return "", false, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return t.Name.Local, true, nil
		case xml.EndElement:
			return "", false, nil
		default:
			if err := beside(t); err != nil {
				return "", false, err
			}
		}
	}
}

func (p *parsed) value() (string, error) {
	var text []byte
	for {
		t, err := p.token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.CharData:
			text = append(text, t...)
		case xml.EndElement:
			return string(text), nil
		case xml.StartElement:
			return "", errors.New("answer with an element in a value")
		}
	}
}

func (p *parsed) skip() error {
	if p.d.Skip() != nil {
		return errNotXML
	}
	return nil
}

func (p *parsed) end() error {
	for {
		t, err := p.token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := beside(t); err != nil {
			return err
		}
	}
}

// beside refuses what must not stand beside elements.
func beside(t xml.Token) error {
	switch t := t.(type) {
	case xml.Comment, xml.ProcInst:
		return nil
	case xml.CharData:
		if strings.Trim(string(t), " \t\r\n\ufeff") == "" {
			return nil
		}
	}
	return errBesides
}
