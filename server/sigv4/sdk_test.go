package sigv4

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// oddTargets are paths and queries that implementations are known to disagree
// on, as they look on the wire.
var oddTargets = []string{
	"/",
	"/bkt",
	"/bkt/",
	"/bkt//a//b//",
	"/bkt/.",
	"/bkt/..",
	"/bkt/a/./b/../c",
	"/bkt/a%2Fb",
	"/bkt/a%2fb",
	"/bkt/a%252Fb",
	"/bkt/a+b",
	"/bkt/a%2Bb",
	"/bkt/a%20b",
	"/bkt/a:b",
	"/bkt/2025-07-14T14%3A20%3A02Z",
	"/bkt/caf%C3%A9",
	"/bkt/cafe%CC%81",
	"/bkt/%F0%9F%98%80",
	"/bkt/!$&'()*,;=@~-_.",
	"/bkt/%21%24%26%27%28%29%2A%2C%3B%3D%40%7E%2D%5F%2E",
	"/bkt/%00",
	"/bkt/%FF",
	"/bkt/a?b=",
	"/bkt/a?b",
	"/bkt/?delete",
	"/bkt/?delete=",
	"/bkt/?list-type=2&prefix=a%20b%2Bc%2F%25",
	"/bkt/?list-type=2&prefix=a+b",
	"/bkt/?prefix=caf%C3%A9&list-type=2&continuation-token=a%2Bb%2Fc%3D%3D",
	"/bkt/?a-b=1&a=2&a.b=3&A=4&a_b=5&a~=6",
	"/bkt/?x=%7E~%2D-%5F_%2E.",
	"/bkt/?x=/:@!$'()*,",
	"/bkt/?x=a=b==",
	"/bkt/?&&x=1&&y=2&",
}

// sdkSign signs a target with aws-sdk-go-v2 as its S3 client does.
func sdkSign(t testing.TB, method, target, host string, header http.Header, payload string) *Request {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		t.Fatalf("%q: %v", target, err)
	}
	u.Scheme, u.Host = "https", host
	if got := u.RequestURI(); got != target {
		t.Fatalf("net/http would send %q for %q", got, target)
	}
	req := &http.Request{Method: method, URL: u, Host: host, Header: header.Clone()}
	req.Header.Set("X-Amz-Content-Sha256", payload)
	err = v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: vectorAccessKey, SecretAccessKey: vectorSecret},
		req, payload, "s3", vectorRegion, vectorTime, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{Method: method, Target: target, Headers: []Header{{"host", host}}}
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		for _, value := range req.Header[name] {
			r.Headers = append(r.Headers, Header{strings.ToLower(name), value})
		}
	}
	return r
}

func TestRequestsSignedByTheAWSSDKVerify(t *testing.T) {
	header := http.Header{"X-Amz-Meta-A": {"  a   b  "}, "X-Amz-Meta-B": {"1", "2"}, "Content-Type": {"text/plain; x=\"a  b\""}}
	for _, target := range oddTargets {
		r := sdkSign(t, "PUT", target, "s3.example:8443", header, UnsignedPayload)
		if _, err := newVerifier().Verify(r); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestSignerAgreesWithTheAWSSDK(t *testing.T) {
	// Names are drawn once each and of unreserved characters: the SDK sorts
	// decoded names, AWS's text says encoded ones, and S3 has no name where it
	// matters.
	random := rand.New(rand.NewPCG(1, 2))
	pathBytes := []byte("ab0-._~/%+:@!$&'()*,;=")
	hex := "0123456789abcdefABCDEF"
	text := func(n int, alphabet []byte) string {
		var b strings.Builder
		for range random.IntN(n) {
			if c := alphabet[random.IntN(len(alphabet))]; c == '%' {
				fmt.Fprintf(&b, "%%%c%c", hex[random.IntN(len(hex))], hex[random.IntN(len(hex))])
			} else {
				b.WriteByte(c)
			}
		}
		return b.String()
	}
	targets := slices.Clone(oddTargets)
	for range 2000 {
		target := "/b" + text(24, pathBytes)
		if n := random.IntN(4); n > 0 {
			names := []string{"a", "a-b", "prefix", "list-type", "B", "x.y"}
			random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			var params []string
			for _, name := range names[:n] {
				params = append(params, name+"="+strings.NewReplacer("&", "", ";", "").Replace(text(16, pathBytes)))
			}
			target += "?" + strings.Join(params, "&")
		}
		if u, err := url.ParseRequestURI(target); err == nil && u.RequestURI() == target {
			targets = append(targets, target)
		}
	}
	if len(targets) < 1000 {
		t.Fatalf("only %d targets", len(targets))
	}
	for _, target := range targets {
		want := strings.ReplaceAll(find(sdkSign(t, "GET", target, vectorHost, http.Header{}, UnsignedPayload).Headers, "authorization"), ", ", ",")
		headers, err := NewSigner(vectorAccessKey, vectorSecret, vectorRegion).Sign("GET", vectorHost, target, nil, UnsignedPayload, vectorTime)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		if got := find(headers, "authorization"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", target, got, want)
		}
	}
}

// A signature is for one moment, one region and one secret.
func TestSignatureDependsOnTimeRegionAndSecret(t *testing.T) {
	seen := map[string]bool{}
	for _, signer := range []*Signer{
		NewSigner(vectorAccessKey, vectorSecret, vectorRegion), NewSigner(vectorAccessKey, vectorSecret, "auto"),
		NewSigner(vectorAccessKey, vectorSecret+"x", vectorRegion), NewSigner("a/b", vectorSecret, vectorRegion),
	} {
		for _, at := range []time.Time{vectorTime, vectorTime.Add(time.Second), vectorTime.Add(24 * time.Hour)} {
			headers, err := signer.Sign("GET", vectorHost, "/", nil, UnsignedPayload, at)
			if err != nil {
				t.Fatal(err)
			}
			seen[find(headers, "authorization")] = true
		}
	}
	if len(seen) != 12 {
		t.Errorf("got %d authorizations, want 12", len(seen))
	}
}
