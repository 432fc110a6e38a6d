package server

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// A misshape is a request that no operation of S3 has, as its line and headers show:
// answered before its signature is looked at, as S3 does, since it tells nobody anything.
type misshape struct {
	methods []string
	at      []level
	header  string // must be there; "" = any
	with    string // the query parameter that must be there; "" = any query
	without string // the one that must not; "" = any
	bare    bool   // there must be no query at all
	answer  func(*request) *s3err.Error
}

var misshapes = []misshape{
	{methods: []string{http.MethodGet, http.MethodHead, http.MethodDelete}, at: []level{onBucket, onObject}, header: "x-amz-copy-source", answer: strayCopySource},
	{methods: []string{http.MethodPost}, at: []level{onBucket, onObject}, header: "x-amz-copy-source", with: "uploadId", answer: strayCopySource},
	{methods: []string{http.MethodGet}, at: []level{onObject}, with: "uploads", answer: func(*request) *s3err.Error {
		return s3err.New(s3err.InvalidRequest, "Key is not expected for the GET method ?uploads subresource")
	}},
	{methods: []string{http.MethodGet}, at: []level{onObject}, with: "versions", answer: func(*request) *s3err.Error {
		return s3err.New(s3err.InvalidRequest, "There is no such thing as the ?versions sub-resource for a key")
	}},
	{methods: []string{http.MethodPut}, at: []level{onObject}, with: "uploadId", without: "partNumber", answer: notAllowed("UPLOAD")},
	{methods: []string{http.MethodPut}, at: []level{onObject}, with: "partNumber", without: "uploadId", answer: func(*request) *s3err.Error {
		return s3err.Argument("partNumber", "partNumber", "This operation does not accept partNumber without uploadId")
	}},
	{methods: []string{http.MethodPost}, at: []level{onService, onObject}, bare: true, answer: notAllowed("SERVICE")},
}

func strayCopySource(r *request) *s3err.Error {
	return s3err.Argument("x-amz-copy-source", r.header("x-amz-copy-source"), "You can only specify a copy source header for copy requests.")
}

func notAllowed(resource string) func(*request) *s3err.Error {
	return func(r *request) *s3err.Error {
		return s3err.New(s3err.MethodNotAllowed, "").With("Method", string(r.http.Method())).With("ResourceType", resource)
	}
}

// checkShape refuses what the table has.
func (r *request) checkShape(method string) error {
	for _, m := range misshapes {
		switch {
		case !slices.Contains(m.methods, method) || !slices.Contains(m.at, r.level()):
		case m.header != "" && !r.hasHeader(m.header) || m.bare && len(r.query) > 0:
		case m.with != "" && !has(r.query, m.with) || m.without != "" && has(r.query, m.without):
		default:
			return m.answer(r)
		}
	}
	return nil
}

// errAnonymousOverrides is S3's answer to an unsigned read that would choose the headers of
// its answer.
var errAnonymousOverrides = errors.New("an unsigned request asks for response headers")

// unsigned says what of an unsigned request is wrong, where S3 says more than that it is
// not allowed.
func (r *request) unsigned(err error) error {
	if errors.Is(err, sigv4.ErrMissingAuth) && r.level() == onObject && (r.http.IsGet() || r.http.IsHead()) && slices.ContainsFunc(responseNames, func(n string) bool { return has(r.query, n) }) {
		return errAnonymousOverrides
	}
	return err
}

// checkForm refuses what is sent where forms go and is none.
func (r *request) checkForm() error {
	if !r.terms.postForms || !r.http.IsPost() || r.level() != onBucket || len(r.query) > 0 || strings.HasPrefix(strings.ToLower(r.header("Content-Type")), "multipart/form-data") {
		return nil
	}
	return s3err.New(s3err.PreconditionFailed, "").With("Condition", "Bucket POST must be of the enclosure-type multipart/form-data")
}

// checkHeaderSize holds the lines of the headers to S3's bound.
func checkHeaderSize(raw []byte) error {
	if len(raw) > maxHeaderSection {
		return errHeaderSection()
	}
	return nil
}

func errHeaderSection() *s3err.Error {
	return s3err.New(s3err.RequestHeaderSectionTooLarge, "").With("MaxSizeAllowed", strconv.Itoa(maxHeaderSection))
}
