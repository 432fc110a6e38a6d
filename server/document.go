package server

import (
	"bytes"
	"encoding/xml"
	"errors"
)

// maxDepth is how deep elements of a document may lie in each other: S3's have six
// levels at most. The decoder keeps what is open, about fifty times the bytes that a
// document spends on it.
const maxDepth = 32

// maxTag is how long a tag, or a comment, may be: the decoder takes thirty times the
// bytes of attributes.
const maxTag = 4 << 10

var (
	errTag     = errors.New("a tag in it is too long")
	errDeep    = errors.New("its elements lie too deep in each other")
	errDoctype = errors.New("it has a document type")
)

// newXML decodes a client's document: shallow, and without a document type, which can
// only mean harm. doc is left alone.
func newXML(doc []byte) *xml.Decoder {
	return xml.NewTokenDecoder(&shallow{in: xml.NewDecoder(bytes.NewReader(doc)), long: longTag(doc)})
}

// readXML decodes a whole document.
func readXML(doc []byte, into any) error { return newXML(doc).Decode(into) }

// shallow gives the tokens of a document to a decoder that checks how they fit.
type shallow struct {
	in    *xml.Decoder
	long  bool
	depth int
}

// longTag says whether there is more than maxTag between a < and the next >.
func longTag(doc []byte) bool {
	for {
		at := bytes.IndexByte(doc, '<')
		if at < 0 {
			return false
		}
		doc = doc[at:]
		end := bytes.IndexByte(doc[:min(len(doc), maxTag)], '>')
		if end < 0 {
			return len(doc) > maxTag
		}
		doc = doc[end:]
	}
}

// Token implements xml.TokenReader.
func (s *shallow) Token() (xml.Token, error) {
	if s.long {
		return nil, errTag
	}
	t, err := s.in.RawToken()
	switch t.(type) {
	case xml.StartElement:
		if s.depth++; s.depth > maxDepth {
			return nil, errDeep
		}
	case xml.EndElement:
		s.depth--
	case xml.Directive:
		return nil, errDoctype
	}
	return t, err
}
