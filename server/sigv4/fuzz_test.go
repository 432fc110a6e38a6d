package sigv4

import (
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzAuthorization(f *testing.F) {
	for _, r := range recordedRequests(f) {
		f.Add(strings.TrimSpace(find(r.request.Headers, "authorization")))
	}
	for _, v := range pbsVectors() {
		f.Add(find(v.sign(f), "authorization"))
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAuthorization(s)
		if err != nil {
			return
		}
		// What was accepted is the three fields and nothing else.
		credential := "Credential=" + a.accessKey + "/" + a.date + "/" + a.region + "/s3/aws4_request"
		signed, signature := "SignedHeaders="+a.signedHeaders, "Signature="+hex.EncodeToString(a.signature[:])
		rest, ok := strings.CutPrefix(s, "AWS4-HMAC-SHA256")
		if !ok {
			t.Fatalf("accepted %q", s)
		}
		left := map[string]bool{credential: true, signed: true, signature: true}
		for _, field := range strings.Split(rest, ",") {
			field = strings.Trim(field, " \t")
			if !left[field] {
				t.Fatalf("%q: field %q is not one of %v", s, field, left)
			}
			delete(left, field)
		}
		if len(left) != 0 || a.accessKey == "" || len(a.accessKey) > maxAccessKey || len(a.region) > maxRegion || len(s) > maxAuthorization {
			t.Fatalf("%q: got %+v", s, a)
		}
	})
}

func FuzzCanonicalQuery(f *testing.F) {
	for _, target := range oddTargets {
		_, query, _ := strings.Cut(target, "?")
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, signed, err := appendCanonicalQuery(nil, raw, "")
		params := 0
		decodable := true
		for _, part := range strings.Split(raw, "&") {
			if part != "" {
				params++
			}
			_, err := url.QueryUnescape(part)
			decodable = decodable && err == nil
		}
		if (err == nil) != (decodable && params <= maxParams) {
			t.Fatalf("%q: %d parameters, decodable: %v, error: %v", raw, params, decodable, err)
		}
		if err != nil {
			return
		}
		if want := referenceQuery(t, raw); string(got) != want {
			t.Fatalf("%q: got %q, want %q", raw, got, want)
		}
		if len(got) > 3*len(raw)+params {
			t.Fatalf("%d bytes of %d", len(got), len(raw))
		}
		again, signedAgain, err := appendCanonicalQuery(nil, string(got), "")
		if err != nil || string(again) != string(got) || signedAgain != signed {
			t.Fatalf("%q: the canonical form %q becomes %q, %v", raw, got, again, err)
		}
	})
}

// FuzzVerify takes a whole request head. Whatever verifies must have the
// signature that the reference computes for it.
func FuzzVerify(f *testing.F) {
	for _, v := range pbsVectors() {
		var head strings.Builder
		head.WriteString(v.method + " " + v.target + " HTTP/1.1\r\n")
		for _, h := range v.sign(f) {
			head.WriteString(h.Name + ": " + h.Value + "\r\n")
		}
		f.Add(head.String())
	}
	names, _ := filepath.Glob("testdata/recorded/*.http")
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	verifier := newVerifier()
	f.Fuzz(func(t *testing.T, head string) {
		r := parseHead(head)
		got, err := verifier.Verify(r)
		if err != nil {
			if got != (Verified{}) {
				t.Fatalf("an error and %+v", got)
			}
			return
		}
		if got.AccessKey != vectorAccessKey || got.Payload.Mode == 0 {
			t.Fatalf("got %+v", got)
		}
		want := referenceSignature(t, r, vectorSecret)
		if !strings.Contains(find(r.Headers, "authorization"), "Signature="+want) {
			t.Fatalf("verified, but the reference computes %s", want)
		}
	})
}

// FuzzSignThenVerify: what Sign agrees to sign verifies, and has the signature
// that the reference computes.
func FuzzSignThenVerify(f *testing.F) {
	f.Add("PUT", "/b/k?x=%41+b&delete", "h:1", "x-amz-meta-a", " a  b ", "c")
	f.Add("GET", "/b//../%2F", "h", "content-length", "0", "range")
	f.Add("DELETE", "/", "h", "if-match", "*", "via")
	f.Fuzz(func(t *testing.T, method, target, host, name, value, second string) {
		signer := NewSigner(vectorAccessKey, vectorSecret, vectorRegion)
		headers := []Header{{name, value}, {second, value}}
		signed, err := signer.Sign(method, host, target, headers, UnsignedPayload, vectorTime)
		if err != nil {
			return
		}
		r := &Request{Method: method, Target: target, Headers: signed}
		_, query, _ := strings.Cut(target, "?")
		if _, presigned, _ := appendCanonicalQuery(nil, query, ""); presigned {
			if _, err := newVerifier().Verify(r); err == nil {
				t.Fatal("verified with authentication in the query too")
			}
			return
		}
		if len(find(signed, "authorization")) > maxAuthorization {
			return
		}
		if _, err := newVerifier().Verify(r); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		if want := referenceSignature(t, r, vectorSecret); !strings.HasSuffix(find(signed, "authorization"), want) {
			t.Fatalf("%+v: the reference computes %s", r, want)
		}
	})
}
