package sigv4

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// refusal is one edit of a good request and the error it must lead to.
type refusal struct {
	name string
	edit func(*Request)
	want error
}

func drop(name string) func(*Request) {
	return func(r *Request) {
		r.Headers = slices.DeleteFunc(r.Headers, func(h Header) bool { return h.Name == name })
	}
}

func add(name, value string) func(*Request) {
	return func(r *Request) { r.Headers = append(r.Headers, Header{name, value}) }
}

func change(name, value string) func(*Request) {
	return func(r *Request) { set(r.Headers, name, value) }
}

// inAuth replaces text within the Authorization header.
func inAuth(old, with string) func(*Request) {
	return func(r *Request) {
		value := find(r.Headers, "authorization")
		if !strings.Contains(value, old) {
			panic("BUG: no " + old + " in " + value)
		}
		set(r.Headers, "authorization", strings.Replace(value, old, with, 1))
	}
}

func target(t string) func(*Request) { return func(r *Request) { r.Target = t } }

func all(edits ...func(*Request)) func(*Request) {
	return func(r *Request) {
		for _, e := range edits {
			e(r)
		}
	}
}

// refusals is every reason to refuse; the request they edit is the first of
// pbsVectors, a conditional PUT.
func refusals() []refusal {
	const sign = "0000000000000000000000000000000000000000000000000000000000000000"
	return []refusal{
		{"no authorization", drop("authorization"), ErrMissingAuth},
		{"presigned", all(drop("authorization"), target("/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0")), ErrPresigned},
		{"presigned, name encoded", all(drop("authorization"), target("/b/k?X%2DAmz%2dSignature=0")), ErrQueryAuth},
		{"presigned, version 2", all(drop("authorization"), target("/b/k?AWSAccessKeyId=a&Expires=1&Signature=x")), ErrQueryAuth},
		{"signed twice", target("/b/k?X-Amz-Signature=0"), ErrBothAuth},
		{"signed twice, other case", target("/b/k?x-amz-credential=0"), ErrBothAuth},
		{"signed twice, bare name", target("/b/k?a=b&X-Amz-Security-Token"), ErrBothAuth},

		{"version 2", change("authorization", "AWS key:signature"), ErrUnsupportedAuth},
		{"asymmetric version 4", inAuth("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 "), ErrUnsupportedAuth},
		{"bearer", change("authorization", "Bearer x"), ErrUnsupportedAuth},
		{"empty authorization", change("authorization", ""), ErrUnsupportedAuth},
		{"scheme alone", change("authorization", "AWS4-HMAC-SHA256"), ErrUnsupportedAuth},
		{"two authorizations", add("authorization", "AWS4-HMAC-SHA256 Credential=x"), ErrRepeatedHeader},
		{"a field is missing", inAuth(",Signature=", ",signature="), ErrMalformed},
		{"a field is repeated", inAuth(",Signature=", ",Signature="+sign+",Signature="), ErrMalformed},
		{"signed headers repeated", inAuth(",Signature=", ",SignedHeaders=host,Signature="), ErrMalformed},
		{"an unknown field", inAuth(",Signature=", ",X=y,Signature="), ErrMalformed},
		{"a comma too many", inAuth(",Signature=", ",,Signature="), ErrMalformed},
		{"a trailing comma", func(r *Request) {
			set(r.Headers, "authorization", find(r.Headers, "authorization")+",")
		}, ErrMalformed},
		{"short signature", inAuth("Signature=75", "Signature="), ErrMalformed},
		{"upper-case signature", inAuth("Signature=75cde0cf", "Signature=75CDE0CF"), ErrMalformed},
		{"signature is not hex", inAuth("Signature=75", "Signature=zz"), ErrMalformed},
		{"signed headers not sorted", inAuth("content-length;content-md5", "content-md5;content-length"), ErrMalformed},
		{"a signed header twice", inAuth("content-length;", "content-length;content-length;"), ErrMalformed},
		{"a signed header in upper case", inAuth("content-length;", "Content-Length;"), ErrMalformed},
		{"an empty signed header", inAuth("content-length;", ";content-length;"), ErrMalformed},
		{"no access key", inAuth("Credential="+vectorAccessKey, "Credential="), ErrMalformed},
		{"a long access key", inAuth("Credential=", "Credential="+strings.Repeat("x", maxAccessKey)), ErrMalformed},
		{"a long authorization", inAuth(",Signature=", strings.Repeat(" ", maxAuthorization)+",Signature="), ErrMalformed},
		{"a blank in the access key", inAuth("Credential=PROXY", "Credential=PRO Y"), ErrMalformed},
		{"a scope part too few", inAuth("/s3/aws4_request", "/aws4_request"), ErrMalformed},
		{"no scope", inAuth("/20260115/us-west-1/s3/aws4_request", ""), ErrMalformed},
		{"another service", inAuth("/s3/", "/sts/"), ErrScope},
		{"another terminator", inAuth("aws4_request", "aws3_request"), ErrScope},
		{"no region", inAuth("/us-west-1/", "//"), ErrScope},
		{"a long region", inAuth("/us-west-1/", "/"+strings.Repeat("x", maxRegion+1)+"/"), ErrScope},
		{"the day before", inAuth("/20260115/", "/20260114/"), ErrScope},
		{"no day", inAuth("/20260115/", "//"), ErrScope},
		{"a year for a day", inAuth("/20260115/", "/2026/"), ErrScope},
		{"a very long day", inAuth("/20260115/", "/"+strings.Repeat("2026", 20)+"/"), ErrScope},
		{"a longer day", inAuth("/20260115/", "/202601150/"), ErrScope},
		{"a day that is no number", inAuth("/20260115/", "/2026011x/"), ErrScope},

		{"no date at all", drop("x-amz-date"), ErrDate},
		{"two dates", add("x-amz-date", "20260115T120000Z"), ErrRepeatedHeader},
		{"31 June", all(change("x-amz-date", "20260631T120000Z"), inAuth("/20260115/", "/20260631/")), ErrDate},
		{"day 0", all(change("x-amz-date", "20260100T120000Z"), inAuth("/20260115/", "/20260100/")), ErrDate},
		{"month 13", all(change("x-amz-date", "20261315T120000Z"), inAuth("/20260115/", "/20261315/")), ErrDate},
		{"hour 24", change("x-amz-date", "20260115T240000Z"), ErrDate},
		{"minute 60", change("x-amz-date", "20260115T126000Z"), ErrDate},
		{"second 60", change("x-amz-date", "20260115T120060Z"), ErrDate},
		{"a time zone", change("x-amz-date", "20260115T120000+0100"), ErrDate},
		{"extended form", change("x-amz-date", "2026-01-15T12:00:00Z"), ErrDate},
		{"letters in a date", change("x-amz-date", "2026011xT120000Z"), ErrDate},
		{"a Date in another form", all(drop("x-amz-date"), add("date", "Thursday, 15-Jan-26 12:00:00 GMT")), ErrDate},
		{"a day old", all(change("x-amz-date", "20260114T120000Z"), inAuth("/20260115/", "/20260114/")), ErrSkewed},
		{"just too old", change("x-amz-date", "20260115T114459Z"), ErrSkewed},
		{"just too young", change("x-amz-date", "20260115T121501Z"), ErrSkewed},

		{"no hash", drop("x-amz-content-sha256"), ErrMissingSHA},
		{"a short hash", change("x-amz-content-sha256", "e3b0"), ErrInvalidSHA},
		{"a hash that is not hex", change("x-amz-content-sha256", strings.Repeat("g", 64)), ErrInvalidSHA},
		{"an empty hash", change("x-amz-content-sha256", ""), ErrInvalidSHA},
		{"unsigned payload in lower case", change("x-amz-content-sha256", "unsigned-payload"), ErrInvalidSHA},
		{"signed chunks", change("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), ErrSignature},
		{"unsigned chunks", change("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), ErrSignature},
		{"chunks signed with ECDSA", change("x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), ErrUnsupportedPayload},
		{"two hashes", add("x-amz-content-sha256", UnsignedPayload), ErrRepeatedHeader},

		{"host is not signed", inAuth("host;", ""), ErrUnsignedHeader},
		{"no host", drop("host"), ErrUnsignedHeader},
		{"the date is not signed", inAuth(";x-amz-date", ""), ErrUnsignedHeader},
		{"the hash is not signed", inAuth("x-amz-content-sha256;", ""), ErrUnsignedHeader},
		{"the digest is not signed", inAuth("content-md5;", ""), ErrUnsignedHeader},
		{"the condition is not signed", inAuth("if-none-match;", ""), ErrUnsignedHeader},
		{"a copy source was added", add("x-amz-copy-source", "bkt/secret"), ErrUnsignedHeader},
		{"a last header was added", add("x-amz-website-redirect-location", "/"), ErrUnsignedHeader},
		{"metadata was added", add("x-amz-meta-a", "b"), ErrUnsignedHeader},
		{"a condition was added", add("if-match", "*"), ErrUnsignedHeader},
		{"Date counts and is not signed", all(drop("x-amz-date"), inAuth(";x-amz-date", ""), add("date", "Thu, 15 Jan 2026 12:00:00 GMT")), ErrUnsignedHeader},
		{"a signed header was removed", drop("content-type"), ErrAbsentHeader},
		{"an absent header is signed", inAuth("content-md5;", "content-md5;content-range;"), ErrAbsentHeader},

		{"two hosts", add("host", vectorHost), ErrRepeatedHeader},
		{"two lengths", add("content-length", "11"), ErrRepeatedHeader},
		{"two conditions", add("if-none-match", "*"), ErrRepeatedHeader},
		{"two copy sources", all(add("x-amz-copy-source", "a"), add("x-amz-copy-source", "b")), ErrRepeatedHeader},
		{"blanks in a copy source", add("x-amz-copy-source", "bkt/a  b"), ErrHeader},
		{"a tab in a copy source", add("x-amz-copy-source", "bkt/a\tb"), ErrHeader},
		{"upper case in a name", add("X-Amz-Copy-Source", "bkt/secret"), ErrHeader},
		{"a blank after a name", add("x-amz-copy-source ", "bkt/secret"), ErrHeader},
		{"an empty name", add("", "x"), ErrHeader},
		{"a line break in a value", add("x", "a\nhost:b"), ErrHeader},
		{"a NUL in a value", add("x", "a\x00b"), ErrHeader},
		{"too many headers", func(r *Request) {
			for i := range maxHeaders {
				r.Headers = append(r.Headers, Header{fmt.Sprintf("x-%d", i), ""})
			}
		}, ErrHeader},
		{"too large headers", add("cookie", strings.Repeat("x", maxHeaderBytes)), ErrHeader},

		{"an absolute target", target("http://127.0.0.1/b/k"), ErrTarget},
		{"an asterisk", target("*"), ErrTarget},
		{"an empty target", target(""), ErrTarget},
		{"a fragment", target("/b/k#x"), ErrTarget},
		{"a blank in the target", target("/b/k x"), ErrTarget},
		{"a line break in the target", target("/b/k\n"), ErrTarget},
		{"a broken escape in the query", target("/b/k?a=%4"), ErrTarget},
		{"an escape that is not hex", target("/b/k?%zz"), ErrTarget},
		{"too many parameters", target("/b/k?" + strings.Repeat("a&", maxParams+1)), ErrTarget},
		{"a long target", target("/b/" + strings.Repeat("k", maxTarget)), ErrTarget},
		{"no method", func(r *Request) { r.Method = "" }, ErrTarget},
		{"a method with a line break", func(r *Request) { r.Method = "PUT\n" }, ErrTarget},
		{"a long method", func(r *Request) { r.Method = strings.Repeat("A", maxMethod+1) }, ErrTarget},

		{"another method", func(r *Request) { r.Method = "POST" }, ErrSignature},
		{"another path", func(r *Request) { r.Target += "x" }, ErrSignature},
		{"a query", func(r *Request) { r.Target += "?tagging" }, ErrSignature},
		{"another region", inAuth("/us-west-1/", "/us-west-2/"), ErrSignature},
		{"another signature", inAuth("Signature=7", "Signature=8"), ErrSignature},
		{"a wrong secret", func(r *Request) { *r = *signedWith(vectorAccessKey, "wrong") }, ErrSignature},
		{"another access key", inAuth("Credential=P", "Credential=Q"), ErrUnknownKey},
		{"an unknown access key", func(r *Request) { *r = *signedWith("stranger", vectorSecret) }, ErrUnknownKey},
		{"an unknown key with nobody's secret", func(r *Request) { *r = *signedWith("stranger", nobody) }, ErrUnknownKey},
	}
}

func signedWith(accessKey, secret string) *Request {
	v := pbsVectors()[0]
	headers, err := NewSigner(accessKey, secret, vectorRegion).Sign(v.method, vectorHost, v.target, v.headers, v.payload, vectorTime)
	if err != nil {
		panic(err)
	}
	return &Request{Method: v.method, Target: v.target, Headers: headers}
}

func TestEachFailureHasItsError(t *testing.T) {
	sentinels := []error{
		ErrMissingAuth, ErrQueryAuth, ErrPresigned, ErrBothAuth, ErrUnsupportedAuth, ErrScope, ErrDate, ErrTarget, ErrHeader, ErrRepeatedHeader,
		ErrAbsentHeader, ErrMalformed, ErrUnknownKey, ErrSignature, ErrSkewed, ErrUnsignedHeader, ErrMissingSHA, ErrInvalidSHA, ErrUnsupportedPayload,
	}
	reached := map[error]bool{}
	for _, c := range refusals() {
		r := pbsVectors()[0].request(t)
		c.edit(r)
		got, err := newVerifier().Verify(r)
		if got != (Verified{}) {
			t.Errorf("%s: something is verified: %+v", c.name, got)
		}
		// The most precise sentinel is the one that must be reported.
		var precise error
		for _, s := range sentinels {
			if errors.Is(err, s) {
				precise = s
				break
			}
		}
		if precise != c.want {
			t.Errorf("%s:\n got %v\nwant %v", c.name, err, c.want)
		}
		reached[precise] = true
	}
	for _, s := range sentinels {
		if !reached[s] {
			t.Errorf("no case leads to %v", s)
		}
	}
}

func TestErrorsTellNoSecretAndNoSignature(t *testing.T) {
	for _, c := range refusals() {
		r := pbsVectors()[0].request(t)
		c.edit(r)
		_, err := newVerifier().Verify(r)
		if err == nil {
			t.Fatalf("%s: verified", c.name)
		}
		expected := ""
		if errors.Is(err, ErrSignature) && !errors.Is(err, ErrAbsentHeader) {
			expected = referenceSignature(t, r, vectorSecret)
		}
		text := fmt.Sprintf("%v %+v %#v", err, err, err)
		for _, secret := range []string{vectorSecret, nobody, expected, hex.EncodeToString([]byte(vectorSecret))} {
			if secret != "" && strings.Contains(text, secret) {
				t.Errorf("%s: the error tells %q", c.name, secret)
			}
		}
		if len(err.Error()) > 300 {
			t.Errorf("%s: the error has %d bytes", c.name, len(err.Error()))
		}
	}
}

func TestSkewIsBoundedOnBothSides(t *testing.T) {
	r := pbsVectors()[0].request(t)
	for _, c := range []struct {
		skew, max time.Duration
		ok        bool
	}{
		{0, 0, true}, {15 * time.Minute, 0, true}, {-15 * time.Minute, 0, true},
		{15*time.Minute + 1, 0, false}, {-15*time.Minute - 1, 0, false},
		{time.Hour, time.Hour, true}, {time.Minute, time.Second, false},
	} {
		v := New(Config{
			Lookup:  func(string) (string, bool) { return vectorSecret, true },
			MaxSkew: c.max,
			Now:     func() time.Time { return vectorTime.Add(c.skew) },
		})
		_, err := v.Verify(r)
		if c.ok && err != nil || !c.ok && !errors.Is(err, ErrSkewed) {
			t.Errorf("%v of %v: %v", c.skew, c.max, err)
		}
	}
}

func TestEmptySecretIsNoSecret(t *testing.T) {
	r := signedWith(vectorAccessKey, vectorSecret)
	for _, secret := range []string{"", strings.Repeat("x", maxSecret+1)} {
		v := New(Config{
			Lookup: func(string) (string, bool) { return secret, true },
			Now:    func() time.Time { return vectorTime },
		})
		if _, err := v.Verify(r); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("secret of %d bytes: %v", len(secret), err)
		}
	}
}

// An unknown access key must cost what a known one does: whatever the lookup
// answers, the canonical request is hashed and signed.
func TestUnknownKeyDoesTheSameWork(t *testing.T) {
	known, unknown := signedWith(vectorAccessKey, "wrong"), signedWith("PROXYKEYID0000000002", "wrong")
	v := newVerifier()
	cost := func(r *Request, want error) float64 {
		return testing.AllocsPerRun(100, func() {
			if _, err := v.Verify(r); err != want {
				t.Fatalf("got %v, want %v", err, want)
			}
		})
	}
	if a, b := cost(known, ErrSignature), cost(unknown, ErrUnknownKey); a != b {
		t.Errorf("known key: %v allocations, unknown key: %v", a, b)
	}
	if testing.Short() {
		return // the clock is only worth reading on a quiet machine
	}
	fastest := func(r *Request) time.Duration {
		best := time.Hour
		for range 200 {
			began := time.Now()
			for range 20 {
				v.Verify(r)
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	a, b := fastest(known), fastest(unknown)
	if a > 2*b || b > 2*a {
		t.Errorf("20 refusals of a known key take %v, of an unknown one %v", a, b)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]Config{
		"Lookup":  {},
		"MaxSkew": {Lookup: func(string) (string, bool) { return "", false }, MaxSkew: -1},
	} {
		func() {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "BUG: ") || !strings.Contains(p, name) {
					t.Errorf("%s: got %q", name, p)
				}
			}()
			New(cfg)
		}()
	}
}
