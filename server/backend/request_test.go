package backend

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// TestRequestsGoWhereTheSDKSends: what is asked without the SDK's operations goes to the same host and path, under a
// signature that an independent verifier accepts.
func TestRequestsGoWhereTheSDKSends(t *testing.T) {
	verifier := sigv4.New(sigv4.Config{Lookup: func(string) (string, bool) { return testSecret, true }})
	var mu sync.Mutex
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers := []sigv4.Header{{Name: "host", Value: r.Host}}
		for n, vs := range r.Header {
			for _, v := range vs {
				headers = append(headers, sigv4.Header{Name: strings.ToLower(n), Value: v})
			}
		}
		if _, err := verifier.Verify(&sigv4.Request{Method: r.Method, Target: r.RequestURI, Headers: headers}); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.RequestURI, err)
		}
		mu.Lock()
		got = append(got, r.Host+" "+strings.TrimSuffix(r.URL.Path, "/"))
		mu.Unlock()
		w.Header()["Etag"] = []string{`"e"`}
		if strings.Contains(r.RequestURI, "list-type") {
			w.Write([]byte(listDoc(last)))
		}
	}))
	defer srv.Close()
	host := srv.Listener.Addr().String()
	for _, endpoint := range []string{"http://store.test", "http://store.test:9000/", "http://store.test/base", "http://store.test/base/", "http://" + host, "http://" + host + "/a%20b"} {
		for _, style := range []bool{true, false} {
			c := newTestClient(t, endpoint, func(c *Config) { c.PathStyle = style })
			for _, tr := range c.transports {
				tr.DialContext = dialTo(host)
			}
			for _, bucket := range []string{"bucket", "a.b.c", "one.two.three", "b-1"} {
				for _, key := range []string{"key", "a//b", "/a", "../x", "a+b c%2F?#é\x01"} {
					ask := func(op string, f func(ctx context.Context) error) string {
						got = nil
						call := &call{op: op, answer: answerObject, status: [2]int{200}}
						err := c.do(t.Context(), call, func(ctx context.Context, at *attempt) error { return f(ctx) })
						if err != nil || len(got) != 1 {
							t.Fatalf("%s %s %q by %s: %v, %v", endpoint, bucket, key, op, got, err)
						}
						return got[0]
					}
					want := ask("GetObject", func(ctx context.Context) error {
						_, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
						return err
					})
					got = nil
					o, err := c.Get(t.Context(), bucket, key, GetOptions{Version: "v 1"})
					if err != nil || len(got) != 1 || got[0] != want {
						t.Fatalf("%s %s %q: %v, not %q, %v", endpoint, bucket, key, got, want, err)
					}
					o.Body.Close()
				}
				got = nil
				if _, err := c.s3.ListObjectsV2(context.WithValue(t.Context(), attemptKey{}, &attempt{client: c, call: &call{answer: answerXML, root: "ListBucketResult", status: [2]int{200}}, cancel: func(error) {}}), &s3.ListObjectsV2Input{Bucket: &bucket}); err != nil {
					t.Fatal(err)
				}
				want := got[0]
				got = nil
				if _, err := c.List(t.Context(), bucket, ListOptions{Prefix: "a b+/é"}); err != nil || got[0] != want {
					t.Fatalf("%s %s: %v, not %q, %v", endpoint, bucket, got, want, err)
				}
			}
		}
	}
}
