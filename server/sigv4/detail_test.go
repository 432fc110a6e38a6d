package sigv4

import (
	"errors"
	"strings"
	"testing"
)

// TestDetailsAreTheWordsOfS3: clients and their tests compare these texts.
func TestDetailsAreTheWordsOfS3(t *testing.T) {
	const header, query = "The authorization header is malformed; ", "Error parsing the X-Amz-Credential parameter; "
	const form = `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`
	auth := func(v string) func(*Request) { return change("authorization", v) }
	fields := func(v string) func(*Request) { return auth("AWS4-HMAC-SHA256 " + v) }
	in := func(old, with string) func(*Request) {
		return func(r *Request) {
			if !strings.Contains(r.Target, old) {
				panic("BUG: no " + old + " in " + r.Target)
			}
			r.Target = strings.Replace(r.Target, old, with, 1)
		}
	}
	for _, c := range []struct {
		name, want string
		query      bool
		edit       func(*Request)
		value      string
	}{
		{"no blank", "Authorization header is invalid -- one and only one ' ' (space) required.", false, auth("invalid_header"), "invalid_header"},
		{"a scheme that never was", "Unsupported Authorization Type", false, auth("AWS2-HMAC-SHA1 x"), "AWS2-HMAC-SHA1"},
		{"two fields", header + "the authorization header requires three components: Credential, SignedHeaders, and Signature.", false, fields("Credential=a,Signature=b"), ""},
		{"no equals sign", header + `the authorization component "SignedHeaders-x" is malformed.`, false, fields("Credential=a/b,SignedHeaders-x,Signature=s"), ""},
		{"no credential", header + "missing Credential.", false, fields("x=a,SignedHeaders=b,Signature=c"), ""},
		{"no signed headers", header + "missing SignedHeaders.", false, fields("Credential=a,x=b,Signature=c"), ""},
		{"no signature", header + "missing Signature.", false, fields("Credential=a,SignedHeaders=b,x=c"), ""},
		{"few parts", header + form, false, fields("Credential=a/20260115/s3/aws4_request,SignedHeaders=b,Signature=c"), ""},
		{"many parts", header + form, false, fields("Credential=a/32234/us-east-1/s3/extra/things,SignedHeaders=b,Signature=c"), ""},
		{"terminal", header + `incorrect terminal "aws_request". This endpoint uses "aws4_request".`, false, fields("Credential=a/2/r/s3/aws_request,SignedHeaders=b,Signature=c"), ""},
		{"service", header + `incorrect service "ec2". This endpoint belongs to "s3".`, false, fields("Credential=a/2/r/ec2/aws4_request,SignedHeaders=b,Signature=c"), ""},
		{"day", header + `incorrect date format "322342". This date in the credential must be in the format "yyyyMMdd".`, false, fields("Credential=a/322342/r/s3/aws4_request,SignedHeaders=b,Signature=c"), ""},
		{"unsigned headers", "There were headers present in the request which were not signed", false,
			func(r *Request) { add("x-amz-acl", "private")(r); add("x-amz-tagging", "a=b")(r) }, "x-amz-acl, x-amz-tagging"},

		{"a parameter less", missingParams, true, in("X-Amz-Expires=3600", "x=y"), ""},
		{"another scheme", `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"`, true, in("AWS4-HMAC-SHA256", "AWS4-SHA256"), ""},
		{"curves", `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"`, true, in("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), ""},
		{"service in a query", query + `incorrect service "sns". This endpoint belongs to "s3".`, true, in("%2Fs3%2F", "%2Fsns%2F"), ""},
		{"few parts in a query", query + form, true, in("%2Fs3%2Faws4_request", ""), ""},
		{"two days", `Invalid credential date "20260115". This date is not the same as X-Amz-Date: "20260116".`, true, in("X-Amz-Date=20260115", "X-Amz-Date=20260116"), ""},
		{"time", `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`, true, in("X-Amz-Date=20260115T", "X-Amz-Date=20260115"), ""},
		{"a life of words", "X-Amz-Expires should be a number", true, in("Expires=3600", "Expires=hour"), ""},
		{"a negative life", "X-Amz-Expires must be non-negative", true, in("Expires=3600", "Expires=-3"), ""},
		{"a long life", "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds", true, in("Expires=3600", "Expires=604801"), ""},
		{"a life beyond any number", "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds", true, in("Expires=3600", "Expires=99999999999999999999"), ""},
	} {
		r := pbsVectors()[0].request(t)
		if c.query {
			r = presigned(t, "GET", "/bkt/k")
		}
		c.edit(r)
		_, err := newVerifier().Verify(r)
		var d *Detail
		if !errors.As(err, &d) || d.Text != c.want || d.Value != c.value || (d.Name == "") != (c.value == "") {
			t.Errorf("%s:\n got %+v\nwant %s", c.name, d, c.want)
		}
	}
}

// TestDetailsRepeatLittle: what an error repeats is short and visible, whatever came.
func TestDetailsRepeatLittle(t *testing.T) {
	for _, s := range []string{strings.Repeat("x", 10_000), "a\x00b\n", "ü", strings.Repeat("\xff", 500)} {
		got := shown(s)
		if len(got) > maxShown {
			t.Errorf("%d bytes", len(got))
		}
		for _, c := range got {
			if c < ' ' || c > '~' {
				t.Errorf("%q", got)
			}
		}
	}
}

// TestDetailHoldsNoSignature: a Detail holds names and scopes only.
func TestDetailHoldsNoSignature(t *testing.T) {
	for _, c := range refusals() {
		r := pbsVectors()[0].request(t)
		signature := referenceSignature(t, r, vectorSecret)
		c.edit(r)
		_, err := newVerifier().Verify(r)
		var d *Detail
		if errors.As(err, &d) && strings.Contains(d.Text+d.Value, signature) {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}
