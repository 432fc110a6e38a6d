package server

import (
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// listResult is S3's answer with every element older PBS versions demand: they always ask
// for a prefix. Contents come in one run, then CommonPrefixes. What only one version of the
// call has is a pointer or left out when empty.
type listResult struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name                  string   `xml:"Name"`
	Prefix                *string  `xml:"Prefix"` // as asked for, also when empty
	Marker                *string  `xml:"Marker"` // V1, the same
	Delimiter             string   `xml:"Delimiter,omitempty"`
	MaxKeys               int      `xml:"MaxKeys"`
	EncodingType          string   `xml:"EncodingType,omitempty"`
	KeyCount              *int     `xml:"KeyCount"` // V2
	IsTruncated           bool     `xml:"IsTruncated"`
	NextMarker            string   `xml:"NextMarker,omitempty"`            // V1
	ContinuationToken     string   `xml:"ContinuationToken,omitempty"`     // V2
	NextContinuationToken string   `xml:"NextContinuationToken,omitempty"` // V2
	StartAfter            string   `xml:"StartAfter,omitempty"`            // V2

	Contents       []listEntry  `xml:"Contents"`
	CommonPrefixes []listPrefix `xml:"CommonPrefixes"`
}

type listEntry struct {
	Key          string   `xml:"Key"`
	LastModified listTime `xml:"LastModified"`
	ETag         string   `xml:"ETag"`
	Size         int64    `xml:"Size"`
	Owner        *owner   `xml:"Owner,omitempty"`
	StorageClass string   `xml:"StorageClass"`
	listedChecksum

	backendETag string
	empty       bool // as stored
}

// listed is the page's objects, for showETags.
func (l *listResult) listed() []listedETag {
	out := make([]listedETag, len(l.Contents))
	for i := range l.Contents {
		e := &l.Contents[i]
		out[i] = listedETag{key: e.Key, backend: e.backendETag, empty: e.empty, shown: &e.ETag, checksum: &e.listedChecksum}
	}
	return out
}

type listPrefix struct {
	Prefix string `xml:"Prefix"`
}

// listObjects answers one page of ListObjectsV2 from one backend page: sizes by
// arithmetic, no request per key, the proxy's own objects left out.
func (s *Server) listObjects(r *request) error {
	opt, out, err := r.listOptions()
	if err != nil {
		return err
	}
	if v, _ := r.query.get("list-type"); v != "2" {
		return s3err.New(s3err.InvalidArgument, "list-type must be 2")
	}
	if v, ok := r.query.get("continuation-token"); ok {
		token, ok := backendToken(v)
		if !ok {
			return s3err.New(s3err.InvalidArgument, "the continuation token is not one of ours")
		}
		opt.ContinuationToken, out.ContinuationToken = token, v
	}
	opt.StartAfter, _ = r.query.get("start-after")
	out.StartAfter = opt.StartAfter
	_, owners := r.query.get("fetch-owner")
	page, err := s.listFull(r, opt, out, owners, func(p listedPage) string { return p.NextToken })
	if err != nil {
		return err
	}
	if err := s.showETags(r, out.listed); err != nil {
		return err
	}
	if out.IsTruncated {
		out.NextContinuationToken = clientToken(page.NextToken)
	}
	count := len(out.Contents) + len(out.CommonPrefixes)
	out.KeyCount = &count
	return r.answerXML(out.encoded())
}

// encodedToken begins a token that is encoded.
const encodedToken = "~"

// clientToken is the backend's token as clients get it: as it is, or encoded if it has
// bytes that a query or XML could change.
func clientToken(backend string) string {
	if plainToken(backend) {
		return backend
	}
	return encodedToken + base64.RawURLEncoding.EncodeToString([]byte(backend))
}

// backendToken turns a client's token back.
func backendToken(client string) (token string, ok bool) {
	if encoded, is := strings.CutPrefix(client, encodedToken); is {
		b, err := base64.RawURLEncoding.DecodeString(encoded)
		return string(b), err == nil && len(b) > 0
	}
	return client, plainToken(client)
}

func plainToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_./=", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// listObjectsV1 answers one page of the older call. Its marker is a name, so it
// becomes the backend's start-after. A page that has only objects of our own is
// left out: without a name on it, many clients would begin again.
func (s *Server) listObjectsV1(r *request) error {
	opt, out, err := r.listOptions()
	if err != nil {
		return err
	}
	marker, asked := r.query.get("marker")
	if asked {
		out.Marker = &marker
	}
	opt.StartAfter = beyond(marker, opt)
	page, err := s.listFull(r, opt, out, true, nil)
	if err != nil {
		return err
	}
	if err := s.showETags(r, out.listed); err != nil {
		return err
	}
	if out.IsTruncated {
		out.NextMarker = page.last()
		if page.sealed {
			out.NextMarker = nextMarker(page.NextToken)
		}
	}
	return r.answerXML(out.encoded())
}

