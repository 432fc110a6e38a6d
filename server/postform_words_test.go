package server

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// A form is refused in S3's words, with what is wrong beside them.
func TestFormsAreRefusedInS3sWords(t *testing.T) {
	g := newRig(t, withForms)
	before := g.store.count()
	refused := func(p uploadForm, status int, code string, texts ...string) {
		t.Helper()
		if p.fields == nil {
			p.fields, p.conditions = [][2]string{{"key", "k"}}, `, {"key": "k"}`+p.conditions
		}
		p.file = []byte("hello")
		g.saying(g.post(p), status, code, texts...)
	}
	for _, name := range []string{"policy", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature"} {
		refused(uploadForm{body: func(b []byte) []byte {
			return []byte(strings.Replace(string(b), fmt.Sprintf("name=%q", name), `name="x-ignore-it"`, 1))
		}}, 400, "InvalidArgument", "must contain a field named '"+strings.ToLower(name)+"'", "<ArgumentName>"+strings.ToLower(name)+"</ArgumentName>")
	}
	refused(uploadForm{body: func(b []byte) []byte {
		for _, name := range []string{"policy", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature"} {
			b = bytes.Replace(b, fmt.Appendf(nil, "name=%q", name), fmt.Appendf(nil, "name=\"x-ignore-%s\"", name), 1)
		}
		return b
	}}, 403, "AccessDenied")
	signed := func(change func(*sigv4.Form)) uploadForm {
		return uploadForm{signed: func(f sigv4.Form) sigv4.Form { change(&f); return f }}
	}
	refused(signed(func(f *sigv4.Form) { f.Algorithm = "x" }), 400, "InvalidArgument", "Only AWS4-HMAC-SHA256 is supported")
	refused(signed(func(f *sigv4.Form) { f.Date = "x" }), 400, "InvalidArgument", "ISO8601 Long format", "<ArgumentValue>x</ArgumentValue>")
	refused(signed(func(f *sigv4.Form) { f.Credential = "x" }), 400, "InvalidArgument", "<ArgumentName>x-amz-credential</ArgumentName><ArgumentValue>x</ArgumentValue>")
	wrong := strings.Repeat("0", 64)
	refused(signed(func(f *sigv4.Form) { f.Signature = wrong }), 403, "SignatureDoesNotMatch", "<AWSAccessKeyId>"+testAccess+"<", "<SignatureProvided>"+wrong+"<")
	refused(signed(func(f *sigv4.Form) { f.Policy = "wrong" }), 403, "SignatureDoesNotMatch", "<StringToSign>wrong</StringToSign>", "<StringToSignBytes>77 72 6f 6e 67</StringToSignBytes>")
	refused(signed(func(f *sigv4.Form) { f.Policy = strings.Repeat("w", maxClaim+1) }), 403, "SignatureDoesNotMatch", "<StringToSign>"+strings.Repeat("w", maxClaim)+"</StringToSign>",
		"<StringToSignBytes>"+strings.TrimSuffix(strings.Repeat("77 ", maxClaim), " ")+"</StringToSignBytes>")
	refused(uploadForm{access: "NOBODY"}, 403, "InvalidAccessKeyId", "<AWSAccessKeyId>NOBODY<")
	for conditions, want := range map[string]string{
		`, []`: "Invalid Condition: missing operation identifier.", `, 1`: "Invalid condition test: must be a List or Object.", `, null`: "Invalid condition test",
		`, ["ends-with", "$key", "k"]`: "unknown operation 'ends-with'.", `, ["eq", "$key"]`: "Invalid eq: wrong number of arguments.",
		`, ["eq", 1, "k"]`: "Invalid JSON.", `, [{}, "$key", "k"]`: "Invalid JSON.", `, ["content-length-range", 1, false]`: "Invalid JSON.",
		`, {"key": "k", "bucket": "bkt"}`: "exactly one property", `, {}`: "exactly one property", `, {"key": 1}`: "value must be a string.", `, {"key": null}`: "value must be a string.",
	} {
		refused(uploadForm{conditions: conditions}, 400, "InvalidPolicyDocument", "Invalid Policy: ", want)
	}
	for doc, want := range map[string]string{
		`{"conditions": []}`: "Policy missing expiration.", `{"expiration": true, "conditions": []}`: "Invalid JSON.", `{"expiration": "x", "conditions": []}`: "Invalid 'expiration' value: 'x'",
		`{"expiration": "2100-01-01T00:00:00Z"}`: "Policy missing conditions.", `{"expiration": "2100-01-01T00:00:00Z", "conditions": {}}`: "must be a List.", `{"a": 1}`: `Unexpected: "a"`, `[]`: "Invalid JSON.",
	} {
		refused(uploadForm{signed: func(sigv4.Form) sigv4.Form { return signedPolicy(doc) }}, 400, "InvalidPolicyDocument", "Invalid Policy: ", want)
	}
	for conditions, want := range map[string]string{
		`, ["eq", "$key", "l"]`: `Policy Condition failed: ["eq","$key","l"]`, `, {"acl": "private"}`: `Policy Condition failed: ["eq", "$acl", "private"]`,
		`, ["eq", "key", "k"]`: `Policy Condition failed: ["eq","key","k"]`,
	} {
		refused(uploadForm{conditions: conditions}, 403, "AccessDenied", "Invalid according to Policy: "+want)
	}
	refused(uploadForm{conditions: `, ["content-length-range", 0, 4]`}, 400, "EntityTooLarge", "<ProposedSize>5<", "<MaxSizeAllowed>4<")
	refused(uploadForm{conditions: `, ["content-length-range", 6, 9]`}, 400, "EntityTooSmall", "<ProposedSize>5<", "<MinSizeAllowed>6<")
	for kinds, status := range map[string]int{"image/png, text/html": 403, "text/html,image/png": 403, "": 403} {
		refused(uploadForm{conditions: `, {"key": "k"}, ["starts-with", "$Content-Type", "image/"]`, fields: [][2]string{{"key", "k"}, {"Content-Type", kinds}}}, status, "AccessDenied", `["starts-with","$Content-Type","image/"]`)
	}
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Fatalf("the backend was asked: %v", got)
	}
	g.want(g.post(uploadForm{conditions: `, {"key": "k"}, ["starts-with", "$Content-Type", "image/"]`, fields: [][2]string{{"key", "k"}, {"Content-Type", "image/png, image/gif"}}, file: []byte("x")}), 204, "")
}

// The tags of a form reach the store as those of a PUT, in the form of a query.
func TestFormsCarryTags(t *testing.T) {
	g := newRig(t, withForms)
	const tags = `<Tagging><TagSet><Tag><Key>a b</Key><Value>c&amp;d</Value></Tag></TagSet></Tagging>`
	g.want(g.post(uploadForm{conditions: `, {"key": "k"}, ["starts-with", "$tagging", ""]`, fields: [][2]string{{"key", "k"}, {"tagging", tags}}, file: []byte("x")}), 204, "")
	if a := g.do(call{method: "GET", target: "/bkt/k?tagging"}); !strings.Contains(string(a.body), "<Key>a+b</Key><Value>c%26d</Value>") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
