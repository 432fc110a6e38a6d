package backend

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Part is one part of a multipart upload; ETag as UploadPart or CopyPart returned it.
type Part struct {
	N    int
	ETag string
}

// CreateUpload begins a multipart upload. If an answer is lost and the request sent again, an upload
// without parts stays behind; stores remove such by a lifecycle rule.
func (c *Client) CreateUpload(ctx context.Context, bucket, key string) (id string, err error) {
	return c.CreateUploadWith(ctx, bucket, key, Attributes{})
}

// CreateUploadWith is CreateUpload for an object with attributes.
func (c *Client) CreateUploadWith(ctx context.Context, bucket, key string, with Attributes) (id string, err error) {
	const op = "CreateMultipartUpload"
	if err := object(op, bucket, key); err != nil {
		return "", err
	}
	call := &call{op: op, answer: answerXML, root: "InitiateMultipartUploadResult", status: [2]int{200}}
	err = c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		out, err := c.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key, ContentType: aws.String(contentType)}, s3.WithAPIOptions(with.options()...))
		if err != nil {
			return err
		}
		if id = aws.ToString(out.UploadId); id == "" {
			return malformed(at, "answer without an upload id")
		}
		return nil
	})
	return id, err
}

// part checks the arguments of the two part operations.
func part(op, bucket, key, id string, n int) error {
	if err := object(op, bucket, key); err != nil {
		return err
	}
	if id == "" {
		return invalid(op, errors.New("upload id is empty"))
	}
	if n < 1 || n > maxPart {
		return invalid(op, fmt.Errorf("part number %d is not within 1 and %d", n, maxPart))
	}
	return nil
}

// UploadPart stores size bytes of body, from its current position, as part n. body belongs to the
// caller again when it returns.
func (c *Client) UploadPart(ctx context.Context, bucket, key, id string, n int, body io.ReadSeeker, size int64) (etag string, err error) {
	return c.StreamPart(ctx, bucket, key, id, n, body, size)
}

// StreamPart is UploadPart for any reader: one that cannot seek is sent once, and what Put says of such
// a body holds here too.
func (c *Client) StreamPart(ctx context.Context, bucket, key, id string, n int, body io.Reader, size int64) (etag string, err error) {
	const op = "UploadPart"
	if err := part(op, bucket, key, id, n); err != nil {
		return "", err
	}
	source, err := newSource(op, body, size)
	if err != nil {
		return "", err
	}
	call := &call{op: op, answer: answerEmpty, status: [2]int{200}, once: source.seeker == nil}
	target := c.requests.target(bucket, key, url.Values{"partNumber": {strconv.Itoa(n)}, "uploadId": {id}})
	err = c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		resp, err := at.send(ctx, target, make(http.Header, 8), source)
		if err != nil {
			return err
		}
		etag, err = answeredETag(at, resp)
		return err
	})
	return etag, err
}

// CopySource is an object that is copied from.
type CopySource struct {
	Bucket, Key string
	Version     string // its version id, empty: the current one
	IfMatch     string // its ETag with quotes, empty: any
}

func (s CopySource) header() string {
	h := copySource(s.Bucket, s.Key)
	if s.Version != "" {
		h += "?versionId=" + url.QueryEscape(s.Version)
	}
	return h
}

// CopyPart stores a range of another object's stored bytes as part n, without moving them through the
// proxy. A source with another ETag than the one given is a Precondition error.
func (c *Client) CopyPart(ctx context.Context, bucket, key, id string, n int, source CopySource, r Range) (etag string, err error) {
	const op = "UploadPartCopy"
	if err := part(op, bucket, key, id, n); err != nil {
		return "", err
	}
	if err := object(op, source.Bucket, source.Key); err != nil {
		return "", err
	}
	if err := r.check(); err != nil {
		return "", invalid(op, err)
	}
	call := &call{op: op, answer: answerXML, root: "CopyPartResult", status: [2]int{200}, object: true, conditional: source.IfMatch != "", slow: true}
	err = c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		out, err := c.s3.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: &bucket, Key: &key, UploadId: &id, PartNumber: aws.Int32(int32(n)),
			CopySource:        aws.String(source.header()),
			CopySourceRange:   aws.String(r.String()),
			CopySourceIfMatch: optional(source.IfMatch),
		}, c.slow)
		if err != nil {
			return err
		}
		if out.CopyPartResult == nil {
			return malformed(at, "answer without an ETag")
		}
		etag, err = checkETag(at, out.CopyPartResult.ETag)
		return err
	})
	return etag, err
}

