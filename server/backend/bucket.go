package backend

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
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

// BucketOptions of a new bucket, each as its header has it; "" is left out.
type BucketOptions struct {
	ACL, Ownership string
	// Grants: full control, read, read the ACL, write, write the ACL.
	GrantFullControl, GrantRead, GrantReadACP, GrantWrite, GrantWriteACP string

	ObjectLock bool
	Tags       []Tag
}

// Tag is one tag of a bucket.
type Tag struct{ Key, Value string }

// CreateBucket makes a bucket in the store's region. Where the store refuses because of its name, the error's Code says
// BucketAlreadyExists or BucketAlreadyOwnedByYou.
func (c *Client) CreateBucket(ctx context.Context, bucket string, opt BucketOptions) error {
	const op = "CreateBucket"
	if err := checkBucket(bucket); err != nil {
		return invalid(op, err)
	}
	in := &s3.CreateBucketInput{Bucket: &bucket, ACL: types.BucketCannedACL(opt.ACL), ObjectOwnership: types.ObjectOwnership(opt.Ownership)}
	if opt.ObjectLock {
		in.ObjectLockEnabledForBucket = &opt.ObjectLock
	}
	in.GrantFullControl, in.GrantRead, in.GrantReadACP = optional(opt.GrantFullControl), optional(opt.GrantRead), optional(opt.GrantReadACP)
	in.GrantWrite, in.GrantWriteACP = optional(opt.GrantWrite), optional(opt.GrantWriteACP)
	if c.config.Region != "us-east-1" || len(opt.Tags) > 0 {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{}
	}
	if c.config.Region != "us-east-1" { // which has no name in this document
		in.CreateBucketConfiguration.LocationConstraint = types.BucketLocationConstraint(c.config.Region)
	}
	for i := range opt.Tags {
		in.CreateBucketConfiguration.Tags = append(in.CreateBucketConfiguration.Tags, types.Tag{Key: &opt.Tags[i].Key, Value: &opt.Tags[i].Value})
	}
	call := &call{op: op, answer: answerEmpty, status: [2]int{200}}
	return c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		_, err := c.s3.CreateBucket(ctx, in)
		return err
	})
}

// DeleteBucket removes a bucket; the store refuses one that is not empty, with the Code BucketNotEmpty.
func (c *Client) DeleteBucket(ctx context.Context, bucket string) error {
	const op = "DeleteBucket"
	if err := checkBucket(bucket); err != nil {
		return invalid(op, err)
	}
	call := &call{op: op, answer: answerEmpty, bucket: true, status: [2]int{204, 200}}
	return c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		_, err := c.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
		return err
	})
}
