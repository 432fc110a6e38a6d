package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ListOptions of a List. MaxKeys 0 leaves the page size to the store.
type ListOptions struct {
	Prefix, Delimiter, ContinuationToken, StartAfter string
	MaxKeys                                          int
}

// Page is one page of a listing. If Truncated is set there are more, and NextToken is not empty.
type Page struct {
	Objects        []Entry
	CommonPrefixes []string
	NextToken      string
	Truncated      bool
}

// Entry is one stored object.
type Entry struct {
	Key          string
	Size         int64
	ETag         string // quoted as the backend gave it
	LastModified time.Time
	StorageClass string
}

// List returns one page of ListObjectsV2, or an error: a page that is incomplete, or that answers
// another question than the one asked, is Busy and never a shorter list. A client that deletes what it
// does not find in a listing depends on that.
func (c *Client) List(ctx context.Context, bucket string, opt ListOptions) (*Page, error) {
	const op = "ListObjectsV2"
	if err := checkBucket(bucket); err != nil {
		return nil, invalid(op, err)
	}
	if opt.MaxKeys < 0 || opt.MaxKeys > 1<<30 {
		return nil, invalid(op, fmt.Errorf("page size %d is out of range", opt.MaxKeys))
	}
	// A key with a control character cannot appear in XML. A store that does not know encoding-type does not repeat it in
	// its answer, and sends the keys as they are.
	query := url.Values{"list-type": {"2"}, "encoding-type": {"url"}}
	setQuery(query, opt.MaxKeys, "prefix", opt.Prefix, "delimiter", opt.Delimiter, "continuation-token", opt.ContinuationToken, "start-after", opt.StartAfter)
	var page *Page
	err := c.list(ctx, op, bucket, query, objectsRoot, func(l *listing) (err error) {
		page, err = newPage(opt, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// setQuery adds the size of a page, unless it is 0, and the pairs of names and values that have a value.
func setQuery(query url.Values, maxKeys int, pairs ...string) {
	if maxKeys > 0 {
		query.Set("max-keys", strconv.Itoa(maxKeys))
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
}

// list asks for a page of a listing; take makes of it what is to be returned, or says what is wrong with it.
func (c *Client) list(ctx context.Context, op, bucket string, query url.Values, root string, take func(*listing) error) error {
	target := c.requests.target(bucket, "", query)
	call := &call{op: op, answer: answerXML, root: root, status: [2]int{http.StatusOK}}
	return c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		if _, err := at.fetch(ctx, http.MethodGet, target); err != nil { // which has read all of the answer
			return err
		}
		l, err := readListing(at.document, root)
		if err == nil {
			err = take(l)
		}
		if err != nil {
			return malformed(at, err.Error())
		}
		return nil
	})
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// newPage checks an answer against the question.
func newPage(opt ListOptions, l *listing) (*Page, error) {
	p := &Page{NextToken: l.nextToken.value}
	if err := p.checkEnd(opt, l); err != nil {
		return nil, err
	}
	decode := l.decoder()
	p.Objects = make([]Entry, len(l.entries))
	for i := range l.entries {
		o := l.entries[i].Entry
		var err error
		o.Key, err = decode(o.Key)
		switch {
		case err != nil || o.Key == "":
			return nil, errors.New("list with an entry without a usable key")
		case !strings.HasPrefix(o.Key, opt.Prefix):
			return nil, errors.New("list with a key that does not begin with the prefix")
		case opt.ContinuationToken == "" && opt.StartAfter != "" && o.Key <= opt.StartAfter:
			return nil, errors.New("list with a key before the start")
		}
		p.Objects[i] = o
	}
	for _, cp := range l.prefixes {
		prefix, err := decode(cp)
		if err != nil || prefix == "" {
			return nil, errors.New("list with a common prefix that is not usable")
		}
		if !strings.HasPrefix(prefix, opt.Prefix) || opt.Delimiter == "" {
			return nil, errors.New("list with a common prefix that was not asked for")
		}
		p.CommonPrefixes = append(p.CommonPrefixes, prefix)
	}
	return p, nil
}

// checkEnd demands that the answer says whether it is the last page.
func (p *Page) checkEnd(opt ListOptions, l *listing) (err error) {
	var said bool
	if p.Truncated, said, err = l.isTruncated(); err != nil {
		return err
	}
	if !said {
		// Some stores leave it out on the last page. A full page, a token, or a document that says
		// nothing at all about the listing, is not plainly a last page.
		limit := opt.MaxKeys
		if limit == 0 {
			limit = 1000
		}
		if l.silent() || p.NextToken != "" || len(l.entries)+len(l.prefixes) >= limit {
			return errors.New("list without IsTruncated")
		}
	}
	if !p.Truncated {
		p.NextToken = ""
		return nil
	}
	if p.NextToken == "" {
		return errors.New("list is truncated but has no token")
	}
	if p.NextToken == opt.ContinuationToken {
		return errors.New("list does not advance")
	}
	return nil
}
