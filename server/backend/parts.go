package backend

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// StoredPart is one part of a multipart upload that goes on.
type StoredPart struct {
	Part                   // ETag quoted as the backend gave it
	Size         int64     // stored bytes
	LastModified time.Time // of the attempt that counts
}

// PartPage is one page of an upload's parts, in ascending order of their numbers. If Truncated is set,
// there are more behind the last one, of which there is at least one.
type PartPage struct {
	Parts     []StoredPart
	Truncated bool
}

// Parts returns a page of the parts whose numbers are greater than after. As with List, a page that is
// incomplete or does not advance is Busy and never a shorter list: a client sends again what it does not find, but
// completes an upload with what it does.
func (c *Client) Parts(ctx context.Context, bucket, key, id string, after, max int) (*PartPage, error) {
	const op = "ListParts"
	if err := object(op, bucket, key); err != nil {
		return nil, err
	}
	if id == "" || after < 0 || max < 1 || max > maxPart {
		return nil, invalid(op, fmt.Errorf("upload id is empty, or %d parts after %d are none", max, after))
	}
	in := &s3.ListPartsInput{Bucket: &bucket, Key: &key, UploadId: &id, MaxParts: aws.Int32(int32(max))}
	if after > 0 {
		in.PartNumberMarker = aws.String(strconv.Itoa(after))
	}
	call := &call{op: op, answer: answerXML, root: "ListPartsResult", status: [2]int{200}}
	var page *PartPage
	err := c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		out, err := c.s3.ListParts(ctx, in)
		if err != nil {
			return err
		}
		if page, err = newPartPage(after, max, out); err != nil {
			return malformed(at, err.Error())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// newPartPage checks an answer against the question.
func newPartPage(after, max int, out *s3.ListPartsOutput) (*PartPage, error) {
	p := &PartPage{Truncated: aws.ToBool(out.IsTruncated), Parts: make([]StoredPart, len(out.Parts))}
	if out.IsTruncated == nil && len(out.Parts) >= max {
		return nil, errors.New("list of parts without IsTruncated")
	}
	if p.Truncated && len(out.Parts) == 0 {
		return nil, errors.New("list of parts does not advance")
	}
	last := after
	for i, x := range out.Parts {
		n := int(aws.ToInt32(x.PartNumber))
		switch {
		case n <= last || n > maxPart:
			return nil, errors.New("list of parts with numbers that are not those asked for, in order")
		case x.Size == nil || *x.Size < 0:
			return nil, errors.New("list with a part without a usable size")
		case aws.ToString(x.ETag) == "":
			return nil, errors.New("list with a part without an ETag")
		case x.LastModified == nil || x.LastModified.IsZero():
			return nil, errors.New("list with a part without a time")
		}
		last = n
		p.Parts[i] = StoredPart{Part{n, *x.ETag}, *x.Size, *x.LastModified}
	}
	return p, nil
}
