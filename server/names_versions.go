package server

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// ListVersions is List for versions: within a page in the order of the plain names,
// filtered here where the backend cannot, within maxNamePages of its pages. The marker
// of the next page is a token; another marker is a name, behind which, in the order of
// the plain names, everything is asked for.
func (n *nameStore) ListVersions(ctx context.Context, bucket string, opt backend.ListVersionsOptions) (*backend.VersionsPage, error) {
	if own(opt.Prefix) {
		return n.store.ListVersions(ctx, bucket, opt)
	}
	b, err := n.standing(ctx, bucket)
	if err == errFreshNames {
		return &backend.VersionsPage{}, nil
	}
	if err != nil {
		return nil, err
	}
	if b.namer == nil {
		return n.store.ListVersions(ctx, bucket, opt)
	}
	l, err := newVersionListing(n, b.namer, bucket, opt)
	if err != nil {
		return nil, err
	}
	return l.page(ctx)
}

// versionListing is one page in the making.
type versionListing struct {
	n             *nameStore
	namer         *format.Namer
	bucket        string
	opt           backend.ListVersionsOptions // of the backend
	prefix, after string                      // plain
	room          int
	out           []namedVersion
}

// namedVersion is a version, or a common prefix, with both its names.
type namedVersion struct {
	stored, plain string
	version       *backend.VersionEntry // nil: a common prefix
}

func newVersionListing(n *nameStore, namer *format.Namer, bucket string, opt backend.ListVersionsOptions) (*versionListing, error) {
	if opt.Delimiter != "" && opt.Delimiter != "/" {
		return nil, errOtherDelimiter
	}
	l := &versionListing{n: n, namer: namer, bucket: bucket, prefix: opt.Prefix, room: cmp.Or(opt.MaxKeys, maxListKeys)}
	l.opt = backend.ListVersionsOptions{Delimiter: opt.Delimiter}
	if marker, ours := strings.CutPrefix(opt.KeyMarker, pageMarker); ours {
		decoded, err := base64.RawURLEncoding.DecodeString(marker)
		token, ok := parseListToken(string(decoded))
		if err != nil || !ok {
			return nil, s3err.Argument("key-marker", opt.KeyMarker, "the marker is not one of ours")
		}
		l.after, l.opt.KeyMarker, l.opt.VersionMarker = token.after, token.page, token.behind
	} else if opt.VersionMarker != "" {
		return nil, s3err.New(s3err.NotImplemented, "the names of this bucket are sealed: its versions are listed on from the markers of a page alone")
	} else {
		l.after = opt.KeyMarker
	}
	if len(l.after) > 2*maxKeyBytes {
		return nil, s3err.New(s3err.InvalidArgument, "the start of the listing is longer than any key")
	}
	var err error
	l.opt.Prefix, err = sealName(namer, opt.Prefix[:strings.LastIndexByte(opt.Prefix, '/')+1])
	return l, err
}

// page reads backend pages until the client's is full, the bound is reached, or there
// are no more.
func (l *versionListing) page(ctx context.Context) (*backend.VersionsPage, error) {
	for range maxNamePages {
		if l.opt.MaxKeys = l.room; l.after != "" || l.prefix != "" && !strings.HasSuffix(l.prefix, "/") {
			l.opt.MaxKeys = nameFilterPage
		}
		page, err := l.n.store.ListVersions(ctx, l.bucket, l.opt)
		if err != nil {
			return nil, err
		}
		entries := l.open(page)
		if len(entries) > l.room {
			l.out = append(l.out, entries[:l.room]...)
			last := entries[l.room-1]
			next := &listToken{after: l.after, page: last.stored}
			if last.version != nil {
				next.behind = last.version.Version
			}
			return l.result(next), nil
		}
		l.out = append(l.out, entries...)
		l.room -= len(entries)
		if !page.Truncated {
			return l.result(nil), nil
		}
		l.opt.KeyMarker, l.opt.VersionMarker = page.NextKeyMarker, page.NextVersionMarker
		if l.room == 0 {
			break
		}
	}
	return l.result(&listToken{l.after, l.opt.KeyMarker, l.opt.VersionMarker}), nil
}

// open gives what of a backend page the client asks for, in the backend's order. A
// common prefix that holds the start is given: some of it may be behind.
func (l *versionListing) open(page *backend.VersionsPage) []namedVersion {
	var entries []namedVersion
	add := func(stored string, version *backend.VersionEntry) {
		if own(stored) {
			return
		}
		plain, err := l.namer.Open(stored)
		if err != nil {
			l.n.unnamable.Inc()
			return
		}
		wanted := plain > l.after
		if below, part := strings.CutPrefix(l.after, plain); version == nil && part {
			wanted = !strings.HasPrefix(below, string(utf8.MaxRune))
		}
		if wanted && strings.HasPrefix(plain, l.prefix) {
			entries = append(entries, namedVersion{stored, plain, version})
		}
	}
	for i := range page.Versions {
		add(page.Versions[i].Key, &page.Versions[i])
	}
	for _, p := range page.CommonPrefixes {
		add(p, nil)
	}
	slices.SortStableFunc(entries, func(a, b namedVersion) int { return cmp.Compare(a.stored, b.stored) })
	return entries
}

// result is the page, in the order of the plain names.
func (l *versionListing) result(next *listToken) *backend.VersionsPage {
	slices.SortStableFunc(l.out, func(a, b namedVersion) int { return cmp.Compare(a.plain, b.plain) })
	page := &backend.VersionsPage{}
	for _, e := range l.out {
		if e.version == nil {
			page.CommonPrefixes = append(page.CommonPrefixes, e.plain)
			continue
		}
		v := *e.version
		v.Key = e.plain
		page.Versions = append(page.Versions, v)
	}
	if next != nil {
		page.Truncated, page.NextKeyMarker = true, nextMarker(next.encode())
	}
	return page
}
