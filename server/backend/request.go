package backend

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// The calls that are made most often are signed by the SDK's signer and sent by net/http. The SDK's operations do the same
// behind a stack of middleware that costs a small request more CPU than all the rest of it: BenchmarkGet beside
// BenchmarkSDKGet. The loop of attempts, the check of the answers and the connections are the same for both.

// emptyPayload is the SHA-256 of no bytes.
const emptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// requests signs requests. The SDK's signer keeps the key of the day, region and credentials, so it is kept itself; it ends with
// the Client, as the credentials do. Safe for concurrent use.
type requests struct {
	base   *url.URL // the store
	hosted bool     // buckets go into the host's name, where they can
	region string
	who    aws.Credentials
	signer *v4.Signer
	reader *sigv4.Signer // for what has no body
}

func newRequests(c Config) (*requests, error) {
	base, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("%s: is not a URL", "Endpoint")
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	if base.Scheme+":"+base.Port() == "http:80" || base.Scheme+":"+base.Port() == "https:443" {
		base.Host = strings.TrimSuffix(base.Host, ":"+base.Port()) // as the SDK signs and sends it
	}
	return &requests{
		base: base, hosted: !c.PathStyle, region: c.Region,
		who:    aws.Credentials{AccessKeyID: c.AccessKey, SecretAccessKey: c.SecretKey},
		reader: sigv4.NewSigner(c.AccessKey, c.SecretKey, c.Region).WithBlanks(),
		signer: v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }),
	}, nil
}

// target is the URL of an object, or with no key of a bucket, in the places where the SDK has them.
func (r *requests) target(bucket, key string, query url.Values) *url.URL {
	u := &url.URL{Scheme: r.base.Scheme, Host: r.base.Host}
	path := r.base.Path
	if r.hosted && hostable(bucket, r.base) {
		u.Host = bucket + "." + r.base.Host
	} else {
		path += "/" + bucket
	}
	if key != "" || path == "" {
		path += "/" + key
	}
	u.Path, u.RawPath = path, escapePath(path)
	if len(query) > 0 {
		u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	}
	return u
}

// hostable says whether a bucket's name can stand before the store's, by the SDK's rules: an address takes none (but one
// with dots, which cannot work either way), and a certificate for *.store is none for a.b.store.
func hostable(bucket string, base *url.URL) bool {
	if !strings.Contains(bucket, ".") {
		return net.ParseIP(base.Hostname()) == nil
	}
	for part := range strings.SplitSeq(bucket, ".") {
		if len(part) < 3 {
			return false
		}
	}
	return base.Scheme == "http"
}

// escapePath is AWS's UriEncode of every byte but the slash.
func escapePath(path string) string {
	const hex = "0123456789ABCDEF"
	escaped := 0
	for i := range len(path) {
		if !unreserved(path[i]) {
			escaped++
		}
	}
	if escaped == 0 {
		return path
	}
	b := make([]byte, 0, len(path)+2*escaped)
	for i := range len(path) {
		if c := path[i]; unreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// unreserved are the bytes of a path that stand for themselves.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~/", c) >= 0
}

// signed makes the request of one attempt: a body, if there is one, is set afterwards, and payload is its SHA-256. It keeps
// header, which must have nothing but what is to be signed, with the names in net/http's form.
func (r *requests) signed(ctx context.Context, method string, target *url.URL, header http.Header, length int64, payload string) (*http.Request, error) {
	u := *target // an attempt that failed may still be read by net/http
	header["X-Amz-Content-Sha256"] = []string{payload}
	req := (&http.Request{Method: method, URL: &u, Host: u.Host, Header: header, ContentLength: length}).WithContext(ctx)
	if err := r.signer.SignHTTP(ctx, r.who, req, payload, "s3", r.region, time.Now()); err != nil {
		return nil, err
	}
	return req, nil
}

// send sends a signed request over the connections that fit it.
func (c *Client) send(req *http.Request) (*http.Response, error) {
	if req.Body == nil && carries(req.Method, req.URL) {
		return sender{c.reads}.Do(req)
	}
	return sender{c.transports[0]}.Do(req)
}

// fetch is ask for a request without a body, made of few headers, in lower case. It is signed by our own signer, which
// does it in a third of the time of the SDK's and is held to it by FuzzReadsAreSignedAsTheSDKDoes; what that one refuses, an
// odd header, goes the way of all others.
func (at *attempt) fetch(ctx context.Context, method string, target *url.URL, headers ...sigv4.Header) (*http.Response, error) {
	c := at.client
	if head := c.requests.head(method, target, headers); head != nil {
		at.sent = true
		resp, err := c.reads.send(ctx, method, target, head)
		if err != nil {
			return nil, &smithyhttp.RequestSendError{Err: err}
		}
		at.answered(resp)
		return at.believe(resp)
	}
	header := make(http.Header, len(headers)+4)
	for _, h := range headers {
		header.Set(h.Name, h.Value)
	}
	req, err := c.requests.signed(ctx, method, target, header, 0, emptyPayload)
	if err != nil {
		return nil, err
	}
	return at.ask(req)
}

// head is a signed request as it is sent, nil for one that must be sent otherwise.
func (r *requests) head(method string, target *url.URL, headers []sigv4.Header) []byte {
	if !carries(method, target) || slices.ContainsFunc(headers, func(h sigv4.Header) bool { return strings.Contains(h.Value, "\t") }) {
		return nil // the SDK's signer takes a tab for no blank, AWS's text leaves it open
	}
	uri := target.RequestURI()
	signed, err := r.reader.Sign(method, target.Host, uri, headers, emptyPayload, time.Now())
	if err != nil {
		return nil
	}
	head, err := appendRequestLine(make([]byte, 0, 768), method, uri)
	for _, h := range signed {
		if err == nil {
			head, err = appendHeader(head, h.Name, h.Value)
		}
	}
	if err != nil {
		return nil
	}
	return append(head, "user-agent: "+userAgent+"\r\n\r\n"...)
}

// ask sends a request and gives its answer, if that is the one which the call describes; the caller closes its body.
func (at *attempt) ask(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close() // net/http may do so late; before the answer was read, this may cut it off
	}
	resp, err := at.client.send(req)
	if err != nil {
		return nil, &smithyhttp.RequestSendError{Err: err}
	}
	return at.believe(resp)
}

// believe gives an answer, if that is the one which the call describes.
func (at *attempt) believe(resp *http.Response) (*http.Response, error) {
	if err := at.check(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}
