package server

import (
	"slices"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// errNotModified: the client has this object already: 304, which has no document.
var errNotModified = &notModified{}

type notModified struct{}

func (*notModified) Error() string { return "the object was not modified" }

// preconditions are a read's conditions in the order of RFC 9110 section 13.2.2.
// Each field's header has the prefix of copy sources, or none.
type preconditions struct {
	match, noneMatch           string
	unmodified, modified       time.Time
	hasMatch, hasNoneMatch     bool
	hasUnmodified, hasModified bool
}

// readConditions reads the conditions with a prefix: "" for the request's own
// object, "x-amz-copy-source-" for a copy's source. A date that is none is
// ignored, as RFC 9110 has it.
func (r *request) readConditions(prefix string) preconditions {
	c := preconditions{
		match: r.header(prefix + "if-match"), hasMatch: r.hasHeader(prefix + "if-match"),
		noneMatch: r.header(prefix + "if-none-match"), hasNoneMatch: r.hasHeader(prefix + "if-none-match"),
	}
	c.unmodified, c.hasUnmodified = parseHTTPTime(r.header(prefix + "if-unmodified-since"))
	c.modified, c.hasModified = parseHTTPTime(r.header(prefix + "if-modified-since"))
	return c
}

// parseHTTPTime reads the forms of RFC 9110 section 5.6.7, and the ISO form some
// SDKs send.
func parseHTTPTime(s string) (time.Time, bool) {
	if s == "" { // as in most requests
		return time.Time{}, false
	}
	for _, form := range []string{httpTime, time.RFC1123, "Monday, 02-Jan-06 15:04:05 MST", time.ANSIC, time.RFC3339} {
		if t, err := time.Parse(form, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// check says whether an object with this time, which any of these ETags in a client's
// form names, may be read: nil, errNotModified, or PreconditionFailed.
func (c preconditions) check(names []string, modified time.Time) error {
	modified = modified.Truncate(time.Second) // the dates have no finer grain
	switch {
	case c.hasMatch:
		if !listsAny(c.match, names, false) {
			return conditionFailed()
		}
	case c.hasUnmodified && modified.After(c.unmodified):
		return conditionFailed()
	}
	switch {
	case c.hasNoneMatch:
		if listsAny(c.noneMatch, names, true) {
			return errNotModified
		}
	case c.hasModified && !modified.After(c.modified):
		return errNotModified
	}
	return nil
}

func conditionFailed() error {
	return s3err.New(s3err.PreconditionFailed, "a condition of the request does not hold")
}

// listsAny is listsETag for an object of several ETags.
func listsAny(list string, names []string, weak bool) bool {
	return slices.ContainsFunc(names, func(etag string) bool { return listsETag(list, etag, weak) })
}

// listsETag says whether a list of entity tags (RFC 9110 section 13.1) names etag.
// S3 takes them with and without quotes. A weak tag counts only where weak is set.
func listsETag(list, etag string, weak bool) bool {
	want := strings.Trim(etag, `"`)
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" {
			return true
		}
		strong, isWeak := strings.CutPrefix(tag, "W/")
		if isWeak && !weak {
			continue
		}
		if strings.Trim(strong, `"`) == want {
			return true
		}
	}
	return false
}
