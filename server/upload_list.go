package server

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// listedPart is one <Part> of a CompleteMultipartUpload document. The checksums that
// newer clients repeat there were proved when the part came, and the ETag names that
// very attempt.
type listedPart struct {
	Number *int    `xml:"PartNumber"`
	ETag   *string `xml:"ETag"`
}

// parseParts reads a CompleteMultipartUpload document strictly and piece by piece:
// known root, nothing but parts in it, each with a number and an ETag, as many as
// there may be. ETags come without their quotes. What the list means is checked by
// format.PlanComplete.
func parseParts(doc []byte) ([]format.DonePart, error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	malformed := func(err error) error {
		return s3err.Wrap(s3err.MalformedXML, err, "the document is not a well-formed CompleteMultipartUpload")
	}
	var parts []format.DonePart
	inside, ended := false, false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && ended {
			return parts, nil
		}
		if err != nil {
			return nil, malformed(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch {
			case !inside && !ended && t.Name.Local == "CompleteMultipartUpload":
				inside = true
			case inside && t.Name.Local == "Part":
				if len(parts) == format.MaxParts {
					return nil, s3err.New(s3err.MalformedXML, "the list has more than %d parts", format.MaxParts)
				}
				var p listedPart
				if err := d.DecodeElement(&p, &t); err != nil {
					return nil, malformed(err)
				}
				if p.Number == nil || p.ETag == nil {
					return nil, s3err.New(s3err.MalformedXML, "a part has no PartNumber or no ETag")
				}
				parts = append(parts, format.DonePart{Number: *p.Number, ETag: unquoted(*p.ETag)})
			default:
				return nil, malformed(nil)
			}
		case xml.EndElement:
			inside, ended = false, true
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, malformed(nil)
			}
		case xml.Directive:
			return nil, malformed(nil) // a document type can only mean harm
		}
	}
}

// unquoted takes an ETag with and without its quotes, as S3 does.
func unquoted(etag string) string {
	etag = strings.TrimSpace(etag)
	if inner, ok := strings.CutPrefix(etag, `"`); ok {
		if inner, ok = strings.CutSuffix(inner, `"`); ok {
			return inner
		}
	}
	return etag
}
