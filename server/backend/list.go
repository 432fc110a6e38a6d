package backend

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
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
	in := &s3.ListObjectsV2Input{
		Bucket:            &bucket,
		Prefix:            optional(opt.Prefix),
		Delimiter:         optional(opt.Delimiter),
		ContinuationToken: optional(opt.ContinuationToken),
		StartAfter:        optional(opt.StartAfter),
		// A key with a control character cannot appear in XML. A store that does not know this option
		// does not repeat it in its answer, and sends the keys as they are.
		EncodingType: types.EncodingTypeUrl,
	}
	if opt.MaxKeys > 0 {
		in.MaxKeys = aws.Int32(int32(opt.MaxKeys))
	}
	call := &call{op: op, answer: answerXML, root: "ListBucketResult", status: [2]int{200}}
	var page *Page
	err := c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		out, err := c.s3.ListObjectsV2(ctx, in)
		if err != nil {
			return err
		}
		if page, err = newPage(opt, out); err != nil {
			return malformed(at, err.Error())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// newPage checks an answer against the question.
func newPage(opt ListOptions, out *s3.ListObjectsV2Output) (*Page, error) {
	p := &Page{Truncated: aws.ToBool(out.IsTruncated), NextToken: aws.ToString(out.NextContinuationToken)}
	if err := p.checkEnd(opt, out); err != nil {
		return nil, err
	}
	decode := func(s *string) (string, error) { return aws.ToString(s), nil }
	if out.EncodingType == types.EncodingTypeUrl {
		decode = func(s *string) (string, error) { return url.QueryUnescape(aws.ToString(s)) }
	}
	p.Objects = make([]Entry, len(out.Contents))
	for i, o := range out.Contents {
		key, err := decode(o.Key)
		switch {
		case err != nil || key == "":
			return nil, errors.New("list with an entry without a usable key")
		case !strings.HasPrefix(key, opt.Prefix):
			return nil, errors.New("list with a key that does not begin with the prefix")
		case opt.ContinuationToken == "" && opt.StartAfter != "" && key <= opt.StartAfter:
			return nil, errors.New("list with a key before the start")
		case o.Size == nil || *o.Size < 0:
			return nil, errors.New("list with an entry without a usable size")
		case o.LastModified == nil || o.LastModified.IsZero():
			// A missing time would read as 1970, and garbage collectors delete what is old.
			return nil, errors.New("list with an entry without a time")
		}
		p.Objects[i] = Entry{Key: key, Size: *o.Size, ETag: aws.ToString(o.ETag), LastModified: *o.LastModified, StorageClass: string(o.StorageClass)}
	}
	for _, cp := range out.CommonPrefixes {
		prefix, err := decode(cp.Prefix)
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
func (p *Page) checkEnd(opt ListOptions, out *s3.ListObjectsV2Output) error {
	if out.IsTruncated == nil {
		// Some stores leave it out on the last page. A full page, a token, or a document that says
		// nothing at all about the listing, is not plainly a last page.
		limit := opt.MaxKeys
		if limit == 0 {
			limit = 1000
		}
		silent := out.Name == nil && out.KeyCount == nil && out.MaxKeys == nil
		if silent || p.NextToken != "" || len(out.Contents)+len(out.CommonPrefixes) >= limit {
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
