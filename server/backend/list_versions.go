package backend

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
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
	page, err := c.listVersionsOnce(ctx, bucket, opt)
	if err != nil || page.Advances(opt) || opt.MaxKeys == 0 || len(page.Versions)+len(page.CommonPrefixes) > 0 {
		return page, err
	}
	more := opt // room for what is behind the version that is repeated
	more.MaxKeys++
	wider, err := c.listVersionsOnce(ctx, bucket, more)
	switch {
	case err != nil:
		return nil, err
	case len(wider.Versions)+len(wider.CommonPrefixes) > opt.MaxKeys:
		return page, nil
	}
	return wider, nil
}

func (c *Client) listVersionsOnce(ctx context.Context, bucket string, opt ListVersionsOptions) (*VersionsPage, error) {
	const op = "ListObjectVersions"
	if opt.MaxKeys < 0 || opt.MaxKeys > 1<<30 {
		return nil, invalid(op, fmt.Errorf("page size %d is out of range", opt.MaxKeys))
	}
	if err := checkBucket(bucket); err != nil {
		return nil, invalid(op, err)
	}
	query := url.Values{"versions": {""}, "encoding-type": {"url"}}
	setQuery(query, opt.MaxKeys, "prefix", opt.Prefix, "delimiter", opt.Delimiter, "key-marker", opt.KeyMarker, "version-id-marker", opt.VersionMarker)
	var page *VersionsPage
	err := c.list(ctx, op, bucket, query, versionsRoot, func(l *listing) (err error) {
		page, err = newVersionsPage(opt, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// newVersionsPage checks an answer against the question.
func newVersionsPage(opt ListVersionsOptions, l *listing) (*VersionsPage, error) {
	decode := l.decoder()
	p := &VersionsPage{NextVersionMarker: l.nextVersionMarker.value}
	for i := range l.entries {
		e, err := l.entries[i].asVersion(decode)
		switch {
		case err != nil:
			return nil, err
		case !strings.HasPrefix(e.Key, opt.Prefix):
			return nil, errors.New("list with a key that does not begin with the prefix")
		case e.Key < opt.KeyMarker:
			return nil, errors.New("list with a key before the start")
		case e.Key == opt.KeyMarker && e.Version == opt.VersionMarker:
			continue // a listing begins behind its markers
		}
		p.Versions = append(p.Versions, e)
	}
	for _, cp := range l.prefixes {
		prefix, err := decode(cp)
		if err != nil || prefix == "" || !strings.HasPrefix(prefix, opt.Prefix) || opt.Delimiter == "" {
			return nil, errors.New("list with a common prefix that was not asked for")
		}
		p.CommonPrefixes = append(p.CommonPrefixes, prefix)
	}
	var err error
	if p.NextKeyMarker, err = decode(l.nextKeyMarker.value); err != nil {
		return nil, errors.New("list with a marker that is not usable")
	}
	return p, p.checkEnd(opt, l)
}

// checkEnd demands that the answer says whether it is the last page.
func (p *VersionsPage) checkEnd(opt ListVersionsOptions, l *listing) (err error) {
	var said bool
	if p.Truncated, said, err = l.isTruncated(); err != nil {
		return err
	}
	switch {
	case !said && (l.silent() || p.NextKeyMarker != "" || len(p.Versions)+len(p.CommonPrefixes) >= opt.MaxKeys):
		return errors.New("list without IsTruncated")
	case !p.Truncated:
		p.NextKeyMarker, p.NextVersionMarker = "", ""
	case p.NextKeyMarker == "":
		return errors.New("list is truncated but has no marker")
	case p.NextKeyMarker < opt.KeyMarker:
		return errors.New("list goes backwards")
	}
	return nil
}

// asVersion reads what only versions have.
func (v *listedEntry) asVersion(decode func(string) (string, error)) (e VersionEntry, err error) {
	e = VersionEntry{Entry: v.Entry, Version: v.version, Latest: v.latest == "true", Marker: v.marker}
	if e.Key, err = decode(e.Key); err != nil || e.Key == "" {
		return e, errors.New("list with an entry without a usable key")
	}
	if e.Version == "" {
		return e, errors.New("list with an entry without a version id")
	}
	if v.latest != "true" && v.latest != "false" {
		return e, errors.New("list with an entry that does not say whether it is the latest")
	}
	return e, nil
}
