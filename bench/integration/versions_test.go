//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// TestVersions: on a backend that keeps versions, every version of a key is listed with its plain size and opens, those
// of uploads too, a key is rolled back by a copy, delete markers come and go, and of an upload no version is left that
// only the backend's operator could see.
func TestVersions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := startOn(t, rig.BackendConfig{Versions: true}, nil, "")
	c := w.sdk()
	name, key := aws.String(bucket), aws.String("dir/a b")
	versioning := func(status types.BucketVersioningStatus) {
		t.Helper()
		_, err := c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: name, VersioningConfiguration: &types.VersioningConfiguration{Status: status}})
		must(t, err)
	}
	versioning(types.BucketVersioningStatusEnabled)
	if got, err := c.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: name}); err != nil || got.Status != types.BucketVersioningStatusEnabled {
		t.Fatal(got, err)
	}

	bodies := map[string][]byte{} // by version id
	var ids []string              // the oldest first
	for i, n := range []int{0, 70_000, 3 << 20} {
		body := random(seed(t)+uint64(i), n)
		out, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: key, Body: bytes.NewReader(body)})
		must(t, err)
		ids = append(ids, aws.ToString(out.VersionId))
		bodies[aws.ToString(out.VersionId)] = body
	}
	body := random(seed(t), 12<<20)
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: name, Key: key})
	must(t, err)
	var parts []types.CompletedPart
	for i, b := range [][]byte{body[:6<<20], body[6<<20 : 11<<20], body[11<<20:]} {
		n := aws.Int32(int32(i + 1))
		p, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: name, Key: key, UploadId: up.UploadId, PartNumber: n, Body: bytes.NewReader(b)})
		must(t, err)
		parts = append(parts, types.CompletedPart{PartNumber: n, ETag: p.ETag})
	}
	done, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: name, Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	must(t, err)
	ids = append(ids, aws.ToString(done.VersionId))
	bodies[aws.ToString(done.VersionId)] = body
	if len(bodies) != 4 || bodies[""] != nil {
		t.Fatalf("versions %q", ids)
	}

	read := func(id *string, spec string) []byte {
		t.Helper()
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: key, VersionId: id, Range: nonEmpty(spec)})
		must(t, err)
		defer out.Body.Close()
		b, err := io.ReadAll(out.Body)
		must(t, err)
		return b
	}
	var want []string
	for i, id := range ids {
		if !bytes.Equal(read(&id, ""), bodies[id]) {
			t.Errorf("version %d reads as something else", i)
		}
		if n := len(bodies[id]); n > 0 && !bytes.Equal(read(&id, fmt.Sprintf("bytes=%d-%d", n/2, n-1)), bodies[id][n/2:]) {
			t.Errorf("a range of version %d reads as something else", i)
		}
		h, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: name, Key: key, VersionId: &id})
		if err != nil || aws.ToInt64(h.ContentLength) != int64(len(bodies[id])) || aws.ToString(h.VersionId) != id {
			t.Errorf("HEAD of version %d: %v, %v", i, h, err)
		}
		want = append([]string{fmt.Sprintf("dir/a b %s %d", id, len(bodies[id]))}, want...)
	}
	listed := func(c *s3.Client, page int32) (out []string) {
		t.Helper()
		for p := s3.NewListObjectVersionsPaginator(c, &s3.ListObjectVersionsInput{Bucket: name, MaxKeys: &page}); p.HasMorePages(); {
			l, err := p.NextPage(ctx)
			must(t, err)
			for _, v := range l.Versions {
				out = append(out, fmt.Sprintf("%s %s %d", aws.ToString(v.Key), aws.ToString(v.VersionId), aws.ToInt64(v.Size)))
			}
			for _, m := range l.DeleteMarkers {
				out = append(out, fmt.Sprintf("%s %s †", aws.ToString(m.Key), aws.ToString(m.VersionId)))
			}
		}
		return out
	}
	for _, page := range []int32{2, 3, 1000} {
		if got := listed(c, page); !slices.Equal(got, want) {
			t.Errorf("listed by %d:\n%s\nwant:\n%s", page, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}

	// The operator's own view: the state, and nothing of the upload.
	operator := s3.New(s3.Options{BaseEndpoint: aws.String(w.backend.Endpoint()), Region: w.backend.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(w.backend.AccessKey, w.backend.SecretKey, "")})
	for _, line := range listed(operator, 1000) {
		if strings.HasPrefix(line, format.UploadPrefix) {
			t.Errorf("left at the backend: %s", line)
		}
	}

	marker, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: name, Key: key})
	if err != nil || !aws.ToBool(marker.DeleteMarker) || aws.ToString(marker.VersionId) == "" {
		t.Fatalf("%+v, %v", marker, err)
	}
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: key})
	if gone, of := answered(err); gone != 404 || of != "true" {
		t.Errorf("GET of a deleted key: %v", err)
	}
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: key, VersionId: marker.VersionId})
	if gone, of := answered(err); gone != 405 || of != "true" {
		t.Errorf("GET of a marker: %v", err)
	}
	removed, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: name, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: key, VersionId: marker.VersionId}, {Key: key, VersionId: &ids[3]}}}})
	if err != nil || len(removed.Deleted) != 2 || len(removed.Errors) != 0 {
		t.Fatalf("%+v, %v", removed, err)
	}
	if !bytes.Equal(read(nil, ""), bodies[ids[2]]) {
		t.Error("the version before is not current again")
	}
	back, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: name, Key: key, CopySource: aws.String(bucket + "/dir/a%20b?versionId=" + ids[1])})
	if err != nil || aws.ToString(back.CopySourceVersionId) != ids[1] {
		t.Fatalf("%+v, %v", back, err)
	}
	if !bytes.Equal(read(nil, ""), bodies[ids[1]]) {
		t.Error("not rolled back")
	}

	versioning(types.BucketVersioningStatusSuspended)
	null, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: key, Body: strings.NewReader("null")})
	if err != nil || string(read(aws.String("null"), "")) != "null" || !bytes.Equal(read(&ids[0], ""), bodies[ids[0]]) {
		t.Errorf("%+v, %v", null, err)
	}
}

func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// answered is the status of a refusal and its x-amz-delete-marker.
func answered(err error) (status int, marker string) {
	var refused *smithyhttp.ResponseError
	if !errors.As(err, &refused) {
		return 0, ""
	}
	return refused.HTTPStatusCode(), refused.Response.Header.Get("X-Amz-Delete-Marker")
}
