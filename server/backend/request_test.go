package backend

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
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

// TestUploadsAreAsTheSDKSendsThem: header by header, but for what names the SDK, and with the body.
func TestUploadsAreAsTheSDKSendsThem(t *testing.T) {
	s := newScript(t, stored)
	c := newTestClient(t, s.URL)
	bucket, key, id, n, size := "bucket", "a b+é", "i/d+", int32(7), int64(5)
	unsigned := s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	sum, err := (&source{reader: strings.NewReader("hello")}).checksum()
	if err != nil {
		t.Fatal(err)
	}
	with := Attributes{StorageClass: "GLACIER", Tagging: "a=b", BlockHint: "aGludA=="}
	sdk := func(f func(context.Context, io.Reader) error) {
		err := c.do(t.Context(), &call{answer: answerEmpty, status: [2]int{200}}, func(ctx context.Context, at *attempt) error {
			at.body = newOutgoing(strings.NewReader("hello"), size, true)
			return f(ctx, struct{ io.Reader }{at.body})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ours := func(_ any, err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	type1 := contentType
	sdk(func(ctx context.Context, body io.Reader) error {
		_, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: body, ContentLength: &size, ContentType: &type1, ChecksumCRC32C: &sum, IfMatch: aws.String(`"e"`)}, unsigned, s3.WithAPIOptions(with.options()...))
		return err
	})
	ours(c.Put(t.Context(), bucket, key, strings.NewReader("hello"), size, Conditions{IfMatch: `"e"`, Attributes: with}))
	sdk(func(ctx context.Context, body io.Reader) error {
		_, err := c.s3.UploadPart(ctx, &s3.UploadPartInput{Bucket: &bucket, Key: &key, UploadId: &id, PartNumber: &n, Body: body, ContentLength: &size}, unsigned)
		return err
	})
	ours(c.UploadPart(t.Context(), bucket, key, id, int(n), strings.NewReader("hello"), size))
	for i, r := 0, s.requests(); i < len(r); i += 2 {
		want, got := r[i], r[i+1]
		for _, h := range []http.Header{want.header, got.header} {
			for _, own := range []string{"Authorization", "X-Amz-Date"} {
				if h.Get(own) == "" {
					t.Errorf("no %s", own)
				}
				h.Del(own)
			}
		}
		target := regexp.MustCompile(`x-id=\w+&?`).ReplaceAllString(want.target, "")
		if target = strings.TrimRight(target, "?&"); got.target != target {
			t.Errorf("goes to %s, not %s", got.target, target)
		}
		if !reflect.DeepEqual(got.header, want.header) || got.length != want.length || string(got.body) != string(want.body) {
			t.Errorf("%v, %d, %q are not\n%v, %d, %q", got.header, got.length, got.body, want.header, want.length, want.body)
		}
	}
}

// TestLateReadsOfABodyEnd: net/http may go on reading when an attempt is over; the source is the next attempt's by then.
func TestLateReadsOfABodyEnd(t *testing.T) {
	source := strings.NewReader("hello")
	body := &sendingBody{body: newOutgoing(source, 5, true)}
	p := make([]byte, 2)
	if n, err := body.Read(p); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	body.Close()
	if n, err := body.Read(p); n != 0 || err != io.EOF || source.Len() != 3 {
		t.Errorf("%d bytes, %v, and %d are left", n, err, source.Len())
	}
	body.Close()
}
