package pbs

import (
	"context"
	"strconv"
	"time"
)

// Entry is one object of a listing.
type Entry struct {
	Key          string
	Size         uint64
	ETag         string
	LastModified time.Time
}

// Page is one page of a listing.
type Page struct {
	Entries   []Entry
	Truncated bool
	NextToken string
}

// ListPage asks for one page of the keys that begin with prefix. An empty token is the first page.
func (c *Client) ListPage(ctx context.Context, prefix, token string) (*Page, error) {
	const op = "ListObjectsV2"
	query := "list-type=2"
	if prefix != "" {
		query += "&prefix=" + encode(prefix, false)
	}
	if token != "" {
		query += "&continuation-token=" + encode(token, false)
	}
	resp, err := c.send(ctx, Request{Op: op, Method: "GET", Path: c.bucketPath(), Query: query})
	if err != nil {
		return nil, err
	}
	if resp.status != 200 {
		return nil, resp.fail()
	}
	doc, err := resp.document()
	if err != nil {
		return nil, err
	}
	page, err := parseList(doc)
	if err != nil {
		return nil, err
	}
	for _, e := range page.Entries {
		if len(e.Key) < len(prefix) || e.Key[:len(prefix)] != prefix {
			return nil, broken(op, "key %q does not begin with the prefix %q", e.Key, prefix)
		}
	}
	return page, nil
}

// List calls take for every page in turn, until a page is not truncated. take may delete what it was given.
func (c *Client) List(ctx context.Context, prefix string, take func(*Page) error) error {
	token := ""
	for range maxPages {
		page, err := c.ListPage(ctx, prefix, token)
		if err != nil {
			return err
		}
		if err := take(page); err != nil || !page.Truncated {
			return err
		}
		token = page.NextToken
	}
	return broken("ListObjectsV2", "%d pages and no end", maxPages)
}

// ListAll collects a whole listing.
func (c *Client) ListAll(ctx context.Context, prefix string) ([]Entry, error) {
	var all []Entry
	err := c.List(ctx, prefix, func(p *Page) error { all = append(all, p.Entries...); return nil })
	return all, err
}

func parseList(doc []byte) (*Page, error) {
	const op = "ListObjectsV2"
	n, err := root(op, doc, "ListBucketResult")
	if err != nil {
		return nil, err
	}
	// Clients before 1.2.5 fail without these.
	for _, name := range []string{"Name", "Prefix", "KeyCount", "MaxKeys", "IsTruncated"} {
		if _, err := n.must(name); err != nil {
			return nil, broken(op, "%v", err)
		}
	}
	page := &Page{}
	switch v := n.text("IsTruncated"); v {
	case "true", "1":
		page.Truncated = true
	case "false", "0":
	default:
		return nil, broken(op, "IsTruncated is %q", v)
	}
	if page.NextToken, _, err = n.one("NextContinuationToken"); err != nil {
		return nil, broken(op, "%v", err)
	}
	if page.Truncated && page.NextToken == "" {
		return nil, broken(op, "truncated without a token: PBS would begin again at page one, for ever")
	}
	for _, c := range n.all("Contents") {
		e, err := parseEntry(c)
		if err != nil {
			return nil, broken(op, "%v", err)
		}
		page.Entries = append(page.Entries, e)
	}
	if count := n.text("KeyCount"); count != strconv.Itoa(len(page.Entries)+len(n.all("CommonPrefixes"))) {
		return nil, broken(op, "KeyCount is %q for %d entries", count, len(page.Entries))
	}
	return page, nil
}

func parseEntry(n *node) (Entry, error) {
	var e Entry
	var err error
	if e.Key, err = n.must("Key"); err != nil {
		return e, err
	}
	if e.ETag, err = n.must("ETag"); err != nil {
		return e, err
	}
	size, err := n.must("Size")
	if err != nil {
		return e, err
	}
	if e.Size, err = strconv.ParseUint(size, 10, 64); err != nil {
		return e, err
	}
	modified, err := n.must("LastModified")
	if err != nil {
		return e, err
	}
	if e.LastModified, err = parseISO(modified); err != nil {
		return e, err
	}
	_, err = n.must("StorageClass") // clients before 1.2.5 fail without it
	return e, err
}
