//go:build integration

package integration

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// sdk makes a client with the SDK's own defaults: checksums in trailers, chunked bodies.
func (w *world) sdk() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String("https://" + w.proxy.Address),
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider(w.proxy.AccessKey, w.proxy.SecretKey, ""),
		UsePathStyle: true,
		HTTPClient:   &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
	})
}

// TestUploadThroughProxiesThatDie: an upload in parts that the SDK makes, out of order, with a gap and a part sent
// twice, through a proxy that is killed between the parts and before Complete. Then ranges, a copy, a part of a copy,
// and nothing staged is left.
func TestUploadThroughProxiesThatDie(t *testing.T) {
	t.Parallel()
	w := start(t, nil, "")
	ctx := context.Background()
	n := seed(t)
	key := aws.String("dir/big: one")
	begun, err := w.sdk().CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: key, ContentType: aws.String("text/x"),
		Metadata: map[string]string{"who": "me"}, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	must(t, err)
	restart := func() {
		t.Helper()
		w.proxy.Kill()
		w.startProxy()
	}
	send := func(number int32, data []byte) types.CompletedPart {
		t.Helper()
		out, err := w.sdk().UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String(bucket), Key: key, UploadId: begun.UploadId, PartNumber: &number,
			Body: bytes.NewReader(data), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
		must(t, err)
		return types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32}
	}
	p1, p2, p3 := random(n, 6<<20), random(n+1, 20<<20+1), random(n+2, 12345)
	last := send(9, p3)
	send(2, random(n+3, 5<<20))
	restart()
	second := send(2, p2)
	first := send(1, p1)
	restart()
	complete := &s3.CompleteMultipartUploadInput{Bucket: aws.String(bucket), Key: key, UploadId: begun.UploadId, IfNoneMatch: aws.String("*"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{first, second, last}}}
	done, err := w.sdk().CompleteMultipartUpload(ctx, complete)
	must(t, err)
	again, err := w.sdk().CompleteMultipartUpload(ctx, complete)
	must(t, err)
	if *done.ETag != *again.ETag {
		t.Errorf("Complete said %s, then %s", *done.ETag, *again.ETag)
	}
	want := bytes.Join([][]byte{p1, p2, p3}, nil)
	w.expect(t, *key, "", want)
	w.expect(t, *key, "bytes=6291400-6291500", want[6291400:6291501])
	w.expect(t, *key, fmt.Sprintf("bytes=%d-", len(want)-20000), want[len(want)-20000:])

	copied := "copy"
	_, err = w.sdk().CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String(bucket), Key: &copied, CopySource: aws.String(bucket + "/dir/big%3A%20one")})
	must(t, err)
	w.expect(t, copied, "", want)

	other := aws.String("of parts of others")
	begun, err = w.sdk().CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: other})
	must(t, err)
	part, err := w.sdk().UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: aws.String(bucket), Key: other, UploadId: begun.UploadId, PartNumber: aws.Int32(1),
		CopySource: aws.String(bucket + "/copy"), CopySourceRange: aws.String("bytes=100-12345678")})
	must(t, err)
	_, err = w.sdk().CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: aws.String(bucket), Key: other, UploadId: begun.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.CopyPartResult.ETag}}}})
	must(t, err)
	w.expect(t, *other, "", want[100:12345679])

	begun, err = w.sdk().CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: other})
	must(t, err)
	key = other
	send(1, p1)
	send(2, p3)
	_, err = w.sdk().AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: other, UploadId: begun.UploadId})
	must(t, err)
	w.expect(t, *other, "", want[100:12345679])

	staged, err := filepath.Glob(w.stored("_objcryptproxy___/mpu/*/*"))
	must(t, err)
	if len(staged) != 0 {
		t.Errorf("left behind: %q", staged)
	}
	if _, err := os.Stat(w.stored("copy")); err != nil {
		t.Errorf("the backend does not keep objects where this test looks: %v", err)
	}
}

// expect reads an object, or a range of it.
func (w *world) expect(t *testing.T, key, span string, want []byte) {
	t.Helper()
	in := &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key}
	if span != "" {
		in.Range = &span
	}
	out, err := w.sdk().GetObject(context.Background(), in)
	must(t, err)
	defer out.Body.Close()
	got, err := io.ReadAll(out.Body)
	must(t, err)
	if !bytes.Equal(got, want) || *out.ContentLength != int64(len(want)) {
		t.Errorf("%s %s: %d bytes, want %d", key, span, len(got), len(want))
	}
}
