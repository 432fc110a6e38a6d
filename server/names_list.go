package server

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// Listings of a bucket whose names are sealed. The backend lists stored names in their
// own order, so:
//
//   - a prefix is listed by its part up to the last slash, whose sealed form is a prefix
//     of all below it; what stands behind that slash is a filter over what is opened;
//   - a start-after is a filter too;
//   - a page is in the order of the plain names, but pages among themselves are in the
//     order of the stored ones;
//   - of delimiters there is "/" alone.
//
// A filter may find little in many names. One request reads maxNamePages backend pages
// at most, and then answers what it has, perhaps nothing, with a token.

// maxNamePages bounds the work of one request.
const maxNamePages = 8

// errOtherDelimiter: within a sealed part nothing can be told apart.
var errOtherDelimiter = s3err.New(s3err.NotImplemented, "the names of this bucket are sealed: / is the only delimiter they have")

// nameFilterPage is how many names are read at a time through a filter.
const nameFilterPage = 1000

// List is a page of names as clients know them; see above. Own objects are left out,
// but where a prefix of theirs asks for them.
func (n *nameStore) List(ctx context.Context, bucket string, opt backend.ListOptions) (*backend.Page, error) {
	if own(opt.Prefix) {
		return n.store.List(ctx, bucket, opt)
	}
	b, err := n.standing(ctx, bucket)
	if err == errFreshNames {
		return &backend.Page{}, nil
	}
	if err != nil {
		return nil, err
	}
	if b.namer == nil {
		return n.store.List(ctx, bucket, opt)
	}
	l, err := newNameListing(n, b.namer, bucket, opt)
	if err != nil {
		return nil, err
	}
	return l.page(ctx)
}

// nameListing is one page in the making.
type nameListing struct {
	n      *nameStore
	namer  *format.Namer
	bucket string
	opt    backend.ListOptions // of the backend
	prefix string              // plain, whole
	after  string              // plain; what is not greater is left out
	from   listToken
	room   int
	out    []namedEntry
}

// namedEntry is an object, or a common prefix, with both its names.
type namedEntry struct {
	stored, plain string
	object        *backend.Entry // nil: a common prefix
}

func newNameListing(n *nameStore, namer *format.Namer, bucket string, opt backend.ListOptions) (*nameListing, error) {
	if opt.Delimiter != "" && opt.Delimiter != "/" {
		return nil, errOtherDelimiter
	}
	l := &nameListing{n: n, namer: namer, bucket: bucket, prefix: opt.Prefix, after: opt.StartAfter, room: opt.MaxKeys}
	token := opt.ContinuationToken
	if marker, ok := strings.CutPrefix(opt.StartAfter, pageMarker); ok {
		decoded, err := base64.RawURLEncoding.DecodeString(marker)
		if err != nil || len(decoded) == 0 {
			return nil, s3err.New(s3err.InvalidArgument, "the marker is not one of ours")
		}
		token, l.after = string(decoded), ""
	}
	if token != "" {
		var ok bool
		if l.from, ok = parseListToken(token); !ok {
			return nil, s3err.New(s3err.InvalidArgument, "the continuation token is not one of ours")
		}
		l.after = l.from.after
	}
	if len(l.after) > 2*maxKeyBytes {
		return nil, s3err.New(s3err.InvalidArgument, "the start of the listing is longer than any key")
	}
	dir := opt.Prefix[:strings.LastIndexByte(opt.Prefix, '/')+1]
	sealed, err := sealName(namer, dir)
	if err != nil {
		return nil, err
	}
	l.opt = backend.ListOptions{Prefix: sealed, Delimiter: opt.Delimiter, ContinuationToken: l.from.page}
	return l, nil
}

// filtered: not everything below the backend's prefix is asked for.
func (l *nameListing) filtered() bool {
	return l.after != "" || l.prefix != "" && !strings.HasSuffix(l.prefix, "/")
}

