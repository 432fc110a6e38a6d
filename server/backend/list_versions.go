package backend

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// ListVersionsOptions of a ListVersions. MaxKeys 0 leaves the page size to the store.
type ListVersionsOptions struct {
	Prefix, Delimiter, KeyMarker, VersionMarker string
	MaxKeys                                     int
}

// VersionsPage is one page of a listing of versions. If Truncated is set there are more, behind the two
// markers, of which NextKeyMarker is not empty.
type VersionsPage struct {
	Versions                         []VersionEntry // in the store's order: by key, the newest first
	CommonPrefixes                   []string
	NextKeyMarker, NextVersionMarker string
	Truncated                        bool
}

// Advances says whether a truncated page leads on from where it began; going on from one that does not
// would never end. versitygw 1.8.0 repeats the version that the markers name, if it is a key's latest, so
// that a page of one is always the same page.
func (p *VersionsPage) Advances(from ListVersionsOptions) bool {
	return !p.Truncated || p.NextKeyMarker != from.KeyMarker || p.NextVersionMarker != from.VersionMarker
}

// VersionEntry is one version of a key.
type VersionEntry struct {
	Entry          // a marker has neither size nor ETag nor class
	Version string // "null" where the bucket kept no versions
	Latest  bool
	Marker  bool // a delete marker
}

// ListVersions returns one page of ListObjectVersions. What List says of pages that are incomplete holds
// here too.
func (c *Client) ListVersions(ctx context.Context, bucket string, opt ListVersionsOptions) (*VersionsPage, error) {
	const op, root = "ListObjectVersions", "ListVersionsResult"
	if opt.MaxKeys < 0 || opt.MaxKeys > 1<<30 {
		return nil, invalid(op, fmt.Errorf("page size %d is out of range", opt.MaxKeys))
	}
	if err := checkBucket(bucket); err != nil {
		return nil, invalid(op, err)
	}
	q := Question{Op: op, Method: http.MethodGet, Bucket: bucket, Query: url.Values{"versions": {""}, "encoding-type": {"url"}}}
	for name, v := range map[string]string{"prefix": opt.Prefix, "delimiter": opt.Delimiter, "key-marker": opt.KeyMarker, "version-id-marker": opt.VersionMarker} {
		if v != "" {
			q.Query.Set(name, v)
		}
	}
	if opt.MaxKeys > 0 {
		q.Query.Set("max-keys", strconv.Itoa(opt.MaxKeys))
	}
	target, err := c.target(q)
	if err != nil {
		return nil, invalid(op, err)
	}
	// Not by the SDK: it gives versions and markers in two lists, which loses their order.
	call := &call{op: op, answer: answerXML, root: root, status: [2]int{200}}
	var page *VersionsPage
	err = c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		req, err := c.question(ctx, q, target)
		if err != nil {
			return err
		}
		resp, err := sender{c.transports[0]}.Do(req)
		if err != nil {
			return &smithyhttp.RequestSendError{Err: err}
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return at.fault(resp)
		}
		doc, err := at.read(resp, maxDocument)
		if err != nil {
			return err
		}
		if err := document(resp.StatusCode, doc, root); err != nil {
			return err
		}
		if page, err = newVersionsPage(opt, doc); err != nil {
			return malformed(at, err.Error())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// versionsDoc is the answer's document.
type versionsDoc struct {
	Name, MaxKeys, EncodingType, IsTruncated *string
	NextKeyMarker, NextVersionIdMarker       string
	Prefix, Delimiter                        string
	KeyMarker, VersionIdMarker               string
	CommonPrefixes                           []struct{ Prefix string }
	Rest                                     []versionDoc `xml:",any"`
}

// versionDoc is a <Version> or a <DeleteMarker>, whichever came.
type versionDoc struct {
	XMLName                                      xml.Name
	Key, VersionId, IsLatest, LastModified, ETag string
	Size                                         *int64
	StorageClass                                 string
}

// newVersionsPage checks an answer against the question.
func newVersionsPage(opt ListVersionsOptions, doc []byte) (*VersionsPage, error) {
	var in versionsDoc
	if err := xml.Unmarshal(doc, &in); err != nil {
		return nil, errors.New("list that cannot be read")
	}
	decode := func(s string) (string, error) { return s, nil }
	if in.EncodingType != nil && *in.EncodingType == "url" {
		decode = url.QueryUnescape
	}
	p := &VersionsPage{NextVersionMarker: in.NextVersionIdMarker}
	for i := range in.Rest {
		e, known, err := in.Rest[i].entry(decode)
		switch {
		case err != nil:
			return nil, err
		case !known:
			continue
		case !strings.HasPrefix(e.Key, opt.Prefix):
			return nil, errors.New("list with a key that does not begin with the prefix")
		case e.Key < opt.KeyMarker:
			return nil, errors.New("list with a key before the start")
		case e.Key == opt.KeyMarker && e.Version == opt.VersionMarker:
			continue // a listing begins behind its markers
		}
		p.Versions = append(p.Versions, e)
	}
	for _, cp := range in.CommonPrefixes {
		prefix, err := decode(cp.Prefix)
		if err != nil || prefix == "" || !strings.HasPrefix(prefix, opt.Prefix) || opt.Delimiter == "" {
			return nil, errors.New("list with a common prefix that was not asked for")
		}
		p.CommonPrefixes = append(p.CommonPrefixes, prefix)
	}
	var err error
	if p.NextKeyMarker, err = decode(in.NextKeyMarker); err != nil {
		return nil, errors.New("list with a marker that is not usable")
	}
	return p, p.checkEnd(opt, &in)
}

// checkEnd demands that the answer says whether it is the last page.
func (p *VersionsPage) checkEnd(opt ListVersionsOptions, in *versionsDoc) error {
	switch {
	case in.IsTruncated != nil && *in.IsTruncated == "true":
		p.Truncated = true
	case in.IsTruncated != nil && *in.IsTruncated == "false":
	case in.IsTruncated != nil, in.Name == nil && in.MaxKeys == nil, p.NextKeyMarker != "",
		len(p.Versions)+len(p.CommonPrefixes) >= opt.MaxKeys:
		return errors.New("list without IsTruncated")
	}
	switch {
	case !p.Truncated:
		p.NextKeyMarker, p.NextVersionMarker = "", ""
	case p.NextKeyMarker == "":
		return errors.New("list is truncated but has no marker")
	case p.NextKeyMarker < opt.KeyMarker:
		return errors.New("list goes backwards")
	}
	return nil
}

// entry reads one line of the list; known is false for an element of another kind.
func (v *versionDoc) entry(decode func(string) (string, error)) (e VersionEntry, known bool, err error) {
	switch v.XMLName.Local {
	case "Version":
		if v.Size == nil || *v.Size < 0 {
			return e, false, errors.New("list with a version without a usable size")
		}
		e.Size = *v.Size
	case "DeleteMarker":
		e.Marker = true
	default:
		return e, false, nil
	}
	if e.Key, err = decode(v.Key); err != nil || e.Key == "" {
		return e, false, errors.New("list with an entry without a usable key")
	}
	if e.LastModified, err = time.Parse(time.RFC3339, v.LastModified); err != nil {
		return e, false, errors.New("list with an entry without a time")
	}
	if v.VersionId == "" {
		return e, false, errors.New("list with an entry without a version id")
	}
	if v.IsLatest != "true" && v.IsLatest != "false" {
		return e, false, errors.New("list with an entry that does not say whether it is the latest")
	}
	e.Version, e.Latest, e.ETag, e.StorageClass = v.VersionId, v.IsLatest == "true", v.ETag, v.StorageClass
	return e, true, nil
}
