package server

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// postObject is an upload by a browser's form ("POST Object", Amazon S3 API reference).
// It is no row of the route table: what tells whose it is, and for which key, is in the
// body. Off unless Config.PostForms.
var postObject = route{op: "PostObject", method: "POST", level: onBucket, needs: toCreate, serve: (*Server).storeForm}

// isForm says whether a request is a form for a bucket.
func (s *Server) isForm(r *request) bool {
	return r.terms.postForms && r.http.IsPost() && r.bucket != "" && r.key == "" && len(r.query) == 0 &&
		strings.HasPrefix(strings.ToLower(r.header("Content-Type")), "multipart/form-data")
}

type postResult struct {
	XMLName  xml.Name `xml:"PostResponse"`
	Location string   `xml:"Location"`
	Bucket   string   `xml:"Bucket"`
	Key      string   `xml:"Key"`
	ETag     string   `xml:"ETag"`
}

// takeForm reads a form up to its file, proves who allows it and what, and makes the
// request a PUT of that file. What was read before it is known who asks is bounded by the
// number of such forms at once, so that strangers cannot fill the byte budget; from then on
// it is in the budget, until the request ends.
func (s *Server) takeForm(r *request) error {
	r.route = &postObject
	if r.hasHeader("authorization") {
		return s3err.New(s3err.InvalidArgument, "a form is signed by its policy, not by a header")
	}
	if r.body.wire == chunkedWire || !r.hasHeader("content-length") {
		return s3err.New(s3err.MissingContentLength, "")
	}
	boundary := formBoundary(r.header("Content-Type"))
	if boundary == "" {
		return badForm("it has no boundary")
	}
	f, front, err := s.readForm(r, boundary)
	if err != nil {
		return err
	}
	res, err := s.engine.Reserve(r.ctx, int64(len(front)))
	if err != nil {
		return err
	}
	end := r.end
	r.end = func() { res.Release(); end() }
	if err := f.name(r); err != nil {
		return err
	}
	rules, err := parsePolicy(f.fields["policy"])
	if err != nil {
		return err
	}
	file, length, err := s.fileOf(r, front[f.fileAt:], boundary)
	if err != nil {
		return err
	}
	f.fields["bucket"] = r.bucket
	if err := rules.check(f.fields, length, s.now()); err != nil {
		return err
	}
	if length > s.maxObject {
		return s3err.New(s3err.EntityTooLarge, "")
	}
	if err := f.asHeaders(r); err != nil {
		return err
	}
	r.success = f.success()
	r.body.length = length
	r.body.effort = &r.effort
	r.body.file = file
	r.body.want, err = r.claims(sigv4.Payload{Mode: sigv4.Unsigned})
	return err
}

// enterForm waits until the front of a form may be read. leave is called once.
func (s *Server) enterForm(r *request) (leave func(), err error) {
	wait := time.NewTimer(s.formWait)
	defer wait.Stop()
	select {
	case s.forms <- struct{}{}:
		return func() { <-s.forms }, nil
	case <-wait.C:
		return nil, fmt.Errorf("cannot read a form: %w: too many are being read", pipeline.ErrBusy)
	case <-r.ctx.Done():
		return nil, fmt.Errorf("cannot read a form: %w", r.ctx.Err())
	}
}

// readForm reads the front of a form and proves who has signed it.
func (s *Server) readForm(r *request, boundary string) (f *form, front []byte, err error) {
	leave, err := s.enterForm(r)
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	front = make([]byte, min(r.body.wire, maxForm))
	if _, err := io.ReadFull(wireReader{&r.body}, front); err != nil {
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			err = badForm("it is empty")
		}
		return nil, nil, err
	}
	if f, err = parseForm(front, boundary); err != nil {
		return nil, nil, err
	}
	return f, front, s.authenticateForm(r, f.fields)
}

// fileOf is the file of a form whose client is known, and its length, which must be known
// before it is stored. Of a form up to WholeObject all is read, so that fields behind the
// file (the button that was pressed) are ignored, as at S3. Of a larger one, or where the
// budget is short, the length of the body tells, and the file must be its last field.
// begun is what has been read of it.
func (s *Server) fileOf(r *request, begun []byte, boundary string) (file *formFile, length int64, err error) {
	wire, tail := wireReader{&r.body}, formTail(boundary)
	file = &formFile{src: io.MultiReader(newBytesReader(begun), wire), mark: []byte("\r\n--" + boundary)}
	rest := int64(len(begun)) + r.body.left()
	if rest <= s.wholeObject {
		if res, ok := s.reserveWhole(rest); ok {
			end := r.end
			r.end = func() { res.Release(); end() }
			whole := make([]byte, rest)
			if _, err := io.ReadFull(file.src, whole); err != nil {
				return nil, 0, err
			}
			n, ok := file.ends(whole)
			if !ok {
				return nil, 0, errFormEnd
			}
			file.src = io.MultiReader(newBytesReader(whole[:n]), strings.NewReader(tail))
			return file, int64(n), nil
		}
	}
	if length = rest - int64(len(tail)); length < 0 {
		return nil, 0, badForm("it ends before its file")
	}
	return file, length, nil
}

// signing are the fields by which a form is signed: all of them, or nobody has signed it.
var signing = []string{"policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"}

