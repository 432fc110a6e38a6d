package server

import (
	"encoding/xml"
	"strings"
	"unicode/utf8"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// versionsResult is S3's answer. Versions and delete markers come in the order in which
// the backend has them.
type versionsResult struct {
	XMLName             xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
	Name                string   `xml:"Name"`
	Prefix              string   `xml:"Prefix"`
	KeyMarker           string   `xml:"KeyMarker"`
	VersionIDMarker     string   `xml:"VersionIdMarker"`
	NextKeyMarker       string   `xml:"NextKeyMarker,omitempty"`
	NextVersionIDMarker string   `xml:"NextVersionIdMarker,omitempty"`
	MaxKeys             int      `xml:"MaxKeys"`
	Delimiter           string   `xml:"Delimiter,omitempty"`
	EncodingType        string   `xml:"EncodingType,omitempty"`
	IsTruncated         bool     `xml:"IsTruncated"`

	Versions       []listedVersion
	CommonPrefixes []listPrefix `xml:"CommonPrefixes"`
}

// nameSpace of S3's documents: an element whose name is made as it is written would have none.
const nameSpace = "http://s3.amazonaws.com/doc/2006-03-01/"

// listedVersion is a <Version> or a <DeleteMarker>, as XMLName says.
type listedVersion struct {
	XMLName      xml.Name
	Key          string   `xml:"Key"`
	VersionID    string   `xml:"VersionId"`
	IsLatest     bool     `xml:"IsLatest"`
	LastModified listTime `xml:"LastModified"`
	ETag         string   `xml:"ETag,omitempty"`
	Size         *int64   `xml:"Size"`
	StorageClass string   `xml:"StorageClass,omitempty"`
	Owner        owner    `xml:"Owner"`
	listedChecksum

	backendETag string // of a version
	empty       bool   // as stored
}

// listed is the page's versions, for showETags.
func (l *versionsResult) listed() (out []listedETag) {
	for i := range l.Versions {
		if v := &l.Versions[i]; v.ETag != "" {
			out = append(out, listedETag{key: v.Key, version: v.VersionID, backend: v.backendETag, empty: v.empty, shown: &v.ETag, checksum: &v.listedChecksum})
		}
	}
	return out
}

// listVersions answers one page of ListObjectVersions from one backend page, as
// listObjects does: sizes by arithmetic, the proxy's own objects left out and taking no
// place. Only where such fill a part of the page, the backend is asked again.
func (s *Server) listVersions(r *request) error {
	opt, out, err := r.versionsOptions()
	if err != nil {
		return err
	}
	_, b, err := s.access(r.ctx, r.bucket)
	if err != nil {
		return err
	}
	for rounds := 0; out.MaxKeys > 0; rounds++ {
		page, err := s.backend.ListVersions(r.ctx, r.bucket, opt)
		if err != nil {
			return err
		}
		if b.namer != nil { // filled as far as may be, without our own: see names_list.go
			out.IsTruncated, out.NextKeyMarker = page.Truncated, page.NextKeyMarker
			if err := s.fillVersions(r, out, page, b); err != nil {
				return err
			}
			break
		}
		if !page.Advances(opt) {
			if out.NextKeyMarker == "" || out.count() == 0 {
				return errStuck
			}
			break // a short page: the client comes back with what it asks for itself
		}
		if out.count() < out.MaxKeys {
			if err := s.fillVersions(r, out, page, b); err != nil {
				return err
			}
			out.IsTruncated = page.Truncated
			if !strings.HasPrefix(page.NextKeyMarker, format.ReservedPrefix) {
				out.NextKeyMarker, out.NextVersionIDMarker = page.NextKeyMarker, page.NextVersionMarker
			}
		} else { // this page only tells whether there is anything to come back for
			out.IsTruncated = page.Truncated || holdsOthers(page)
			if holdsOthers(page) {
				break
			}
		}
		room := out.MaxKeys - out.count()
		if !page.Truncated || room == 0 && !ownBehind(lastVersion(page), opt.Prefix) {
			break
		}
		if rounds == maxOwnPages {
			return errStuck
		}
		opt.KeyMarker, opt.VersionMarker = behindOwn(page)
		if opt.MaxKeys = room; room == 0 {
			opt.MaxKeys = peekKeys
		}
	}
	if !out.IsTruncated {
		out.NextKeyMarker, out.NextVersionIDMarker = "", ""
	}
	if err := s.showETags(r, out.listed); err != nil {
		return err
	}
	return r.answerXML(out.encoded())
}

// errStuck: a listing that goes on for ever.
var errStuck = s3err.New(s3err.ServiceUnavailable, "the backend's listing does not advance")

// versionsOptions reads the query.
func (r *request) versionsOptions() (opt backend.ListVersionsOptions, out *versionsResult, err error) {
	if v, _ := r.query.get("max-keys"); strings.HasPrefix(v, "-") {
		return opt, nil, s3err.Argument("max-keys", v, "max-keys cannot be negative")
	}
	common, _, err := r.listOptions()
	if err != nil {
		return opt, nil, err
	}
	opt = backend.ListVersionsOptions{Prefix: common.Prefix, Delimiter: common.Delimiter, MaxKeys: common.MaxKeys}
	opt.KeyMarker, _ = r.query.get("key-marker")
	opt.VersionMarker, _ = r.query.get("version-id-marker")
	if opt.VersionMarker != "" && opt.KeyMarker == "" {
		return opt, nil, s3err.Argument("version-id-marker", opt.VersionMarker, "A version-id marker cannot be specified without a key marker.")
	}
	out = &versionsResult{Name: r.bucket, Prefix: opt.Prefix, Delimiter: opt.Delimiter, KeyMarker: opt.KeyMarker, VersionIDMarker: opt.VersionMarker, MaxKeys: opt.MaxKeys}
	out.EncodingType, _ = r.query.get("encoding-type")
	return opt, out, nil
}

func (l *versionsResult) count() int { return len(l.Versions) + len(l.CommonPrefixes) }

// fillVersions adds what of a backend page is the client's.
func (s *Server) fillVersions(r *request, out *versionsResult, page *backend.VersionsPage, b *bucket) error {
	me := r.owner()
	for _, v := range page.Versions {
		if strings.HasPrefix(v.Key, format.ReservedPrefix) {
			continue
		}
		if out.EncodingType == "" && !xmlCanCarry(v.Key) {
			return errUnnameable
		}
		e := listedVersion{XMLName: xml.Name{Space: nameSpace, Local: "DeleteMarker"}, Key: v.Key, VersionID: v.Version, IsLatest: v.Latest,
			LastModified: listTime(v.LastModified), Owner: me}
		if !v.Marker {
			size := s.shownSize(b, v.Key, v.Size)
			e.XMLName.Local, e.Size, e.ETag, e.StorageClass = "Version", &size, clientETag(v.ETag), shownClass(v.StorageClass)
			e.backendETag, e.empty = v.ETag, v.Size == 0
		}
		out.Versions = append(out.Versions, e)
	}
	for _, p := range page.CommonPrefixes {
		if strings.HasPrefix(p, format.ReservedPrefix) {
			continue
		}
		if out.EncodingType == "" && !xmlCanCarry(p) {
			return errUnnameable
		}
		out.CommonPrefixes = append(out.CommonPrefixes, listPrefix{p})
	}
	return nil
}

// holdsOthers says whether a page has anything that is not the proxy's own.
func holdsOthers(page *backend.VersionsPage) bool {
	for _, v := range page.Versions {
		if !strings.HasPrefix(v.Key, format.ReservedPrefix) {
			return true
		}
	}
	for _, p := range page.CommonPrefixes {
		if !strings.HasPrefix(p, format.ReservedPrefix) {
			return true
		}
	}
	return false
}

// lastVersion is the greatest name of a page, ours included.
func lastVersion(page *backend.VersionsPage) (last string) {
	for _, v := range page.Versions {
		last = max(last, v.Key)
	}
	for _, p := range page.CommonPrefixes {
		last = max(last, p)
	}
	return last
}

// behindOwn is where the listing goes on behind a page: behind all names of our own, if
// it ended among them.
func behindOwn(page *backend.VersionsPage) (key, version string) {
	if strings.HasPrefix(page.NextKeyMarker, format.ReservedPrefix) {
		return format.ReservedPrefix + string(utf8.MaxRune), ""
	}
	return page.NextKeyMarker, page.NextVersionMarker
}

// encoded percent-encodes what encoding-type=url covers, if it was asked for.
func (l *versionsResult) encoded() *versionsResult {
	if l.EncodingType == "" {
		return l
	}
	l.Prefix, l.Delimiter, l.KeyMarker, l.NextKeyMarker = listEncoded(l.Prefix), listEncoded(l.Delimiter), listEncoded(l.KeyMarker), listEncoded(l.NextKeyMarker)
	for i := range l.Versions {
		l.Versions[i].Key = listEncoded(l.Versions[i].Key)
	}
	for i := range l.CommonPrefixes {
		l.CommonPrefixes[i].Prefix = listEncoded(l.CommonPrefixes[i].Prefix)
	}
	return l
}
