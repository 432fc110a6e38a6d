package server

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// listedPart is one <Part> of a CompleteMultipartUpload document.
type listedPart struct {
	Number *int       `xml:"PartNumber"`
	ETag   *string    `xml:"ETag"`
	Sums   listedSums `xml:",any"`
}

// listedSums are the checksums of a part, of which there may be one: so no more than two
// are kept, and nothing of the elements that are none, however many a document has.
type listedSums []listedSum

type listedSum struct {
	*checksum
	value string
}

// UnmarshalXML takes an element of a part that is neither number nor ETag.
func (l *listedSums) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	name, ok := strings.CutPrefix(start.Name.Local, "Checksum")
	c := checksumByName(name)
	if !ok || c == nil || len(*l) > 1 {
		return d.Skip()
	}
	sum := listedSum{checksum: c}
	if err := d.DecodeElement(&sum.value, &start); err != nil {
		return err
	}
	*l = append(*l, sum)
	return nil
}

// noted reads the checksum of a part: one at most.
func (p listedPart) noted() (n noted, err error) {
	const argument, text = "Checksum", "Invalid Base64 or multiple checksums present in request"
	if len(p.Sums) == 0 {
		return n, nil
	}
	first := p.Sums[0]
	if len(p.Sums) > 1 {
		second := p.Sums[1]
		return n, s3err.Argument(argument, first.name+":"+first.value+";"+second.name+":"+second.value+";", text)
	}
	value := strings.TrimSpace(first.value)
	n.checksum = first.checksum
	if n.sum, err = base64.StdEncoding.DecodeString(value); err != nil || len(n.sum) != n.size {
		return noted{}, s3err.Argument(argument, value, text)
	}
	return n, nil
}

// partList is what a CompleteMultipartUpload document says: two lists of one length.
type partList struct {
	parts []format.DonePart
	sums  []noted
}

// parseParts reads a CompleteMultipartUpload document strictly and piece by piece:
// known root, nothing but parts in it, each with a number and an ETag, as many as
// there may be. ETags come without their quotes. What the list means is checked by
// format.PlanComplete.
func parseParts(doc []byte) (list partList, err error) {
	d := newXML(doc)
	malformed := func(err error) error {
		return s3err.Wrap(s3err.MalformedXML, err, "the document is not a well-formed CompleteMultipartUpload")
	}
	inside, ended := false, false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && ended {
			return list, nil
		}
		if err != nil {
			return partList{}, malformed(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch {
			case !inside && !ended && t.Name.Local == "CompleteMultipartUpload":
				inside = true
			case inside && t.Name.Local == "Part":
				if len(list.parts) == format.MaxParts {
					return partList{}, s3err.New(s3err.MalformedXML, "the list has more than %d parts", format.MaxParts)
				}
				var p listedPart
				if err := d.DecodeElement(&p, &t); err != nil {
					return partList{}, malformed(err)
				}
				if p.Number == nil || p.ETag == nil {
					return partList{}, s3err.New(s3err.MalformedXML, "a part has no PartNumber or no ETag")
				}
				sum, err := p.noted()
				if err != nil {
					return partList{}, err
				}
				list.parts = append(list.parts, format.DonePart{Number: *p.Number, ETag: ownPartETag(*p.ETag)})
				list.sums = append(list.sums, sum)
			default:
				return partList{}, malformed(nil)
			}
		case xml.EndElement:
			inside, ended = false, true
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return partList{}, malformed(nil)
			}
		case xml.Directive:
			return partList{}, malformed(nil) // a document type can only mean harm
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