// authenticateForm proves the policy's signature. From then on the request is its
// client's.
func (s *Server) authenticateForm(r *request, fields map[string]string) error {
	if fields["x-amz-security-token"] != "" {
		return sigv4.ErrToken
	}
	var missing []string
	for _, name := range signing {
		if _, ok := fields[name]; !ok {
			missing = append(missing, name)
		}
	}
	switch {
	case len(missing) == len(signing):
		return sigv4.ErrMissingAuth
	case missing != nil:
		return errNoField(missing[0])
	}
	if fields["policy"] == "" {
		return badPolicy("Expecting '{' but found End-of-Input")
	}
	r.claim = claim{fields["x-amz-credential"], fields["x-amz-signature"], fields["policy"]}
	key, err := r.terms.verifier.VerifyForm(sigv4.Form{Algorithm: fields["x-amz-algorithm"], Credential: fields["x-amz-credential"],
		Date: fields["x-amz-date"], Signature: fields["x-amz-signature"], Policy: fields["policy"]})
	if err != nil {
		return formFault(err, fields)
	}
	r.accessKey, r.client = key, r.terms.byKey[key]
	return nil
}

// errNoField is S3's answer to a form without a field that it must have.
func errNoField(name string) error {
	return s3err.Argument(name, "", "Bucket POST must contain a field named '"+name+"'.  If it is specified, please check the order of the fields.")
}

// formFault says which field of a form is malformed, where a signed header would be.
func formFault(err error, fields map[string]string) error {
	switch {
	case errors.Is(err, sigv4.ErrQueryScheme):
		return s3err.Argument("X-Amz-Algorithm", fields["x-amz-algorithm"], "Only AWS4-HMAC-SHA256 is supported")
	case errors.Is(err, sigv4.ErrDate):
		return s3err.Argument("X-Amz-Date", fields["x-amz-date"], "X-Amz-Date must be formated via ISO8601 Long format")
	case errors.Is(err, sigv4.ErrMalformed):
		text := "the Credential is mal-formed"
		if d := (*sigv4.Detail)(nil); errors.As(err, &d) && d.Text != "" {
			text = d.Text
		}
		return s3err.Argument("x-amz-credential", fields["x-amz-credential"], text)
	}
	return err
}

// name gives the request the form's key, the file's name filled in.
func (f *form) name(r *request) error {
	if b, ok := f.fields["bucket"]; ok && b != r.bucket {
		return s3err.New(s3err.InvalidArgument, "the form's bucket is not the request's")
	}
	key := strings.ReplaceAll(f.fields["key"], "${filename}", f.filename)
	switch {
	case key == "":
		return errNoField("key")
	case len(key) > maxKeyBytes:
		return s3err.New(s3err.KeyTooLongError, "")
	case !utf8.ValidString(key) || !xmlCanCarry(key):
		return s3err.New(s3err.InvalidArgument, "the key holds a character that no listing can show")
	}
	f.fields["key"], r.key = key, key
	return nil
}

// ofForm are fields that are about the form and not about the object.
var ofForm = []string{"key", "bucket", "policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "success_action_status", "success_action_redirect", "redirect"}

// asHeaders puts what the form says of the object where a PUT says it, in place of what
// the browser's own headers say.
func (f *form) asHeaders(r *request) error {
	h := &r.http.Request.Header
	r.lines = slices.DeleteFunc(r.lines, func(line sigv4.Header) bool {
		of := speaksOfObject(line.Name) || strings.HasPrefix(line.Name, "if-") || line.Name == "content-range"
		if of {
			h.Del(line.Name)
		}
		return of
	})
	for name, value := range f.fields {
		switch {
		case slices.Contains(ofForm, name) || strings.HasPrefix(name, "x-ignore-"):
			continue
		case name == "tagging":
			tags, err := tagHeader([]byte(value))
			if err != nil {
				return s3err.New(s3err.MalformedXML, "the field tagging is not a tag set")
			}
			name, value = "x-amz-tagging", tags
		case name == "acl":
			name = "x-amz-acl"
		case !speaksOfObject(name):
			continue // another field of the page
		}
		if strings.ContainsFunc(name+value, func(c rune) bool { return c < ' ' || c == 0x7f }) || strings.ContainsAny(name, " :") {
			return s3err.New(s3err.InvalidArgument, "a field cannot stand in a header")
		}
		h.Set(name, value)
		r.lines = append(r.lines, sigv4.Header{Name: name, Value: value})
	}
	return nil
}

// speaksOfObject says whether a header, in lower case, is about the object of a PUT.
func speaksOfObject(name string) bool {
	return name == "content-md5" || strings.HasPrefix(name, "x-amz-") || slices.ContainsFunc(kept, func(k keptHeader) bool { return strings.EqualFold(k.name, name) })
}

// success is what the form wants to be answered.
func (f *form) success() formSuccess {
	to := f.fields["success_action_redirect"]
	if to == "" {
		to = f.fields["redirect"]
	}
	if u, err := url.Parse(to); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
		return formSuccess{redirect: u}
	}
	switch f.fields["success_action_status"] {
	case "200":
		return formSuccess{status: 200}
	case "201":
		return formSuccess{status: 201}
	}
	return formSuccess{status: 204}
}

type formSuccess struct {
	status   int
	redirect *url.URL
}

// storeForm stores the file as a PUT would, and answers as the form wants.
func (s *Server) storeForm(r *request) error {
	if err := s.putObject(r); err != nil {
		return err
	}
	etag := string(r.http.Response.Header.Peek("ETag"))
	location := r.location()
	if u := r.success.redirect; u != nil {
		q := u.Query()
		q.Set("bucket", r.bucket)
		q.Set("key", r.key)
		q.Set("etag", etag)
		u.RawQuery = q.Encode()
		r.http.Response.Header.Set("Location", u.String())
		r.http.SetStatusCode(303)
		return nil
	}
	r.http.Response.Header.Set("Location", location)
	if r.success.status == 201 {
		if err := r.answerXML(postResult{Location: location, Bucket: r.bucket, Key: r.key, ETag: etag}); err != nil {
			return err
		}
	}
	r.http.SetStatusCode(r.success.status)
	return nil
}
