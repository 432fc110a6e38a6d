package backend

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Question is a request about a bucket or an object that carries none of an object's bytes: tags, locks, policies. It is
// passed on as it is, under the proxy's own credentials.
type Question struct {
	Op          string // S3 operation, for errors and metrics
	Method      string
	Bucket, Key string // Key "" = about the bucket
	Query       url.Values
	Header      http.Header // what is to be passed on
	Body        []byte
}

// Reply is the store's answer: a success, or a refusal (4xx, and 501 of a store without the operation) with its S3 code, which is then the client's to read.
type Reply struct {
	Status        int
	Header        http.Header
	Body          []byte // at most maxDocument bytes; nil for a refusal
	Code, Message string // of a refusal
}

// Relay sends a question. Throttling, 5xx and transport errors are *Error as everywhere; a GET or HEAD is sent again, any
// other method once.
func (c *Client) Relay(ctx context.Context, q Question) (*Reply, error) {
	if err := checkBucket(q.Bucket); err != nil {
		return nil, invalid(q.Op, err)
	}
	if q.Key != "" {
		if err := checkKey(q.Key); err != nil {
			return nil, invalid(q.Op, err)
		}
	}
	target := c.requests.target(q.Bucket, q.Key, q.Query)
	call := &call{op: q.Op, once: !read(q.Method)}
	var reply *Reply
	err := c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		req, err := c.question(ctx, q, target)
		if err != nil {
			return err
		}
		resp, err := c.send(req)
		if err != nil {
			return &smithyhttp.RequestSendError{Err: err}
		}
		defer resp.Body.Close()
		reply, err = at.reply(resp, q.Method)
		return err
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// read says whether a method changes nothing.
func read(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// question makes the signed request of one attempt.
func (c *Client) question(ctx context.Context, q Question, target *url.URL) (*http.Request, error) {
	header := make(http.Header, len(q.Header)+8)
	for name, values := range q.Header {
		header[name] = values
	}
	payload := emptyPayload
	if len(q.Body) > 0 {
		sum := sha256.Sum256(q.Body)
		payload = hex.EncodeToString(sum[:])
	}
	if !read(q.Method) {
		sum := md5.Sum(q.Body) // some of these calls demand it
		header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	req, err := c.requests.signed(ctx, q.Method, target, header, int64(len(q.Body)), payload)
	if err == nil && len(q.Body) > 0 {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(q.Body)), nil }
		req.Body, err = req.GetBody()
	}
	return req, err
}

// reply reads an answer. What is not the caller's fault becomes an error for the retry loop.
func (at *attempt) reply(resp *http.Response, method string) (*Reply, error) {
	r := &Reply{Status: resp.StatusCode, Header: resp.Header}
	if resp.StatusCode >= 300 {
		fault := at.fault(resp)
		answer, ok := fault.(*replyError)
		if !ok {
			return nil, fault
		}
		refusal := resp.StatusCode >= 400 && resp.StatusCode < 500 && !throttles(answer) && (answer.code != "" || method == http.MethodHead) ||
			resp.StatusCode == http.StatusNotImplemented && answer.code == "NotImplemented"
		if !refusal {
			return nil, answer
		}
		r.Code, r.Message = answer.code, answer.shown(at.client.config.AccessKey)
		return r, nil
	}
	doc, err := at.read(resp, maxDocument)
	if err != nil {
		return nil, err
	}
	if code, message := parseFault(doc); code != "" {
		return nil, &replyError{status: resp.StatusCode, code: code, message: message, problem: "error in an answer of success"}
	}
	if method == http.MethodHead {
		doc = nil
	}
	r.Body = doc
	return r, nil
}
