//go:build integration

package clients

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// store looks at a bucket without the client under test: through the proxy, and at the backend as its operator can.
type store struct {
	c      *session
	proxy  *s3.Client
	direct *s3.Client
}

func newStore(c *session) *store {
	pem, err := os.ReadFile(c.caFile)
	must(c.T, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Timeout: commandTime, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	c.Cleanup(client.CloseIdleConnections)
	open := func(url string, k rig.Credentials) *s3.Client {
		return s3.New(s3.Options{BaseEndpoint: &url, Region: "us-east-1", UsePathStyle: true, HTTPClient: client,
			Credentials: credentials.NewStaticCredentialsProvider(k.AccessKey, k.SecretKey, "")})
	}
	return &store{c: c, proxy: open(c.url, c.proxy.Credentials), direct: open(c.backend.Endpoint(), c.backend.Credentials)}
}

// listed is what a listing says of an object.
type listed struct {
	size int64
	etag string
}

// list is every key of the bucket, page by page.
func (s *store) list(t *testing.T, client *s3.Client) map[string]listed {
	t.Helper()
	found := map[string]listed{}
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &s.c.bucket, MaxKeys: aws.Int32(7)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		must(t, err)
		for _, o := range page.Contents {
			if _, twice := found[*o.Key]; twice {
				t.Errorf("%q is listed twice", *o.Key)
			}
			found[*o.Key] = listed{*o.Size, aws.ToString(o.ETag)}
		}
	}
	return found
}

// holds says that the bucket has these objects and no others: the size in the listing, the size of HEAD and the bytes are
// those that were sent. It then looks at the backend.
func (s *store) holds(want files) {
	t := s.c.T
	t.Helper()
	begin := time.Now()
	found := s.list(t, s.proxy)
	for key, b := range want {
		is, ok := found[key]
		if !ok {
			t.Errorf("%q is not there", key)
			continue
		}
		if is.size != int64(len(b)) {
			t.Errorf("%q is listed with %d bytes, not %d", key, is.size, len(b))
		}
		s.same(key, b, is.etag)
	}
	for key := range found {
		if _, ok := want[key]; !ok {
			t.Errorf("%q is there and should not be", key)
		}
	}
	s.sealed(want)
	t.Logf("%6.2f s  looking at %d objects", time.Since(begin).Seconds(), len(want))
}

// sizes says that listing, HEAD and GET agree on every object, for a client whose bytes are its own affair.
func (s *store) sizes() {
	t, ctx := s.c.T, context.Background()
	t.Helper()
	want := files{}
	for key, is := range s.list(t, s.proxy) {
		o, err := s.proxy.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.c.bucket, Key: &key})
		must(t, err)
		b, err := io.ReadAll(o.Body)
		o.Body.Close()
		must(t, err)
		want[key] = b
		if is.size != int64(len(b)) {
			t.Errorf("%q is listed with %d bytes and has %d", key, is.size, len(b))
		}
	}
	if len(want) == 0 {
		t.Error("the bucket is empty")
	}
	s.holds(want)
}

// same compares one object by HEAD and GET, and their ETags with the listed one.
func (s *store) same(key string, want []byte, listedETag string) {
	t, ctx := s.c.T, context.Background()
	t.Helper()
	head, err := s.proxy.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.c.bucket, Key: &key})
	if err != nil {
		t.Errorf("HEAD of %q: %v", key, err)
		return
	}
	if *head.ContentLength != int64(len(want)) {
		t.Errorf("HEAD of %q says %d bytes, not %d", key, *head.ContentLength, len(want))
	}
	o, err := s.proxy.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.c.bucket, Key: &key})
	if err != nil {
		t.Errorf("GET of %q: %v", key, err)
		return
	}
	defer o.Body.Close()
	got, err := io.ReadAll(o.Body)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("GET of %q: %d bytes that are not the %d sent, %v", key, len(got), len(want), err)
	}
	if h, g := aws.ToString(head.ETag), aws.ToString(o.ETag); h != g || h != listedETag {
		t.Errorf("%q has the ETag %s for HEAD, %s for GET and %s in the listing", key, h, g, listedETag)
	}
	if s.c.setting.md5 && !isMD5ETag(listedETag, want) {
		t.Errorf("%q of %d bytes has the ETag %s, which is not made of the MD5 of what was sent", key, len(want), listedETag)
	}
}

// sealed says that at the backend each of these objects is a sealed one, that there is nothing else but the bucket's
// state, that no upload is left open, and that the plaintext is in no byte of its directory. Where names are sealed, no
// part of any is there.
func (s *store) sealed(want files) {
	t, ctx := s.c.T, context.Background()
	t.Helper()
	plain := map[string]bool{} // parts of names
	for key := range want {
		for part := range strings.SplitSeq(key, "/") {
			plain[part] = true
		}
	}
	objects := 0
	for key := range s.list(t, s.direct) {
		_, ok := want[key]
		if s.c.setting.sealedNames {
			ok = !strings.HasPrefix(key, format.ReservedPrefix)
			for part := range strings.SplitSeq(key, "/") {
				if ok && plain[part] {
					t.Errorf("%q at the backend shows the name %q", key, part)
				}
			}
		}
		if ok {
			objects++
		}
		if !ok && (!strings.HasPrefix(key, format.ReservedPrefix) || strings.Contains(key, "/mpu/")) {
			t.Errorf("%q was left at the backend", key)
			continue
		}
		o, err := s.direct.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.c.bucket, Key: &key, Range: aws.String("bytes=0-1023")})
		if err != nil {
			t.Errorf("%q at the backend: %v", key, err)
			continue
		}
		head, err := io.ReadAll(o.Body)
		o.Body.Close()
		if err != nil {
			t.Errorf("%q at the backend: %v", key, err)
			continue
		}
		if _, err := format.ParseHeader(head); ok && err != nil {
			t.Errorf("%q at the backend is not sealed: %v", key, err)
		}
	}
	if objects != len(want) {
		t.Errorf("%d objects are at the backend, not %d", objects, len(want))
	}
	open, err := s.direct.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &s.c.bucket})
	must(t, err)
	for _, u := range open.Uploads {
		t.Errorf("an upload of %q was left open at the backend", *u.Key)
	}
	s.c.searchBackend()
}

// empty says that nothing of the client is left.
func (s *store) empty() {
	s.c.Helper()
	s.holds(files{})
}
