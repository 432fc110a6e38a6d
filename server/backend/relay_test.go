package backend

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// relayTo makes a client of a store that answers with serve.
func relayTo(t *testing.T, serve http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(serve)
	t.Cleanup(srv.Close)
	return newTestClient(t, srv.URL)
}

// TestRelayIsSignedAsSent: whatever is in key and query, the store sees it as it
// was meant, under a signature that an independent verifier accepts.
func TestRelayIsSignedAsSent(t *testing.T) {
	verifier := sigv4.New(sigv4.Config{Lookup: func(string) (string, bool) { return testSecret, true }})
	var got *http.Request
	c := relayTo(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		headers := []sigv4.Header{{Name: "host", Value: r.Host}}
		for n, vs := range r.Header {
			for _, v := range vs {
				headers = append(headers, sigv4.Header{Name: strings.ToLower(n), Value: v})
			}
		}
		if _, err := verifier.Verify(&sigv4.Request{Method: r.Method, Target: r.RequestURI, Headers: headers}); err != nil {
			t.Errorf("%s: %v", r.RequestURI, err)
		}
		body, _ := io.ReadAll(r.Body)
		io.WriteString(w, "<Got>"+string(body)+"</Got>")
	})
	for _, key := range []string{"k", "a b", "a+b", "a%2Fb", "a//b", "./..", "é", "?x=1", "#", "a:b@c", "~!*'();"} {
		q := Question{Op: "PutObjectTagging", Method: "PUT", Bucket: "bkt", Key: key, Query: url.Values{"tagging": {""}, "versionId": {"a b+/="}}, Body: []byte("doc"), Header: http.Header{"X-Amz-Acl": {"private"}}}
		reply, err := c.Relay(t.Context(), q)
		if err != nil || string(reply.Body) != "<Got>doc</Got>" || reply.Status != 200 {
			t.Fatalf("%q: %+v, %v", key, reply, err)
		}
		if path := strings.TrimPrefix(got.URL.Path, "/bkt/"); path != key || got.URL.Query().Get("versionId") != "a b+/=" || got.Header.Get("Content-Md5") == "" {
			t.Errorf("%q arrived as %q with %v", key, path, got.URL.RawQuery)
		}
	}
}

func TestRelayGivesRefusalsAndFailsOnTheRest(t *testing.T) {
	status, doc, calls := 0, "", 0
	c := relayTo(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.WriteHeader(status)
		io.WriteString(w, doc)
	})
	ask := func(method string) (*Reply, error) {
		calls = 0
		return c.Relay(t.Context(), Question{Op: "X", Method: method, Bucket: "bkt", Query: url.Values{"acl": {""}}})
	}
	status, doc = 404, "<Error><Code>NoSuchTagSet</Code><Message>none\x00here</Message></Error>"
	if r, err := ask("GET"); err == nil { // a control byte: not XML, so no proof of anything
		t.Errorf("%+v", r)
	}
	doc = "<Error><Code>NoSuchTagSet</Code><Message>none for " + testAccess + "</Message></Error>"
	if r, err := ask("GET"); err != nil || r.Code != "NoSuchTagSet" || r.Status != 404 || strings.Contains(r.Message, testAccess) {
		t.Errorf("%+v, %v", r, err)
	}
	status, doc = 200, "<Error><Code>InternalError</Code></Error>"
	if r, err := ask("GET"); KindOf(err) != Busy {
		t.Errorf("an error in a success: %+v, %v", r, err)
	}
	status, doc = 503, ""
	if _, err := ask("GET"); KindOf(err) != Busy || calls < 2 {
		t.Errorf("GET: %v after %d calls", err, calls)
	}
	if _, err := ask("PUT"); KindOf(err) != Busy || calls != 1 {
		t.Errorf("PUT: %v after %d calls", err, calls)
	}
	status, doc = 302, ""
	if _, err := ask("GET"); KindOf(err) != Busy {
		t.Errorf("a redirect: %v", err)
	}
	status, doc = 404, "<html>no such page</html>"
	if _, err := ask("GET"); KindOf(err) != Busy {
		t.Errorf("a 404 of no S3 server: %v", err)
	}
	for _, bucket := range []string{"", "host:80#", "../x"} {
		if _, err := c.Relay(t.Context(), Question{Op: "X", Method: "GET", Bucket: bucket}); KindOf(err) != Invalid {
			t.Errorf("bucket %q: %v", bucket, err)
		}
	}
}
