package server

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

const (
	// httpTime is RFC 9110's date: 29 bytes, always GMT.
	httpTime = "Mon, 02 Jan 2006 15:04:05 GMT"
	// xmlTime is S3's date in documents; the two are not interchangeable.
	xmlTime = "2006-01-02T15:04:05.000Z"
)

// newRequestID names a request in the answer and in every log line.
func newRequestID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (Go 1.24)
	return hex.EncodeToString(b[:])
}

// resetAnswer takes back what was said of an object. Whether the connection stays
// open is not.
func (r *request) resetAnswer() {
	h := &r.http.Response.Header
	gone := r.http.Response.ConnectionClose()
	h.Reset()
	r.http.Response.ResetBody()
	r.http.SetStatusCode(200)
	h.Set("x-amz-request-id", r.id)
	if gone {
		r.http.Response.SetConnectionClose()
	}
}

// answerXML writes a 200 with a document, its length known.
func (r *request) answerXML(doc any) error {
	out, err := marshal(doc)
	if err != nil {
		return fmt.Errorf("cannot write the answer: %w", err)
	}
	r.http.SetContentType("application/xml")
	r.http.Response.SetBodyRaw(out)
	return nil
}

// marshal is a document with its declaration.
func marshal(doc any) ([]byte, error) {
	if d, ok := doc.(xmlAppender); ok {
		return d.appendXML(append(make([]byte, 0, d.size()), xml.Header...)), nil
	}
	out, err := xml.Marshal(doc)
	return append([]byte(xml.Header), out...), err
}

// writeError writes an error document; a HEAD gets the status alone.
func writeError(ctx *fasthttp.RequestCtx, e *s3err.Error, resource, id string) {
	ctx.Response.Header.Set("x-amz-request-id", id)
	ctx.SetStatusCode(e.Status())
	ctx.SetContentType("application/xml")
	if !ctx.IsHead() {
		ctx.Response.SetBodyRaw(s3err.AppendXML(nil, e, resource, id))
	}
}

// resource is what an error document names: what the client asked for itself.
func (r *request) resource() string {
	if r.key == "" {
		return "/" + r.bucket
	}
	return "/" + r.bucket + "/" + r.key
}

// noOperation is the label of requests that are no operation, or not known to be one.
const noOperation = "none"

// op is the operation's name for metrics and logs.
func (r *request) op() string {
	if r.route == nil {
		return noOperation
	}
	return r.route.op
}

// credential is the label of the client that the request was proved to come from.
func (r *request) credential() string {
	if r.client == nil {
		return nobody
	}
	return r.client.name
}

// finish counts and logs a request once its last byte is written, or given up.
// err is the first failure, before or after the status line.
func (s *Server) finish(r *request, err error) {
	defer r.end()
	defer s.ended(r)
	s.metrics.active.Add(-1)
	took := time.Since(r.began)
	status := r.http.Response.StatusCode()
	s.metrics.request(string(r.http.Method()), r.op(), status, took)
	s.metrics.traffic(r.credential(), r.terms.bucketLabel(r.bucket), status, r.body.got, r.sent)

	line := r.log.Info()
	var f fault
	if err != nil {
		f = s.faultOf(r, err)
		switch {
		case f.class == integrityFault:
			line = r.log.Error()
		case f.class == keyFault || f.class == backendFault || f.class == overload:
			line = r.log.Warn()
		}
		line.Str("fault", f.label).AnErr("cause", err)
		if f.class == authFault && r.accessKey == "" {
			if claim := r.claimedKey(); claim != "" {
				line.Str("claimed_access_key", claim)
			}
		}
		if status < 400 {
			// The answer had begun: the connection was broken instead.
			s.metrics.fault(f)
			s.metrics.aborted.Inc()
			line.Bool("aborted", true)
		}
	}
	s.metrics.recent.note(r, f, status, took, r.sent)
	line.Str("op", r.op()).Int("status", status).Int64("in", r.body.got).Int64("out", r.sent).Dur("took_ms", took).
		Str("client", r.http.RemoteAddr().String()).Str("access_key", r.accessKey).Str("credential", r.credential()).Str("bucket", r.target.bucket)
	if debug := r.log.Debug(); debug.Enabled() {
		debug.Discard()
		line.Str("key", r.key)
	}
	line.Msg("request")
}