// listFull fetches pages until the client's is full or there are no more: names of our
// own take no place in it, and a page that has but them behind it is the last. next
// gives the token of the page behind one; nil continues behind the last name, for a
// backend that was asked by name.
func (s *Server) listFull(r *request, opt backend.ListOptions, out *listResult, owners bool, next func(listedPage) string) (page listedPage, err error) {
	asked, begin := opt.MaxKeys, ""
	if out.Marker != nil {
		begin = *out.Marker
	}
	for rounds := 0; ; rounds++ {
		before := page.last()
		if page, err = s.listPage(r, opt, out, owners); err != nil {
			return page, err
		}
		if page.sealed {
			return page, nil // filled as far as may be
		}
		room := asked - len(out.Contents) - len(out.CommonPrefixes)
		if !page.Truncated || room == 0 && !ownBehind(page.last(), opt.Prefix) {
			return page, nil
		}
		if next == nil && page.last() <= max(before, begin) || rounds == maxOwnPages {
			return page, s3err.New(s3err.ServiceUnavailable, "the backend's listing does not advance")
		}
		if opt.MaxKeys = room; room == 0 {
			opt.MaxKeys = peekKeys
		}
		if next == nil {
			opt.StartAfter = beyond(page.last(), opt)
		} else {
			opt.ContinuationToken = next(page)
		}
		if room > 0 {
			continue
		}
		// Full: the next page only tells whether there is anything to come back for.
		var peek listResult
		peeked, err := s.listPage(r, opt, &peek, false)
		if err != nil {
			return page, err
		}
		out.IsTruncated = peeked.Truncated || len(peek.Contents)+len(peek.CommonPrefixes) > 0
		return page, nil
	}
}

// peekKeys is how far listFull looks ahead: one of the bucket's state, and one more.
const peekKeys = 2

// ownBehind says whether names of our own may follow last in a listing.
func ownBehind(last, prefix string) bool {
	return last < format.ReservedPrefix+string(utf8.MaxRune) && (strings.HasPrefix(format.ReservedPrefix, prefix) || strings.HasPrefix(prefix, format.ReservedPrefix))
}

// maxOwnPages is how many pages in a row may hold objects of our own alone.
const maxOwnPages = 64

// beyond is the start-after that continues behind a marker. A marker that is a
// common prefix stands for every name below it, the greatest of which has the
// greatest character to its end.
func beyond(marker string, opt backend.ListOptions) string {
	rest, ok := strings.CutPrefix(marker, opt.Prefix)
	if opt.Delimiter != "" && ok && strings.HasSuffix(rest, opt.Delimiter) && strings.Index(rest, opt.Delimiter) == len(rest)-len(opt.Delimiter) {
		return marker + strings.Repeat(string(utf8.MaxRune), max(0, maxKeyBytes-len(marker))/utf8.UTFMax)
	}
	return marker
}

// listPage fetches one page and fills out with what of it is the client's.
func (s *Server) listPage(r *request, opt backend.ListOptions, out *listResult, owners bool) (listedPage, error) {
	_, b, err := s.access(r.ctx, r.bucket)
	if err != nil || opt.MaxKeys == 0 {
		return listedPage{Page: &backend.Page{}}, err
	}
	page, err := s.backend.List(r.ctx, r.bucket, opt)
	if err != nil {
		return listedPage{}, err
	}
	if err := nameable(out, page); err != nil {
		return listedPage{}, err
	}
	s.fillPage(r, out, page, b, owners)
	return listedPage{page, b.namer != nil}, nil
}

type listedPage struct {
	*backend.Page
	sealed bool // the bucket's names are: see names_list.go
}

// last is the greatest name of the page, ours included.
func (p listedPage) last() string {
	last := ""
	if p.Page == nil {
		return last
	}
	for _, o := range p.Objects {
		last = max(last, o.Key)
	}
	for _, c := range p.CommonPrefixes {
		last = max(last, c)
	}
	return last
}

