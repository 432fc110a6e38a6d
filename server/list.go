package server

import (
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"strconv"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// listResult is S3's answer with every element older PBS versions demand.
// Contents come in one run, then CommonPrefixes.
type listResult struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name                  string   `xml:"Name"`
	Prefix                string   `xml:"Prefix"`
	Delimiter             string   `xml:"Delimiter,omitempty"`
	MaxKeys               int      `xml:"MaxKeys"`
	EncodingType          string   `xml:"EncodingType,omitempty"`
	KeyCount              int      `xml:"KeyCount"`
	IsTruncated           bool     `xml:"IsTruncated"`
	ContinuationToken     string   `xml:"ContinuationToken,omitempty"`
	NextContinuationToken string   `xml:"NextContinuationToken,omitempty"`
	StartAfter            string   `xml:"StartAfter,omitempty"`

	Contents       []listEntry  `xml:"Contents"`
	CommonPrefixes []listPrefix `xml:"CommonPrefixes"`
}

type listEntry struct {
	Key          string `xml:"Key"`
	LastModified string `xml:"LastModified"`
	ETag         string `xml:"ETag"`
	Size         int64  `xml:"Size"`
	Owner        *owner `xml:"Owner,omitempty"`
	StorageClass string `xml:"StorageClass"`
}

type listPrefix struct {
	Prefix string `xml:"Prefix"`
}

// listObjects answers one page from one backend page: sizes by arithmetic, no
// request per key, the proxy's own objects left out. A page may come out
// shorter than asked, even empty; what counts is IsTruncated.
func (s *Server) listObjects(r *request) error {
	opt, out, err := r.listOptions()
	if err != nil {
		return err
	}
	_, b, err := s.access(r.ctx, r.bucket)
	if err != nil {
		return err
	}
	if opt.MaxKeys > 0 {
		page, err := s.backend.List(r.ctx, r.bucket, opt)
		if err != nil {
			return err
		}
		if err := nameable(out, page); err != nil {
			return err
		}
		_, owners := r.query.get("fetch-owner")
		s.fillPage(out, page, b, owners)
	}
	out.KeyCount = len(out.Contents) + len(out.CommonPrefixes)
	if out.EncodingType != "" {
		out.encodeKeys()
	}
	return r.answerXML(out)
}

func (r *request) listOptions() (backend.ListOptions, *listResult, error) {
	opt := backend.ListOptions{MaxKeys: maxListKeys}
	out := &listResult{Name: r.bucket}
	if v, _ := r.query.get("list-type"); v != "2" {
		return opt, nil, s3err.New(s3err.InvalidArgument, "list-type must be 2")
	}
	if v, ok := r.query.get("max-keys"); ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return opt, nil, s3err.New(s3err.InvalidArgument, "max-keys is not a number from 0")
		}
		opt.MaxKeys = min(n, maxListKeys)
	}
	if v, ok := r.query.get("encoding-type"); ok {
		if v != "url" {
			return opt, nil, s3err.New(s3err.InvalidArgument, "encoding-type must be url")
		}
		out.EncodingType = v
	}
	if v, ok := r.query.get("continuation-token"); ok {
		token, err := base64.RawURLEncoding.DecodeString(v)
		if err != nil || len(token) == 0 {
			return opt, nil, s3err.New(s3err.InvalidArgument, "the continuation token is not one of ours")
		}
		opt.ContinuationToken, out.ContinuationToken = string(token), v
	}
	opt.Prefix, _ = r.query.get("prefix")
	opt.Delimiter, _ = r.query.get("delimiter")
	opt.StartAfter, _ = r.query.get("start-after")
	out.Prefix, out.Delimiter, out.StartAfter, out.MaxKeys = opt.Prefix, opt.Delimiter, opt.StartAfter, opt.MaxKeys
	return opt, out, nil
}

// fillPage translates a backend page. Keys that do not carry the prefix were
// refused by the backend client already: a listing that lies is no listing.
func (s *Server) fillPage(out *listResult, page *backend.Page, b *bucket, owners bool) {
	out.IsTruncated = page.Truncated
	if page.Truncated {
		// Opaque and free of bytes that a query or XML could change.
		out.NextContinuationToken = base64.RawURLEncoding.EncodeToString([]byte(page.NextToken))
	}
	for _, o := range page.Objects {
		if strings.HasPrefix(o.Key, format.ReservedPrefix) {
			continue
		}
		size, ok := format.PlainSize(b.blockSize, o.Size)
		if !ok {
			// Not sealed by us: shown with its raw size, so that it can be seen and
			// deleted; reading it is refused.
			size = o.Size
			s.metrics.foreignListed.Inc()
		}
		e := listEntry{
			Key: o.Key, Size: size, ETag: clientETag(o.ETag),
			LastModified: o.LastModified.UTC().Format(xmlTime), StorageClass: o.StorageClass,
		}
		if e.StorageClass == "" {
			e.StorageClass = "STANDARD"
		}
		if owners {
			e.Owner = &proxyOwner
		}
		out.Contents = append(out.Contents, e)
	}
	for _, p := range page.CommonPrefixes {
		if !strings.HasPrefix(p, format.ReservedPrefix) {
			out.CommonPrefixes = append(out.CommonPrefixes, listPrefix{p})
		}
	}
}

// nameable refuses a page with a key that XML cannot carry: it would be listed
// under a name that does not exist. Such keys come from other writers only.
func nameable(out *listResult, page *backend.Page) error {
	if out.EncodingType != "" {
		return nil
	}
	for _, o := range page.Objects {
		if !xmlCanCarry(o.Key) {
			return s3err.New(s3err.NotImplemented, "a key holds a character that XML cannot carry; ask with encoding-type=url")
		}
	}
	for _, p := range page.CommonPrefixes {
		if !xmlCanCarry(p) {
			return s3err.New(s3err.NotImplemented, "a prefix holds a character that XML cannot carry; ask with encoding-type=url")
		}
	}
	return nil
}

// encodeKeys percent-encodes what encoding-type=url covers.
func (l *listResult) encodeKeys() {
	enc := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/") }
	l.Prefix, l.Delimiter, l.StartAfter = enc(l.Prefix), enc(l.Delimiter), enc(l.StartAfter)
	for i := range l.Contents {
		l.Contents[i].Key = enc(l.Contents[i].Key)
	}
	for i := range l.CommonPrefixes {
		l.CommonPrefixes[i].Prefix = enc(l.CommonPrefixes[i].Prefix)
	}
}
