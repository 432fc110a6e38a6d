package server

import (
	"sort"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// defaultContentType is what S3 answers for an object stored without one.
const defaultContentType = "binary/octet-stream"

// folderContentType is what a folder has that was stored without one: an empty object whose
// name ends in a slash. Clients that show folders know them by it.
const folderContentType = "application/x-directory"

const userPrefix = "x-amz-meta-"

// redirectHeader is where S3's web sites send a browser that asks for the object. There is
// no web site here, and the backend's must not hear of it: it is sealed, and told to those
// who read the object. Unlike what kept lists, a copy never has it of its source.
const redirectHeader = "x-amz-website-redirect-location"

// redirectOK says whether S3 takes a value for redirectHeader.
func redirectOK(v string) bool {
	return v == "" || strings.HasPrefix(v, "/") || strings.HasPrefix(v, "http://") || strings.HasPrefix(v, "https://")
}

type keptHeader struct {
	name  string
	field func(*format.Meta) *string
}

// kept is every standard header that is sealed with an object and given back.
var kept = []keptHeader{
	{"Content-Type", func(m *format.Meta) *string { return &m.ContentType }},
	{"Content-Encoding", func(m *format.Meta) *string { return &m.ContentEncoding }},
	{"Content-Disposition", func(m *format.Meta) *string { return &m.ContentDisposition }},
	{"Content-Language", func(m *format.Meta) *string { return &m.ContentLanguage }},
	{"Cache-Control", func(m *format.Meta) *string { return &m.CacheControl }},
	{"Expires", func(m *format.Meta) *string { return &m.Expires }},
}

// metaFromHeaders collects what a PUT, or a COPY with REPLACE, says of its
// object. User metadata names are lower case as S3 keeps them; a repeated name
// is joined with a comma.
func metaFromHeaders(h *fasthttp.RequestHeader) (format.Meta, error) {
	var m format.Meta
	for _, k := range kept {
		*k.field(&m) = string(h.Peek(k.name))
	}
	m.WebsiteRedirect = string(h.Peek(redirectHeader))
	if !redirectOK(m.WebsiteRedirect) {
		return m, s3err.New(s3err.InvalidRedirectLocation, "")
	}
	user := map[string]string{}
	for name, value := range h.All() {
		n := strings.ToLower(string(name))
		if !strings.HasPrefix(n, userPrefix) {
			continue
		}
		n = n[len(userPrefix):]
		if n == "" {
			return m, s3err.New(s3err.InvalidArgument, "a user metadata name is empty")
		}
		if old, ok := user[n]; ok {
			user[n] = old + "," + string(value)
		} else {
			user[n] = string(value)
		}
	}
	size := 0
	for n, v := range user {
		size += len(n) + len(v)
	}
	if size > maxUserMeta {
		return m, s3err.New(s3err.MetadataTooLarge, "").With("Size", strconv.Itoa(size)).With("MaxSizeAllowed", strconv.Itoa(maxUserMeta))
	}
	for n, v := range user {
		m.User = append(m.User, format.Pair{Name: n, Value: v})
	}
	sort.Slice(m.User, func(i, j int) bool { return m.User[i].Name < m.User[j].Name })
	return m, nil
}

// writeMeta puts an object's sealed metadata into the answer. A Content-Type is
// always there: PBS demands one.
func writeMeta(h *fasthttp.ResponseHeader, m format.Meta) {
	for _, k := range kept {
		if v := *k.field(&m); v != "" {
			h.Set(k.name, v)
		}
	}
	if m.ContentType == "" {
		h.SetContentType(defaultContentType)
	}
	if m.WebsiteRedirect != "" {
		h.Set(redirectHeader, m.WebsiteRedirect)
	}
	for _, p := range m.User {
		// As S3 writes them, in lower case: clients whose metadata is a map with
		// case (boto3, aws-cli) look for the names they sent. Set would write
		// X-Amz-Meta-Name.
		h.SetCanonical([]byte(userPrefix+p.Name), []byte(p.Value))
	}
}