// listOptions reads what both versions of the call have.
func (r *request) listOptions() (backend.ListOptions, *listResult, error) {
	opt := backend.ListOptions{MaxKeys: maxListKeys}
	out := &listResult{Name: r.bucket}
	if v, ok := r.query.get("max-keys"); ok && v != "" {
		n, err := parseMax("max-keys", v)
		if err != nil {
			return opt, nil, err
		}
		opt.MaxKeys = min(n, maxListKeys)
	}
	if v, ok := r.query.get("encoding-type"); ok && v != "" {
		if v != "url" {
			return opt, nil, s3err.New(s3err.InvalidArgument, "encoding-type must be url")
		}
		out.EncodingType = v
	}
	if prefix, ok := r.query.get("prefix"); ok {
		opt.Prefix, out.Prefix = prefix, &prefix
	}
	opt.Delimiter, _ = r.query.get("delimiter")
	out.Delimiter, out.MaxKeys = opt.Delimiter, opt.MaxKeys
	return opt, out, nil
}

// parseMax reads the size of a page.
func parseMax(name, v string) (int, error) {
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil {
		return 0, s3err.Argument(name, v, "Provided "+name+" not an integer or within integer range")
	}
	if n < 0 {
		return 0, s3err.Argument(name, v, "Argument "+v+" must be an integer between 0 and 2147483647")
	}
	return int(n), nil
}

// fillPage translates a backend page. Keys that do not carry the prefix were
// refused by the backend client already: a listing that lies is no listing.
func (s *Server) fillPage(r *request, out *listResult, page *backend.Page, b *bucket, owners bool) {
	out.IsTruncated = page.Truncated
	mine := r.owner()
	out.Contents = slices.Grow(out.Contents, len(page.Objects))
	for _, o := range page.Objects {
		if strings.HasPrefix(o.Key, format.ReservedPrefix) {
			continue
		}
		e := listEntry{
			Key: o.Key, Size: s.shownSize(b, o.Key, o.Size), ETag: clientETag(o.ETag),
			LastModified: listTime(o.LastModified), StorageClass: shownClass(o.StorageClass),
			backendETag: o.ETag, empty: o.Size == 0,
		}
		if owners {
			e.Owner = &mine
		}
		out.Contents = append(out.Contents, e)
	}
	for _, p := range page.CommonPrefixes {
		if !strings.HasPrefix(p, format.ReservedPrefix) {
			out.CommonPrefixes = append(out.CommonPrefixes, listPrefix{p})
		}
	}
}

// shownSize is the plain size of a listed object. One that was not sealed by us is shown
// with its raw size, so that it can be seen and deleted; reading it is refused. A folder
// marker is told from an empty object by no listing.
func (s *Server) shownSize(b *bucket, key string, stored int64) int64 {
	if stored == 0 && format.FolderKey(key) {
		return 0
	}
	size, ok := format.PlainSize(b.blockSize, stored)
	if !ok {
		s.metrics.foreignListed.Inc()
		return stored
	}
	return size
}

// shownClass is a storage class as listings have it.
func shownClass(class string) string { return cmp.Or(class, standardClass) }

// standardClass is the class that S3 names in listings and to no reader of an object.
const standardClass = "STANDARD"

// errUnnameable: a key would be listed under a name that does not exist. Such keys come
// from other writers only.
var errUnnameable = s3err.New(s3err.NotImplemented, "a key holds a character that XML cannot carry; ask with encoding-type=url")

// nameable refuses a page with a key that XML cannot carry.
func nameable(out *listResult, page *backend.Page) error {
	if out.EncodingType != "" {
		return nil
	}
	for _, o := range page.Objects {
		if !xmlCanCarry(o.Key) {
			return errUnnameable
		}
	}
	for _, p := range page.CommonPrefixes {
		if !xmlCanCarry(p) {
			return errUnnameable
		}
	}
	return nil
}

// listEncoded is encoding-type=url of one name.
func listEncoded(s string) string {
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~/", c) >= 0) {
			return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/")
		}
	}
	return s
}

// encoded percent-encodes what encoding-type=url covers, if it was asked for.
func (l *listResult) encoded() *listResult {
	if l.EncodingType == "" {
		return l
	}
	enc := listEncoded
	l.Delimiter, l.StartAfter, l.NextMarker = enc(l.Delimiter), enc(l.StartAfter), enc(l.NextMarker)
	for _, echoed := range []*string{l.Prefix, l.Marker} {
		if echoed != nil {
			*echoed = enc(*echoed)
		}
	}
	for i := range l.Contents {
		l.Contents[i].Key = enc(l.Contents[i].Key)
	}
	for i := range l.CommonPrefixes {
		l.CommonPrefixes[i].Prefix = enc(l.CommonPrefixes[i].Prefix)
	}
	return l
}
