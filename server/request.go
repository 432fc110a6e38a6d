package server

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// request is one S3 call, typed once. A handler reads from it, moves bytes, and
// either writes an answer through http or returns an error before it wrote any.
type request struct {
	http  *fasthttp.RequestCtx
	ctx   context.Context // ends with the server, and when watchClient sees the client leave
	end   func()          // frees ctx; finish calls it, for a streamed answer after the last byte
	id    string
	began time.Time
	log   zerolog.Logger

	lines []sigv4.Header // as received

	target
	route     *route
	accessKey string
	body      body
}

// header gives a request header, or "". The string is a copy.
func (r *request) header(name string) string {
	return string(r.http.Request.Header.Peek(name))
}

// hasHeader says whether a header, named in lower case, is there, be it blank:
// a blank x-amz-copy-source must not turn a copy into a PUT of nothing.
func (r *request) hasHeader(name string) bool {
	for _, h := range r.lines {
		if h.Name == name {
			return true
		}
	}
	return false
}

// where is the sealing context of the request's key in a bucket.
func where(b *bucket, key string) (format.Context, error) {
	c, err := format.NewContext(b.id, key)
	if err != nil {
		return c, s3err.Wrap(s3err.InvalidArgument, err, "the key cannot be sealed")
	}
	return c, nil
}

// scope refuses buckets and names this client may not touch. It runs before
// any backend call, for the target of every request and for copy sources.
func (s *Server) scope(bucket, key string) error {
	if bucket == "" {
		return nil
	}
	if !bucketNameOK(bucket) {
		return s3err.New(s3err.InvalidBucketName, "the bucket name does not follow the rules of S3")
	}
	if len(s.allowed) > 0 && !s.allowed[bucket] {
		return s3err.New(s3err.AccessDenied, "this bucket is not served here")
	}
	if strings.HasPrefix(key, format.ReservedPrefix) {
		return s3err.New(s3err.AccessDenied, "names that begin with %s are the proxy's own", format.ReservedPrefix)
	}
	return nil
}

// emptySHA256 is what every request without a body is signed over.
var emptySHA256 = sha256.Sum256(nil)

// admitBody checks what the headers say of the body against the route, and arms
// the body with the digests it must prove. No byte of it is read here.
func (s *Server) admitBody(r *request, payload sigv4.Payload) error {
	h := &r.http.Request.Header
	switch length := h.ContentLength(); {
	case length >= 0:
		r.body.length = int64(length)
	case len(h.Peek("Transfer-Encoding")) > 0:
		r.body.length = 0 // unknown: it cannot be drained
		r.http.Response.SetConnectionClose()
		return s3err.New(s3err.MissingContentLength, "the body must come with a Content-Length")
	}
	var want digests
	if payload.Mode == sigv4.Exact {
		want.sha256 = &payload.SHA256
	}
	if r.hasHeader("content-md5") {
		sum, err := base64.StdEncoding.DecodeString(r.header("Content-MD5"))
		if err != nil || len(sum) != md5.Size {
			return s3err.New(s3err.InvalidDigest, "Content-MD5 is not the base64 of 16 bytes")
		}
		want.md5 = (*[md5.Size]byte)(sum)
	}
	switch r.route.body {
	case noBody:
		if r.body.length > 0 {
			return s3err.New(s3err.InvalidRequest, "%s takes no body", r.route.op)
		}
		if want.sha256 != nil && *want.sha256 != emptySHA256 {
			return s3err.New(s3err.XAmzContentSHA256Mismatch, "the signed SHA-256 is not that of an empty body")
		}
	case smallBody:
		if r.body.length == 0 {
			return s3err.New(s3err.MalformedXML, "the body is empty")
		}
		if r.body.length > maxDeleteBody {
			return s3err.New(s3err.MalformedXML, "the body has %d bytes, at most %d are allowed", r.body.length, maxDeleteBody)
		}
	case objectBody:
		if h.ContentLength() < 0 || len(h.Peek("Content-Length")) == 0 {
			return s3err.New(s3err.MissingContentLength, "the body must come with a Content-Length")
		}
		if r.body.length > s.maxObject {
			return s3err.New(s3err.EntityTooLarge, "the object has %d bytes, at most %d are accepted in one PUT", r.body.length, s.maxObject)
		}
	}
	r.body.expect(want)
	return nil
}

// refuseHeaders answers 501 to any header that asks for something we do not do:
// ignoring it would store or serve something else than what was asked.
func (r *request) refuseHeaders(prefixes ...string) error {
	var found string
	for _, h := range r.lines {
		for _, p := range prefixes {
			if h.Name == p || strings.HasSuffix(p, "*") && strings.HasPrefix(h.Name, p[:len(p)-1]) {
				found = h.Name
			}
		}
	}
	if found != "" {
		return s3err.New(s3err.NotImplemented, "the header %s is not implemented for %s", found, r.route.op)
	}
	return nil
}
