package backend

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	smithytime "github.com/aws/smithy-go/time"
)

// field is a value that an element has at most once.
type field struct {
	value string
	set   bool
}

// read takes the value of the element that e stands in.
func (f *field) read(e elements) (err error) {
	if f.set {
		return errors.New("list that says a thing twice")
	}
	f.set = true
	f.value, err = e.value()
	return err
}

// children calls child for each child of the element that e stands in; child leaves it.
func children(e elements, child func(name string) error) error {
	for {
		name, ok, err := e.enter()
		if err != nil || !ok {
			return err
		}
		if err := child(name); err != nil {
			return err
		}
	}
}

// listing is a ListBucketResult or ListVersionsResult as it came; names are as the store wrote them.
type listing struct {
	versions bool // a ListVersionsResult

	name, maxKeys, keyCount, truncated, encoding field
	nextToken, nextKeyMarker, nextVersionMarker  field

	entries  []listedEntry
	prefixes []string
}

// listedEntry is an object, a version or a delete marker.
type listedEntry struct {
	Entry
	version, latest string
	marker          bool
}

// readField reads one of a listing's own elements; false for another. S3's names are taken in any case, as the SDK does.
func (l *listing) readField(e elements, name string) (known bool, err error) {
	for _, f := range [...]struct {
		name  string
		field *field
	}{
		{"Name", &l.name}, {"MaxKeys", &l.maxKeys}, {"KeyCount", &l.keyCount}, {"IsTruncated", &l.truncated}, {"EncodingType", &l.encoding},
		{"NextContinuationToken", &l.nextToken}, {"NextKeyMarker", &l.nextKeyMarker}, {"NextVersionIdMarker", &l.nextVersionMarker},
	} {
		if strings.EqualFold(name, f.name) {
			return true, f.field.read(e)
		}
	}
	return false, nil
}

// readListing reads a document of either kind.
func readListing(doc []byte, root string) (l *listing, err error) {
	err = readDocument(doc, root, func(e elements) error {
		l = &listing{versions: root == versionsRoot, entries: make([]listedEntry, 0, min(len(doc)/200, 1000))}
		return children(e, func(name string) error { return l.read(e, name) })
	})
	return l, err
}

// Roots of the listings.
const (
	objectsRoot  = "ListBucketResult"
	versionsRoot = "ListVersionsResult"
)

func (l *listing) read(e elements, name string) error {
	switch {
	case !l.versions && strings.EqualFold(name, "Contents"), l.versions && strings.EqualFold(name, "Version"):
		return l.readEntry(e, false)
	case l.versions && strings.EqualFold(name, "DeleteMarker"):
		return l.readEntry(e, true)
	case strings.EqualFold(name, "CommonPrefixes"):
		return children(e, func(name string) error {
			if !strings.EqualFold(name, "Prefix") {
				return e.skip()
			}
			prefix, err := e.value()
			l.prefixes = append(l.prefixes, prefix)
			return err
		})
	}
	if known, err := l.readField(e, name); known || err != nil {
		return err
	}
	return e.skip()
}

// readEntry reads an object, a version, or a delete marker, which has no size.
func (l *listing) readEntry(e elements, marker bool) error {
	var key, size, etag, modified, class, version, latest field
	for {
		name, ok, err := e.enter()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		switch {
		case strings.EqualFold(name, "Key"):
			err = key.read(e)
		case strings.EqualFold(name, "LastModified"):
			err = modified.read(e)
		case strings.EqualFold(name, "ETag"):
			err = etag.read(e)
		case strings.EqualFold(name, "Size"):
			err = size.read(e)
		case strings.EqualFold(name, "StorageClass"):
			err = class.read(e)
		case strings.EqualFold(name, "VersionId"):
			err = version.read(e)
		case strings.EqualFold(name, "IsLatest"):
			err = latest.read(e)
		default:
			err = e.skip()
		}
		if err != nil {
			return err
		}
	}
	v := listedEntry{Entry: Entry{Key: key.value, ETag: etag.value, StorageClass: class.value}, version: version.value, latest: latest.value, marker: marker}
	var err error
	if v.LastModified, err = listedTime(modified.value); err != nil {
		// A missing time would read as 1970, and garbage collectors delete what is old.
		return errors.New("list with an entry without a time")
	}
	if !marker {
		if v.Size, err = strconv.ParseInt(size.value, 10, 64); err != nil || v.Size < 0 {
			return errors.New("list with an entry without a usable size")
		}
	}
	l.entries = append(l.entries, v)
	return nil
}

// listedTime reads a time in any of the forms that the SDK takes, the usual one first. A zero time is none.
func listedTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = smithytime.ParseDateTime(s)
	}
	if err == nil && t.IsZero() {
		err = errors.New("no time")
	}
	return t, err
}

// isTruncated gives the flag; said is false where the store leaves it out.
func (l *listing) isTruncated() (truncated, said bool, err error) {
	if !l.truncated.set {
		return false, false, nil
	}
	if truncated, err = strconv.ParseBool(l.truncated.value); err != nil {
		return false, true, errors.New("list with an IsTruncated that is none")
	}
	return truncated, true, nil
}

// silent says whether the document says nothing at all about the listing.
func (l *listing) silent() bool { return !l.name.set && !number(l.keyCount) && !number(l.maxKeys) }

func number(f field) bool {
	_, err := strconv.ParseInt(f.value, 10, 64)
	return err == nil
}

// decoder undoes encoding-type=url, where the store says that it has done so.
func (l *listing) decoder() func(string) (string, error) {
	if l.encoding.value == "url" {
		return url.QueryUnescape
	}
	return func(s string) (string, error) { return s, nil }
}
