package sigv4

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const presignHost = "s3.example:8443"

// presigned is a GET of /bkt/k for an hour.
func presigned(t testing.TB, method, target string, headers ...Header) *Request {
	t.Helper()
	signed, err := NewSigner(vectorAccessKey, vectorSecret, vectorRegion).Presign(method, presignHost, target, headers, vectorTime, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return &Request{Method: method, Target: signed, Headers: append([]Header{{"host", presignHost}}, headers...)}
}

// at is newVerifier at another moment.
func at(d time.Duration) *Verifier {
	v := newVerifier()
	v.now = func() time.Time { return vectorTime.Add(d) }
	return v
}

func TestRequestsPresignedByTheAWSSDKVerify(t *testing.T) {
	for _, target := range oddTargets {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		u.Scheme, u.Host = "https", presignHost
		q := u.Query()
		q.Set("X-Amz-Expires", "3600")
		u.RawQuery = q.Encode()
		req := &http.Request{Method: "GET", URL: u, Host: presignHost, Header: http.Header{"X-Amz-Meta-A": {"v"}}}
		signed, _, err := v4.NewSigner().PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: vectorAccessKey, SecretAccessKey: vectorSecret},
			req, UnsignedPayload, "s3", vectorRegion, vectorTime, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		if err != nil {
			t.Fatal(err)
		}
		_, onWire, _ := strings.Cut(signed, presignHost)
		r := &Request{Method: "GET", Target: onWire, Headers: []Header{{"host", presignHost}, {"x-amz-meta-a", "v"}}}
		got, err := newVerifier().Verify(r)
		if err != nil || !got.Presigned || got.AccessKey != vectorAccessKey || got.Payload.Mode != Unsigned {
			t.Errorf("%s: %+v, %v", onWire, got, err)
		}
		ours := presigned(t, "GET", target, Header{"x-amz-meta-a", "v"})
		if _, err := newVerifier().Verify(ours); err != nil {
			t.Errorf("ours, %s: %v", ours.Target, err)
		}
	}
}

// TestExampleOfThePresignedDocumentation is AWS's own.
func TestExampleOfThePresignedDocumentation(t *testing.T) {
	v := New(Config{
		Lookup: func(string) (string, bool) { return "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", true },
		Now:    func() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC) },
	})
	r := &Request{Method: "GET", Headers: []Header{{"host", "examplebucket.s3.amazonaws.com"}}, Target: "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256" +
		"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400" +
		"&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"}
	if _, err := v.Verify(r); err != nil {
		t.Fatal(err)
	}
}

func TestPresignedLivesAsLongAsItSays(t *testing.T) {
	r := presigned(t, "GET", "/bkt/k")
	for d, want := range map[time.Duration]error{
		-16 * time.Minute:       ErrSkewed,
		-14 * time.Minute:       nil,
		time.Hour:               nil,
		time.Hour + time.Second: ErrExpired, // no skew is granted at the end
		30 * 24 * time.Hour:     ErrExpired,
	} {
		if _, err := at(d).Verify(r); !errors.Is(err, want) {
			t.Errorf("%v after: %v, want %v", d, err, want)
		}
	}
}

func TestPresignedRefusals(t *testing.T) {
	replace := func(old, with string) func(*Request) {
		return func(r *Request) {
			if !strings.Contains(r.Target, old) {
				panic("BUG: no " + old + " in " + r.Target)
			}
			r.Target = strings.Replace(r.Target, old, with, 1)
		}
	}
	for _, f := range []refusal{
		{"expires 0", replace("Expires=3600", "Expires=0"), ErrPresigned},
		{"expires above a week", replace("Expires=3600", "Expires=604801"), ErrPresigned},
		{"expires not a number", replace("Expires=3600", "Expires=-3600"), ErrPresigned},
		{"longer life than signed", replace("Expires=3600", "Expires=7200"), ErrSignature},
		{"no expires", replace("X-Amz-Expires=3600", "x=y"), ErrPresigned},
		{"expires twice", replace("Expires=3600", "Expires=3600&X-Amz-Expires=9"), ErrPresigned},
		{"parameter in another case", replace("X-Amz-Expires", "x-amz-expires"), ErrPresigned},
		{"other scheme", replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), ErrQueryAuth},
		{"temporary credential", replace("X-Amz-Expires", "X-Amz-Security-Token=t&X-Amz-Expires"), ErrQueryAuth},
		{"credential of another service", replace("%2Fs3%2F", "%2Fec2%2F"), ErrPresigned},
		{"day of the scope", replace("X-Amz-Date=20260115", "X-Amz-Date=20260116"), ErrPresigned},
		{"added parameter", replace("X-Amz-Expires", "versionId=1&X-Amz-Expires"), ErrSignature},
		{"other key", replace("/bkt/k", "/bkt/l"), ErrSignature},
		{"other method", func(r *Request) { r.Method = "DELETE" }, ErrSignature},
		{"added command", add("x-amz-copy-source", "/bkt/other"), ErrUnsignedHeader},
		{"added payload hash", add("x-amz-content-sha256", HashPayload(nil)), ErrUnsignedHeader},
		{"payload hash in the query and another in a header", replace("X-Amz-Expires", "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&X-Amz-Expires"), ErrSignature},
		{"header and query", add("authorization", "AWS4-HMAC-SHA256 x"), ErrBothAuth},
		{"host not signed", replace("SignedHeaders=host", "SignedHeaders=range"), ErrUnsignedHeader},
		{"unknown access key", replace(vectorAccessKey, "NOBODY"), ErrUnknownKey},
		{"secret in capitals", replace("Signature=", "Signature=A"), ErrPresigned},
	} {
		r := presigned(t, "GET", "/bkt/k")
		f.edit(r)
		got, err := newVerifier().Verify(r)
		if !errors.Is(err, f.want) || got.AccessKey != "" {
			t.Errorf("%s: %v, want %v", f.name, err, f.want)
		}
	}
}

func TestEveryByteOfAPresignedTargetIsSigned(t *testing.T) {
	good := presigned(t, "GET", "/bkt/k?response-content-type=a%20b")
	for i := 1; i < len(good.Target); i++ {
		for _, c := range []byte{good.Target[i] ^ 1, good.Target[i] ^ 0x40} {
			r := &Request{Method: "GET", Target: good.Target[:i] + string(rune(c&0x7f)) + good.Target[i+1:], Headers: good.Headers}
			// %2f for %2F is the same target, decoded once: it means the same.
			if a, _ := decodeParam(r.Target); a == mustDecode(t, good.Target) {
				continue
			}
			if _, err := newVerifier().Verify(r); err == nil {
				t.Errorf("byte %d changed and %s verified", i, r.Target)
			}
		}
	}
}

func mustDecode(t *testing.T, s string) string {
	t.Helper()
	out, ok := decodeParam(s)
	if !ok {
		t.Fatal(s)
	}
	return out
}
