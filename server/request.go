package server

import (
	"context"
	"crypto/sha256"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// request is one S3 call, typed once. A handler reads from it, moves bytes, and
// either writes an answer through http or returns an error before it wrote any.
type request struct {
	http *fasthttp.RequestCtx
	ctx  context.Context // ends with the server, and when watchClient sees the client leave
	// effort is what ctx is: the backend may be waited for longer once the object's body was read.
	effort backend.Effort
	end    func() // frees ctx; finish calls it, for a streamed answer after the last byte
	id     string
	began  time.Time
	log    zerolog.Logger

	lines []sigv4.Header // as received

	target
	terms     *terms         // in force when it began
	running   bool           // a drain waits for it
	turn      *pipeline.Turn // to move its body; nil where none is needed
	route     *route
	accessKey string
	client    *client // whose request it is; nil before that is proved
	body      body
	sent      int64       // bytes of the answer's body
	success   formSuccess // of a form
	claim     claim       // of a form: how it is signed, for its answer alone
}

// header gives a request header, or ""; of several lines the first. It is one of those
// that came before the body and were verified: fasthttp adds the trailer of a chunked
// body, which nobody signed, to its own.
func (r *request) header(name string) string {
	for _, h := range r.lines {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
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

// scope refuses what this client may not do, and buckets and names it may not
// touch. It runs before any backend call, for the target of every request, for the
// sources of copies (toRead) and for each name in a document. A need beside the
// route's own is met by the operation that has nothing else to do: GetObject reads.
func (s *Server) scope(r *request, n need, bucket, key string) error {
	op := r.route.op
	if n == toRead && n != r.route.needs {
		op = "GetObject"
	}
	may := r.client.grant
	if !may.operation(op, n) {
		return s3err.New(s3err.AccessDenied, "this credential may not do %s", op)
	}
	if bucket == "" {
		return nil
	}
	if !bucketNameOK(bucket) {
		return s3err.New(s3err.InvalidBucketName, "the bucket name does not follow the rules of S3")
	}
	if !r.terms.serves(bucket) {
		return s3err.New(s3err.AccessDenied, "this bucket is not served here")
	}
	if !may.bucket(bucket) {
		return s3err.New(s3err.AccessDenied, "this credential is not for this bucket")
	}
	if err := r.within(n, key); err != nil {
		return err
	}
	if ownName(key) {
		return s3err.New(s3err.AccessDenied, "names that begin with %s are the proxy's own", format.ReservedPrefix)
	}
	return nil
}

// within holds a key, or the names that a listing of a bucket would show, to the
// client's prefixes. A listing must ask for no more than it may see, as with IAM: a
// filtered one would look like an empty bucket to who forgot the prefix. Whoever is
// kept to a part of a bucket neither configures all of it nor is shown how it is set up;
// that it is there, and where, is no more than uploads need to know. Keys in the body of a
// request to a bucket are held to the prefixes one by one.
func (r *request) within(n need, key string) error {
	may := r.client.grant
	switch {
	case key != "":
		if !may.below(key) {
			return s3err.New(s3err.AccessDenied, "this credential is not for this key")
		}
	case n == toList && r.route.level == onBucket:
		if prefix, _ := r.query.get("prefix"); !may.below(prefix) {
			return s3err.New(s3err.AccessDenied, "this credential may list below its own prefixes only")
		}
	case n&ofWholeBuckets != 0 && may.prefixes != nil:
		return s3err.New(s3err.AccessDenied, "this credential is for a part of a bucket only")
	}
	return nil
}

// emptySHA256 is what every request without a body is signed over.
var emptySHA256 = sha256.Sum256(nil)

// admitBody checks what the headers say of the body against the route, and arms
// the body with the digests it must prove. No byte of it is read here.
func (s *Server) admitBody(r *request, v sigv4.Verified) error {
	if err := checkStreamed(r, v.Payload.Mode); err != nil {
		return err
	}
	h := &r.http.Request.Header
	declared := h.ContentLength() >= 0
	if !declared && len(h.Peek("Transfer-Encoding")) > 0 {
		r.body.wire = chunkedWire
		if !v.Payload.Mode.Streamed() {
			return s3err.New(s3err.MissingContentLength, "the body must come with a Content-Length")
		}
	}
	var err error
	if r.body.want, err = r.claims(v.Payload); err != nil {
		return err
	}
	if v.Payload.Mode.Streamed() {
		if err := r.admitStream(v); err != nil {
			return err
		}
	} else if r.body.want.trailing || r.hasHeader("x-amz-trailer") {
		return s3err.New(s3err.InvalidRequest, "a trailer needs an aws-chunked body")
	} else {
		r.body.length = r.body.wire
	}
	switch r.route.body {
	case noBody:
		if r.body.wire != 0 {
			return s3err.New(s3err.InvalidRequest, "%s takes no body", r.route.op)
		}
		if v.Payload.Mode == sigv4.Exact && v.Payload.SHA256 != emptySHA256 {
			return s3err.New(s3err.XAmzContentSHA256Mismatch, "the signed SHA-256 is not that of an empty body")
		}
	case smallBody, optionalBody:
		if r.body.length == 0 && r.route.body == smallBody {
			return s3err.New(s3err.MalformedXML, "the body is empty")
		}
		if r.body.length > maxDeleteBody {
			return s3err.New(s3err.MalformedXML, "the body has %d bytes, at most %d are allowed", r.body.length, maxDeleteBody)
		}
	case listBody:
		if r.body.length < 1 || r.body.length > maxPartList {
			return s3err.New(s3err.MalformedXML, "the list has %d bytes, 1 to %d are allowed", r.body.length, maxPartList)
		}
	case objectBody:
		r.body.effort = &r.effort
		if r.body.wire != chunkedWire && !r.hasHeader("content-length") {
			return s3err.New(s3err.MissingContentLength, "the body must come with a Content-Length")
		}
		if r.body.length > s.maxObject {
			return s3err.New(s3err.EntityTooLarge, "the object has %d bytes, at most %d are accepted in one PUT", r.body.length, s.maxObject)
		}
	}
	return nil
}

// checkStreamed refuses an aws-chunked body where S3 does: of PUTs, objects alone have one.
func checkStreamed(r *request, mode sigv4.Mode) error {
	if mode.Streamed() && r.http.IsPut() && (r.level() != onObject || r.route != nil && r.route.body != objectBody) {
		return s3err.New(s3err.InvalidRequest, "The value of x-amz-content-sha256 header is invalid.")
	}
	return nil
}

// admitStream puts the aws-chunked decoder between the wire and the object, whose
// length the client declares beside.
func (r *request) admitStream(v sigv4.Verified) error {
	const name = "x-amz-decoded-content-length"
	text := r.header(name)
	length, err := strconv.ParseInt(text, 10, 64)
	if err != nil || length < 0 || strings.HasPrefix(text, "+") {
		return s3err.New(s3err.MissingContentLength, "an aws-chunked body needs %s", name)
	}
	longer := r.body.wire != chunkedWire && length > r.body.wire
	if longer && r.body.wire > maxLook {
		return s3err.New(s3err.IncompleteBody, "")
	}
	r.body.length = length
	r.body.stream, err = sigv4.NewStream(wireReader{&r.body}, v, length, r.header("x-amz-trailer"))
	if longer && err == nil {
		// So short a body is read, to say whether it is cut or the length wrong.
		_, err = io.Copy(io.Discard, &r.body)
	}
	return err
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