// page reads backend pages until the client's is full, the bound is reached, or there
// are no more.
func (l *nameListing) page(ctx context.Context) (*backend.Page, error) {
	if l.room == 0 {
		l.room = maxListKeys
	}
	for range maxNamePages {
		if l.opt.MaxKeys = l.room; l.filtered() || l.from.behind != "" {
			l.opt.MaxKeys = nameFilterPage
		}
		page, err := l.n.store.List(ctx, l.bucket, l.opt)
		if err != nil {
			return nil, err
		}
		entries, err := l.open(ctx, page)
		if err != nil {
			return nil, err
		}
		if len(entries) > l.room {
			entries = entries[:l.room]
			l.out = append(l.out, entries...)
			// The rest of this page comes next: it is read again, from where it began.
			return l.result(&listToken{l.after, l.opt.ContinuationToken, entries[len(entries)-1].stored}), nil
		}
		l.out = append(l.out, entries...)
		l.room -= len(entries)
		if !page.Truncated {
			return l.result(nil), nil
		}
		l.opt.ContinuationToken, l.from.behind = page.NextToken, ""
		if l.room == 0 {
			break
		}
	}
	return l.result(&listToken{l.after, l.opt.ContinuationToken, ""}), nil
}

// open gives what of a backend page the client asks for, in the backend's order.
func (l *nameListing) open(ctx context.Context, page *backend.Page) ([]namedEntry, error) {
	entries := make([]namedEntry, 0, len(page.Objects)+len(page.CommonPrefixes))
	add := func(stored string, object *backend.Entry) error {
		if own(stored) || stored <= l.from.behind {
			return nil
		}
		plain, err := l.namer.Open(stored)
		if err != nil {
			l.n.unnamable.Inc()
			return nil
		}
		wanted := plain > l.after
		if object == nil && !wanted {
			wanted, err = l.reaches(ctx, plain)
		}
		if wanted && strings.HasPrefix(plain, l.prefix) {
			entries = append(entries, namedEntry{stored, plain, object})
		}
		return err
	}
	for i := range page.Objects {
		if err := add(page.Objects[i].Key, &page.Objects[i]); err != nil {
			return nil, err
		}
	}
	for _, p := range page.CommonPrefixes {
		if err := add(p, nil); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(entries, func(a, b namedEntry) int { return cmp.Compare(a.stored, b.stored) })
	return entries, nil
}

// reaches says whether a common prefix has a name behind the start. Of all common
// prefixes of a listing one at most is a part of the start, and has to be looked into;
// where that ends at the bound without an answer, the prefix is given rather than lost.
func (l *nameListing) reaches(ctx context.Context, common string) (bool, error) {
	below, part := strings.CutPrefix(l.after, common)
	if !part || strings.HasPrefix(below, string(utf8.MaxRune)) {
		return false, nil
	}
	inner, err := newNameListing(l.n, l.namer, l.bucket, backend.ListOptions{Prefix: common, StartAfter: l.after, MaxKeys: 1})
	if err != nil {
		return false, err
	}
	page, err := inner.page(ctx)
	if err != nil {
		return false, err
	}
	return len(page.Objects) > 0 || page.Truncated, nil
}

// result is the page, in the order of the plain names.
func (l *nameListing) result(next *listToken) *backend.Page {
	slices.SortFunc(l.out, func(a, b namedEntry) int { return cmp.Compare(a.plain, b.plain) })
	page := &backend.Page{}
	for _, e := range l.out {
		if e.object == nil {
			page.CommonPrefixes = append(page.CommonPrefixes, e.plain)
			continue
		}
		o := *e.object
		o.Key = e.plain
		page.Objects = append(page.Objects, o)
	}
	if next != nil {
		page.Truncated, page.NextToken = true, next.encode()
	}
	return page
}

// listToken is where a listing goes on: the backend's own token, which names that are
// deleted meanwhile do not disturb, and what the backend does not know of.
type listToken struct {
	after  string // the start that was asked for first
	page   string // the backend's token of the page
	behind string // the stored name in that page that was given last
}

const listTokenVersion = 1

// pageMarker begins the NextMarker of such a page, which is a token and not a name:
// the last name of a page is not its last one at the backend. No key begins so.
const pageMarker = format.ReservedPrefix + "page/"

// nextMarker is a token as the older call has it.
func nextMarker(token string) string {
	return pageMarker + base64.RawURLEncoding.EncodeToString([]byte(token))
}

func (t *listToken) encode() string {
	b := []byte{listTokenVersion}
	for _, s := range []string{t.after, t.behind} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	return string(append(b, t.page...))
}

func parseListToken(s string) (t listToken, ok bool) {
	if s == "" || s[0] != listTokenVersion {
		return t, false
	}
	s = s[1:]
	for _, field := range []*string{&t.after, &t.behind} {
		if len(s) < 2 {
			return t, false
		}
		n := int(binary.BigEndian.Uint16([]byte(s)))
		if s = s[2:]; n > len(s) {
			return t, false
		}
		*field, s = s[:n], s[n:]
	}
	t.page = s
	return t, true
}