// CompleteUpload makes the object out of its parts and returns what the store calls it. If an answer was lost
// and the upload is then unknown, the object is looked at: the ETag that S3 computes from those of the
// parts tells whether it is this upload's. A success is given only after the object was seen, or, of a write
// without a condition, after another write was seen to have taken its place: see replaced.
func (c *Client) CompleteUpload(ctx context.Context, bucket, key, id string, parts []Part, cond Conditions) (w Written, err error) {
	const op = "CompleteMultipartUpload"
	if err := object(op, bucket, key); err != nil {
		return w, err
	}
	if err := cond.check(); err != nil {
		return w, invalid(op, err)
	}
	if id == "" || len(parts) == 0 {
		return w, invalid(op, errors.New("upload id or parts are missing"))
	}
	parts = slices.SortedFunc(slices.Values(parts), func(a, b Part) int { return cmp.Compare(a.N, b.N) })
	done := make([]types.CompletedPart, len(parts))
	for i := range parts {
		if parts[i].N < 1 || parts[i].N > maxPart || parts[i].ETag == "" || i > 0 && parts[i].N == parts[i-1].N {
			return w, invalid(op, fmt.Errorf("part number %d or its ETag is wrong", parts[i].N))
		}
		done[i] = types.CompletedPart{PartNumber: aws.Int32(int32(parts[i].N)), ETag: &parts[i].ETag}
	}
	call := &call{op: op, answer: answerXML, root: "CompleteMultipartUploadResult", status: [2]int{200}, conditional: cond.any(), slow: true}
	call.settle = func(ctx context.Context, f *Error) (bool, error) {
		if f.Code != "NoSuchUpload" && f.Kind != Precondition {
			return false, nil
		}
		want := multipartETag(parts)
		o, err := c.head(ctx, bucket, key, "", 0)
		if err != nil || want == "" || strings.Trim(o.ETag, `"`) != want {
			return false, nil
		}
		w = Written{ETag: o.ETag, Version: o.Version}
		return true, nil
	}
	var before *Object
	if !cond.any() {
		before = c.glance(ctx, bucket, key)
	}
	err = c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		in := &s3.CompleteMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: &id, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}}
		in.IfNoneMatch, in.IfMatch = cond.headers()
		out, err := c.s3.CompleteMultipartUpload(ctx, in, c.slow)
		if err != nil {
			return err
		}
		w.Version = aws.ToString(out.VersionId)
		if w.ETag, err = checkETag(at, out.ETag); err != nil {
			return err
		}
		w.Replaced, err = c.confirm(ctx, at, bucket, key, w, before)
		return err
	})
	return w, err
}

// glance is what has the key before a write: nil if that cannot be told, without an ETag if nothing has.
func (c *Client) glance(ctx context.Context, bucket, key string) *Object {
	o, err := c.head(ctx, bucket, key, "", 1)
	if KindOf(err) == NotFound {
		return &Object{}
	}
	if err != nil {
		return nil
	}
	return o
}

// replaced says whether another write took effect after before was seen, and stands. Then the success that the
// store claims cannot be checked any more, but is as good as true: nobody can tell our object, which that
// write replaced, from one that never was. It is not said of stores that keep versions, where one could.
func replaced(before, now *Object, w Written) bool {
	unversioned := func(id string) bool { return id == "" || id == NullVersion }
	return before != nil && now.ETag != "" && now.ETag != before.ETag &&
		unversioned(before.Version) && unversioned(now.Version) && unversioned(w.Version)
}

// confirm looks whether the completed object is there. versitygw 1.8.0, for one, claims success for an
// upload that it does not know, or has not finished, as soon as any object has the key. A version of its
// own is asked for by its id: the current one may be another write's by now.
func (c *Client) confirm(ctx context.Context, at *attempt, bucket, key string, w Written, before *Object) (gone bool, err error) {
	version := w.Version
	if version == NullVersion {
		version = ""
	}
	o, err := c.head(ctx, bucket, key, version, 0)
	if version != "" && KindOf(err) == Denied { // reading versions is a permission of its own
		o, err = c.head(ctx, bucket, key, "", 0)
	}
	switch {
	case err == nil && strings.Trim(o.ETag, `"`) == strings.Trim(w.ETag, `"`):
		return false, nil
	case err == nil && replaced(before, o, w):
		return true, nil
	case err == nil || KindOf(err) == NotFound:
		return false, malformed(at, "the object is not the one that was completed")
	default:
		return false, err
	}
}

// multipartETag is S3's ETag of a multipart object without its quotes: the MD5 of the parts' MD5s and
// their number. It is empty if a part's ETag is no MD5.
func multipartETag(parts []Part) string {
	sum := md5.New()
	for _, p := range parts {
		b, err := hex.DecodeString(strings.Trim(p.ETag, `"`))
		if err != nil || len(b) != md5.Size {
			return ""
		}
		sum.Write(b)
	}
	return hex.EncodeToString(sum.Sum(nil)) + "-" + strconv.Itoa(len(parts))
}

// AbortUpload removes a multipart upload and its parts. One that does not exist is a success.
func (c *Client) AbortUpload(ctx context.Context, bucket, key, id string) error {
	const op = "AbortMultipartUpload"
	if err := object(op, bucket, key); err != nil {
		return err
	}
	if id == "" {
		return invalid(op, errors.New("upload id is empty"))
	}
	call := &call{op: op, answer: answerEmpty, status: [2]int{204, 200}}
	err := c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		_, err := c.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: &id})
		return err
	})
	var e *Error
	if errors.As(err, &e) && e.Code == "NoSuchUpload" {
		return nil
	}
	return err
}
