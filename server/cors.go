package server

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// Cross-origin resource sharing (the Fetch standard, chapter 3.2; "Using cross-origin
// resource sharing", Amazon S3 user guide). The rules are the proxy's own: browsers talk
// to it, never to the backend, so what the backend would say to them means nothing.

// CORSRule says which pages may use the proxy from a browser. The first rule that
// matches a request counts.
type CORSRule struct {
	Origins []string      // scheme://host[:port], perhaps with one *; * = every page
	Methods []string      // GET, HEAD, PUT, POST or DELETE
	Headers []string      // that pages may send, in any case, perhaps with one *
	Expose  []string      // of answers that pages may see
	MaxAge  time.Duration // for which a browser may remember a preflight; zero = it decides

	bucket bool // a bucket's own rule
}

// CORSMethods are the methods that a rule may have.
func CORSMethods() []string { return []string{"GET", "HEAD", "PUT", "POST", "DELETE"} }

func (c CORSRule) check() error {
	if len(c.Origins) == 0 || len(c.Methods) == 0 {
		return errors.New("field Origins or Methods is empty")
	}
	for _, o := range slices.Concat(c.Origins, c.Headers) {
		if o == "" || strings.Count(o, "*") > 1 {
			return fmt.Errorf("%q is empty or has more than one *", o)
		}
	}
	for _, m := range c.Methods {
		if !slices.Contains(CORSMethods(), m) {
			return fmt.Errorf("field Methods: %q is none of them", m)
		}
	}
	for _, v := range slices.Concat(c.Origins, c.Headers, c.Expose) {
		if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ',' }) {
			return fmt.Errorf("%q cannot stand in a header", v)
		}
	}
	return nil
}

// serves says whether the rule is for a page's method.
func (c CORSRule) serves(origin, method string) bool {
	return slices.Contains(c.Methods, method) && slices.ContainsFunc(c.Origins, func(p string) bool { return fits(p, origin) })
}

// permits says whether pages may send all these headers.
func (c CORSRule) permits(headers []string) bool {
	for _, h := range headers {
		if !slices.ContainsFunc(c.Headers, func(p string) bool { return fits(strings.ToLower(p), h) }) {
			return false
		}
	}
	return true
}

// fits says whether v is what a pattern with at most one * says.
func fits(pattern, v string) bool {
	front, back, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == v
	}
	return len(v) >= len(front)+len(back) && strings.HasPrefix(v, front) && strings.HasSuffix(v, back)
}

// origin is what the answer to a page names: every page where the rule is for all,
// so that caches may share it.
func (c CORSRule) origin(page string) string {
	if slices.Contains(c.Origins, "*") {
		return "*"
	}
	return page
}

const corsVary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"

// preflight is a browser's question whether a page may send what it means to. It is
// not signed, for browsers cannot; it tells nothing but the rules, and never reaches
// the backend but for those of a bucket (cors_bucket.go).
var preflight = route{op: "Preflight", method: "OPTIONS"}

func (s *Server) answerPreflight(r *request) error {
	const disabled = "CORSResponse: CORS is not enabled for this bucket."
	r.route = &preflight
	if len(r.terms.cors) == 0 && !r.terms.bucketCORS {
		return s3err.New(s3err.AccessForbidden, disabled)
	}
	origin, method := r.header("Origin"), r.header("Access-Control-Request-Method")
	if origin == "" {
		return s3err.New(s3err.BadRequest, "Insufficient information. Origin request header needed.")
	}
	if !slices.Contains(CORSMethods(), method) {
		return s3err.New(s3err.BadRequest, "Invalid Access-Control-Request-Method: %s", method[:min(len(method), 20)])
	}
	list := r.header("Access-Control-Request-Headers")
	for name := range strings.SplitSeq(list, ",") {
		if !headerNameOK(strings.TrimSpace(name)) {
			return s3err.New(s3err.BadRequest, `Access-Control-Request-Headers "%s" contains invalid character.`, name[:min(len(name), 64)])
		}
	}
	asked := headerNames(list)
	match := func(rules []CORSRule) *CORSRule {
		i := slices.IndexFunc(rules, func(c CORSRule) bool { return c.serves(origin, method) && c.permits(asked) })
		if i < 0 {
			return nil
		}
		return &rules[i]
	}
	rule := match(r.terms.cors) // which costs nothing
	if rule == nil {
		rules, err := s.rulesOf(r, r.target.bucket)
		if err != nil {
			return err
		}
		if len(rules) == 0 {
			return s3err.New(s3err.AccessForbidden, disabled)
		}
		if rule = match(rules); rule == nil {
			return s3err.New(s3err.AccessForbidden, "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.")
		}
	}
	h := &r.http.Response.Header
	rule.share(h, origin, true)
	h.Set("Access-Control-Allow-Methods", strings.Join(rule.Methods, ", "))
	if len(asked) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
	}
	if rule.MaxAge > 0 {
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(rule.MaxAge/time.Second)))
	}
	h.SetContentLength(0)
	return nil
}

// share tells a browser which page may see an answer, and what of it. As stores have it,
// a bucket's own rules also speak of credentials, which browsers do not send here, let
// pages see the ETag, and tell all that before the request too.
func (c CORSRule) share(h *fasthttp.ResponseHeader, page string, before bool) {
	origin, expose := c.origin(page), c.Expose
	h.Set("Access-Control-Allow-Origin", origin)
	if c.bucket {
		h.Set("Access-Control-Allow-Credentials", strconv.FormatBool(origin != "*"))
		if !slices.ContainsFunc(expose, func(name string) bool { return strings.EqualFold(name, "ETag") }) {
			expose = append(expose[:len(expose):len(expose)], "ETag")
		}
	}
	if len(expose) > 0 && (c.bucket || !before) {
		h.Set("Access-Control-Expose-Headers", strings.Join(expose, ", "))
	}
}

// headerNameOK says whether a name is a token (RFC 9110 section 5.6.2).
func headerNameOK(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// headerNames splits a list of header names, in lower case.
func headerNames(list string) []string {
	var out []string
	for name := range strings.SplitSeq(strings.ToLower(list), ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// shareAnswer lets the page that sent the request see the answer, be it an error, if
// a rule is for it.
func (s *Server) shareAnswer(r *request) {
	if len(r.terms.cors) == 0 && !r.terms.bucketCORS {
		return
	}
	h := &r.http.Response.Header
	h.Set("Vary", corsVary)
	origin, method := r.header("Origin"), string(r.http.Method())
	if r.route == &preflight || origin == "" {
		return
	}
	one := func(c CORSRule) bool { return c.serves(origin, method) }
	if i := slices.IndexFunc(r.terms.cors, one); i >= 0 {
		r.terms.cors[i].share(h, origin, false)
		return
	}
	rules, err := s.rulesOf(r, r.target.bucket)
	if err != nil {
		r.log.Debug().Err(err).Msg("the page gets no answer: the rules of its bucket cannot be read")
		return
	}
	if i := slices.IndexFunc(rules, one); i >= 0 {
		rules[i].share(h, origin, false)
	}
}
