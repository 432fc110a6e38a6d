package server

import (
	"encoding/xml"
	"io"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// deleteObject removes a key: 204, also for one that is not there.
func (s *Server) deleteObject(r *request) error {
	if err := r.refuseHeaders("x-amz-mfa"); err != nil {
		return err
	}
	with := r.deleteOptions()
	var err error
	if with.Version, err = r.version(); err != nil {
		return err
	}
	if terms := r.termsOfHeaders(); terms.any() {
		err = s.deleteCondition(r, r.key, terms, &with)
	} else {
		_, _, err = s.access(r.ctx, r.bucket)
	}
	if err != nil {
		return err
	}
	gone, err := s.backend.DeleteWith(r.ctx, r.bucket, r.key, with)
	if err != nil {
		return refusalOf(versionFault(err, r.key, with.Version), aboutNames)
	}
	r.showVersion(gone.Version)
	if gone.Marker {
		r.http.Response.Header.Set("x-amz-delete-marker", "true")
	}
	r.http.SetStatusCode(204)
	return nil
}

// deleteOptions are what a removal may say of itself.
func (r *request) deleteOptions() backend.DeleteOptions {
	return backend.DeleteOptions{BypassGovernance: strings.EqualFold(r.header("x-amz-bypass-governance-retention"), "true")}
}

const (
	ifMatchSize = "x-amz-if-match-size"
	ifMatchTime = "x-amz-if-match-last-modified-time"
)

type deleteRequest struct {
	XMLName xml.Name
	Quiet   bool `xml:"Quiet"`
	Objects []struct {
		Key       string `xml:"Key"`
		VersionID string `xml:"VersionId"`
		// Conditions, which are none if they are not there.
		ETag     *string `xml:"ETag"`
		Modified *string `xml:"LastModifiedTime"`
		Size     *string `xml:"Size"`
	} `xml:"Object"`
	// What else is there, so that a list which nobody could read is not taken for an empty one.
	Others []struct{} `xml:",any"`
	Text   string     `xml:",chardata"`
}

// empty says whether the document asks for nothing, in so many words.
func (d *deleteRequest) empty() bool {
	return len(d.Objects) == 0 && len(d.Others) == 0 && strings.TrimSpace(d.Text) == ""
}

type deleteResult struct {
	XMLName xml.Name       `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
	Deleted []deletedKey   `xml:"Deleted"` // all of them first: PBS wants runs
	Errors  []deleteFailed `xml:"Error"`
}

type deletedKey struct {
	Key           string `xml:"Key"`
	VersionID     string `xml:"VersionId,omitempty"`
	Marker        *bool  `xml:"DeleteMarker"` // of removals of versions, and of markers made
	MarkerVersion string `xml:"DeleteMarkerVersionId,omitempty"`
}

type deleteFailed struct {
	Key       string `xml:"Key"`
	VersionID string `xml:"VersionId,omitempty"`
	Code      string `xml:"Code"`
	Message   string `xml:"Message"`
}

// deleteObjects removes up to 1,000 keys. The body is proved before the first
// key goes to the backend. A key that is not there counts as deleted, unless its entry has
// conditions.
func (s *Server) deleteObjects(r *request) error {
	if err := r.refuseHeaders("x-amz-mfa"); err != nil {
		return err
	}
	doc, err := io.ReadAll(&r.body)
	if err != nil {
		return err
	}
	list, quiet, err := parseDelete(doc)
	if err != nil {
		return err
	}
	for _, x := range list {
		if err := s.scope(r, toDelete, r.bucket, x.Key); err != nil {
			return err
		}
	}
	if _, _, err := s.access(r.ctx, r.bucket); err != nil {
		return err
	}
	for _, x := range list {
		if err := s.admitKey(r.ctx, r.bucket, x.Key, true); err != nil {
			return err
		}
	}
	results, err := s.removeAll(r, list)
	if err != nil {
		return err
	}
	var out deleteResult
	for _, x := range results {
		if x.Err != nil {
			e := answerOf(refusalOf(versionFault(x.Err, x.Key, x.ObjectID.Version), aboutNames))
			out.Errors = append(out.Errors, deleteFailed{Key: x.Key, VersionID: x.ObjectID.Version, Code: string(e.Code), Message: e.Message})
		} else if !quiet {
			d := deletedKey{Key: x.Key, VersionID: x.ObjectID.Version}
			if x.Marker {
				d.MarkerVersion = x.Deleted.Version
			}
			if x.Marker || x.ObjectID.Version != "" {
				d.Marker = &x.Marker
			}
			out.Deleted = append(out.Deleted, d)
		}
	}
	return r.answerXML(out)
}

// parseDelete reads a Delete document strictly: known root, 1 to 1,000 keys,
// each non-empty and within S3's length, or nothing at all.
func parseDelete(doc []byte) (list []removal, quiet bool, err error) {
	var d deleteRequest
	if err := readXML(doc, &d); err != nil {
		return nil, false, s3err.Wrap(s3err.MalformedXML, err, "the document is not well-formed XML")
	}
	if d.XMLName.Local != "Delete" {
		return nil, false, s3err.New(s3err.MalformedXML, "the document's root is not Delete")
	}
	if d.empty() {
		return nil, d.Quiet, nil
	}
	if len(d.Objects) == 0 || len(d.Objects) > maxDeleteKeys {
		return nil, false, s3err.New(s3err.MalformedXML, "the document names %d keys, 1 to %d are allowed", len(d.Objects), maxDeleteKeys)
	}
	for _, o := range d.Objects {
		switch {
		case o.Key == "":
			return nil, false, s3err.New(s3err.UserKeyMustBeSpecified, "a key is empty")
		case len(o.Key) > maxKeyBytes:
			return nil, false, s3err.New(s3err.KeyTooLongError, "a key has %d bytes, at most %d are allowed", len(o.Key), maxKeyBytes)
		}
		list = append(list, removal{backend.ObjectID{Key: o.Key, Version: o.VersionID}, deleteTerms{o.ETag, o.Modified, o.Size}})
	}
	return list, d.Quiet, nil
}
