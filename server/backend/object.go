package backend

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	smithytime "github.com/aws/smithy-go/time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// objectURL is the URL of an object, or of its version.
func (c *Client) objectURL(bucket, key, version string) *url.URL {
	if version == "" {
		return c.requests.target(bucket, key, nil)
	}
	return c.requests.target(bucket, key, url.Values{"versionId": {version}})
}

// askObject sends a GET or HEAD about an object and gives its answer.
func (at *attempt) askObject(ctx context.Context, method string, target *url.URL, opt GetOptions) (*http.Response, error) {
	headers := make([]sigv4.Header, 0, 2)
	if opt.Range != nil {
		headers = append(headers, sigv4.Header{Name: "range", Value: opt.Range.String()})
	}
	if opt.IfMatch != "" {
		headers = append(headers, sigv4.Header{Name: "if-match", Value: opt.IfMatch})
	}
	return at.fetch(ctx, method, target, headers...)
}

// described reads what an answer's header tells of an object, without a range. What cannot be read is no answer: it must
// not pass for "the store does not say".
func described(at *attempt, resp *http.Response) (*Object, error) {
	if resp.ContentLength < 0 {
		return nil, malformed(at, "answer without a length")
	}
	value := func(name string) string {
		if v := resp.Header[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	o := &Object{Length: resp.ContentLength, Size: resp.ContentLength, ETag: value("Etag"), Version: value("X-Amz-Version-Id"), Restore: value("X-Amz-Restore")}
	if o.ETag == "" && strings.HasPrefix(value("Content-Type"), "text/html") {
		return nil, malformed(at, "answer is a web page")
	}
	o.Attributes = Attributes{StorageClass: value("X-Amz-Storage-Class"), LockMode: value("X-Amz-Object-Lock-Mode"), LegalHold: value("X-Amz-Object-Lock-Legal-Hold")}
	var err error
	if v := value("Last-Modified"); v != "" {
		if o.LastModified, err = smithytime.ParseHTTPDate(v); err != nil {
			return nil, malformed(at, "answer with a Last-Modified that is none")
		}
	}
	if v := value("X-Amz-Object-Lock-Retain-Until-Date"); v != "" {
		until, err := smithytime.ParseDateTime(v)
		if err != nil {
			return nil, malformed(at, "answer with a date of a lock that is none")
		}
		o.RetainUntil = until.UTC().Format(time.RFC3339)
	}
	if v := value("X-Amz-Tagging-Count"); v != "" {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return nil, malformed(at, "answer with a number of tags that is none")
		}
		o.Tags = int(n)
	}
	o.Hint = hinted(value(hintHeader))
	return o, nil
}
