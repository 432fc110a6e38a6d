package backend

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Bucket is one bucket of the store. Created is zero if the store gave no date.
type Bucket struct {
	Name    string
	Created time.Time
}

// Buckets lists the buckets that the credentials can see.
func (c *Client) Buckets(ctx context.Context) ([]Bucket, error) {
	call := &call{op: "ListBuckets", answer: answerXML, root: "ListAllMyBucketsResult", status: [2]int{200}}
	all := []Bucket{}
	for token := ""; ; {
		next := ""
		var page []Bucket
		err := c.do(ctx, call, func(ctx context.Context, at *attempt) error {
			out, err := c.s3.ListBuckets(ctx, &s3.ListBucketsInput{ContinuationToken: optional(token)})
			if err != nil {
				return err
			}
			page = page[:0]
			for _, b := range out.Buckets {
				if aws.ToString(b.Name) == "" {
					return malformed(at, "list with a bucket without a name")
				}
				page = append(page, Bucket{Name: *b.Name, Created: aws.ToTime(b.CreationDate)})
			}
			if next = aws.ToString(out.ContinuationToken); next != "" && next == token {
				return malformed(at, "list does not advance")
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if token = next; token == "" {
			return all, nil
		}
	}
}

// HeadBucket tells by nil that the bucket exists and that the credentials may use it.
func (c *Client) HeadBucket(ctx context.Context, bucket string) error {
	const op = "HeadBucket"
	if err := checkBucket(bucket); err != nil {
		return invalid(op, err)
	}
	call := &call{op: op, answer: answerHead, bucket: true, status: [2]int{200}}
	return c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		_, err := c.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket})
		return err
	})
}
