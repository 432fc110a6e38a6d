package server

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// prepare looks at what of the source must be known before its body moves: its tags,
// which the backend keeps, and a checksum that it does not have yet, for which all of
// it is opened. bound is the ETag of what was opened, "" if nothing was.
func (c *copying) prepare() (bound string, err error) {
	if c.tags {
		if c.with.Tagging, err = c.s.tagsOf(c.r, c.source); err != nil {
			return "", err
		}
	}
	if c.checksum == nil {
		return "", nil
	}
	o, err := c.s.openObject(c.r.ctx, c.source.Bucket, c.source.Key, c.source.Version, everything)
	if err != nil {
		return "", changedSource(err)
	}
	if have, ok := openChecksum(o.meta()); ok && have.checksum == c.checksum && have.kind == fullObject {
		o.close()
		return o.etag, nil
	}
	plain, err := c.s.openPlain(c.r.ctx, o, byteRange{0, o.plainSize()}, everything, nil)
	if err != nil {
		return "", changedSource(err)
	}
	defer plain.Close()
	sum := c.checksum.make()
	if _, err := io.Copy(sum, plain); err != nil {
		return "", changedSource(err)
	}
	c.sum = sealedChecksum{checksum: c.checksum, kind: fullObject, sum: sum.Sum(nil)}.encode()
	if o.etag == "" {
		return "", s3err.New(s3err.ServiceUnavailable, "the backend gave the source no ETag, so its checksum cannot be bound to it")
	}
	return o.etag, nil
}

// noTags are the answers of backends that have no tags, for the object or at all, and
// of those that do not show them to the proxy.
var noTags = map[string]bool{"NoSuchTagSet": true, "NoSuchTagSetError": true, "NotImplemented": true, "MethodNotAllowed": true, "AccessDenied": true}

// tagsOf gives an object's tags as a copy's header has them.
func (s *Server) tagsOf(r *request, from backend.CopySource) (string, error) {
	query := url.Values{"tagging": {""}}
	if from.Version != "" {
		query.Set(versionParam, from.Version)
	}
	reply, err := s.backend.Relay(r.ctx, backend.Question{Op: "GetObjectTagging", Method: http.MethodGet, Bucket: from.Bucket, Key: from.Key, Query: query})
	switch {
	case err != nil:
		return "", err
	case noTags[reply.Code]:
		return "", nil
	case from.Version != "" && (reply.Status == 400 || reply.Status == 404 || reply.Status == 405):
		return "", nil // there is no such version, as reading it will tell
	case reply.Code == string(s3err.NoSuchKey):
		return "", s3err.New(s3err.NoSuchKey, "")
	case reply.Code != "" || reply.Status >= 300:
		return "", s3err.Relayed(reply.Status, reply.Code, reply.Message)
	}
	return tagHeader(reply.Body)
}

// tagHeader turns a tag set into the value of x-amz-tagging.
func tagHeader(doc []byte) (string, error) {
	var in struct {
		XMLName xml.Name
		Tags    []struct{ Key, Value string } `xml:"TagSet>Tag"`
	}
	if err := xml.Unmarshal(doc, &in); err != nil || in.XMLName.Local != "Tagging" {
		return "", s3err.Wrap(s3err.ServiceUnavailable, errors.Join(errors.New("cannot read the source's tags"), err), "the backend's answer is not a tag set")
	}
	var pairs []string
	for _, t := range in.Tags {
		pairs = append(pairs, url.QueryEscape(t.Key)+"="+url.QueryEscape(t.Value))
	}
	return strings.Join(pairs, "&"), nil
}
