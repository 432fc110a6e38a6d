package server

import (
	"encoding/xml"
	"io"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// restoreObject asks the backend for a readable copy of an archived object. A restore
// that is a query would run over sealed bytes, or write them to a place of the client's.
func (s *Server) restoreObject(r *request) error {
	doc, err := io.ReadAll(&r.body)
	if err != nil {
		return err
	}
	if len(doc) > 0 {
		var in struct {
			Type             string    `xml:"Type"`
			SelectParameters *struct{} `xml:"SelectParameters"`
			OutputLocation   *struct{} `xml:"OutputLocation"`
		}
		if err := xml.Unmarshal(doc, &in); err != nil {
			return s3err.Wrap(s3err.MalformedXML, err, "the document is not well-formed XML")
		}
		if in.Type != "" || in.SelectParameters != nil || in.OutputLocation != nil {
			return s3err.New(s3err.NotImplemented, "a restore that selects would run over sealed bytes")
		}
	}
	return s.relayDocument(r, doc)
}
