package pbs

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Header is one header line; the name is lower case.
type Header struct{ Name, Value string }

// Body is the body of a request with its digests, computed once. It borrows the bytes.
type Body struct {
	bytes  []byte
	sha256 string // hex
	md5    string // base64; "" for an empty body, which carries no content-md5
}

// NewBody computes the digests of b, which the Body borrows.
func NewBody(b []byte) *Body {
	sum := sha256.Sum256(b)
	body := &Body{bytes: b, sha256: hex.EncodeToString(sum[:])}
	if len(b) > 0 {
		m := md5.Sum(b)
		body.md5 = base64.StdEncoding.EncodeToString(m[:])
	}
	return body
}

// NewBodyWithoutMD5 is NewBody for a client that sends the SHA-256 alone: not PBS, but with it all else being equal.
func NewBodyWithoutMD5(b []byte) *Body {
	sum := sha256.Sum256(b)
	return &Body{bytes: b, sha256: hex.EncodeToString(sum[:])}
}

// Bytes are the borrowed bytes.
func (b *Body) Bytes() []byte { return b.bytes }

// Request is one request before it is signed. The zero Body is the empty one.
type Request struct {
	Op      string // for errors
	Method  string
	Path    string // encoded, with its leading slash
	Query   string // encoded, without the question mark
	Headers []Header
	Body    *Body
}

// Head signs r at the given time and renders the request line and all headers, the blank line included: the exact
// bytes PBS sends before the body.
func (c *Client) Head(r Request, at time.Time) []byte {
	body := r.Body
	if body == nil {
		body = NewBody(nil)
	}
	headers := append([]Header(nil), r.Headers...)
	headers = append(headers,
		Header{"x-amz-date", at.UTC().Format(amzDate)},
		Header{"host", c.cfg.Address},
		Header{"x-amz-content-sha256", body.sha256})
	if r.Method == "PUT" || r.Method == "POST" {
		headers = append(headers, Header{"content-length", strconv.Itoa(len(body.bytes))})
	}
	if body.md5 != "" {
		headers = append(headers, Header{"content-md5", body.md5})
	}
	return c.Render(r, headers, body.sha256, at)
}

// Render signs exactly the given headers and renders the head. It is what tests of refused requests build on.
func (c *Client) Render(r Request, headers []Header, payloadHex string, at time.Time) []byte {
	var b strings.Builder
	b.WriteString(r.Method + " " + r.Path)
	if r.Query != "" {
		b.WriteString("?" + r.Query)
	}
	b.WriteString(" HTTP/1.1\r\n")
	for _, h := range headers {
		b.WriteString(h.Name + ": " + h.Value + "\r\n")
	}
	b.WriteString("authorization: " + c.signer.authorization(r.Method, r.Path, r.Query, headers, payloadHex, at) + "\r\n\r\n")
	return []byte(b.String())
}

// bucketPath is the target of bucket-level calls: with the trailing slash PBS sends.
func (c *Client) bucketPath() string { return "/" + c.cfg.Bucket + "/" }

// keyPath is the target of an object, encoded once.
func (c *Client) keyPath(key string) string { return c.bucketPath() + encode(key, true) }
