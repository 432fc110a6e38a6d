package backend

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Delete removes an object. A missing one is a success.
func (c *Client) Delete(ctx context.Context, bucket, key string) error {
	return c.DeleteWith(ctx, bucket, key, DeleteOptions{})
}

// DeleteOptions are what a removal is bound to; the zero value binds it to nothing.
type DeleteOptions struct {
	// IfMatch: only the object with this ETag. Not for DeleteMany.
	IfMatch string
	// BypassGovernance: also an object that is locked in governance mode.
	BypassGovernance bool
}

// DeleteWith is Delete with options. With a condition it is sent once, as the answer to
// a second request would say nothing about the first.
func (c *Client) DeleteWith(ctx context.Context, bucket, key string, with DeleteOptions) error {
	const op = "DeleteObject"
	if err := object(op, bucket, key); err != nil {
		return err
	}
	in := &s3.DeleteObjectInput{Bucket: &bucket, Key: &key, IfMatch: optional(with.IfMatch)}
	if with.BypassGovernance {
		in.BypassGovernanceRetention = &with.BypassGovernance
	}
	call := &call{op: op, answer: answerEmpty, status: [2]int{204, 200}, object: true, conditional: with.IfMatch != "", once: with.IfMatch != ""}
	err := c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		_, err := c.s3.DeleteObject(ctx, in)
		return err
	})
	if KindOf(err) == NotFound {
		return nil
	}
	return err
}

// DeleteResult is the outcome for one key; Err is nil or an *Error.
type DeleteResult struct {
	Key string
	Err error
}

// DeleteMany removes objects, up to 1000 with one request, and returns one result a key in the order of
// keys. A missing object is a success; a key that the store does not mention in its answer is not. The
// error is set, and the results are nil, only if the arguments are wrong or every single key failed for
// the same reason.
//
// Keys that XML cannot carry, and all keys of a store without DeleteObjects, are deleted one by one.
func (c *Client) DeleteMany(ctx context.Context, bucket string, keys []string) ([]DeleteResult, error) {
	return c.DeleteManyWith(ctx, bucket, keys, DeleteOptions{})
}

// DeleteManyWith is DeleteMany with options, which hold for every key.
func (c *Client) DeleteManyWith(ctx context.Context, bucket string, keys []string, with DeleteOptions) ([]DeleteResult, error) {
	const op = "DeleteObjects"
	if with.IfMatch != "" {
		return nil, invalid(op, errors.New("a condition on many objects"))
	}
	if err := checkBucket(bucket); err != nil {
		return nil, invalid(op, err)
	}
	errs := make(map[string]error, len(keys))
	var batch, single []string
	for i, k := range keys {
		if err := checkKey(k); err != nil {
			return nil, invalid(op, fmt.Errorf("key %d: %w", i, err))
		}
		if _, again := errs[k]; again {
			continue
		}
		errs[k] = nil
		if plainXML(k) {
			batch = append(batch, k)
		} else {
			single = append(single, k)
		}
	}
	var whole error
	for len(batch) > 0 {
		n := min(len(batch), maxBatch)
		open, err := c.deleteBatch(ctx, bucket, batch[:n], with, errs)
		var e *Error
		if errors.As(err, &e) && (e.Status == 501 || e.Status == 405) {
			single = append(single, batch...)
			break
		}
		for _, k := range open {
			errs[k] = err
		}
		if err != nil && len(open) == len(errs) {
			whole = err
		}
		batch = batch[n:]
	}
	if whole != nil {
		return nil, whole
	}
	c.deleteSingly(ctx, bucket, single, with, errs)
	results := make([]DeleteResult, len(keys))
	for i, k := range keys {
		results[i] = DeleteResult{Key: k, Err: errs[k]}
	}
	return results, nil
}

// deleteBatch deletes at most 1000 keys and notes in errs those that failed for good. It returns the
// keys whose outcome is still open, and why.
func (c *Client) deleteBatch(ctx context.Context, bucket string, keys []string, with DeleteOptions, errs map[string]error) (open []string, err error) {
	open = keys
	call := &call{op: "DeleteObjects", answer: answerXML, root: "DeleteResult", status: [2]int{200}}
	err = c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		ids := make([]types.ObjectIdentifier, len(open))
		for i := range open {
			ids[i].Key = &open[i]
		}
		// Not quiet: what the store does not confirm is not deleted.
		in := &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(false)}}
		if with.BypassGovernance {
			in.BypassGovernanceRetention = &with.BypassGovernance
		}
		out, err := c.s3.DeleteObjects(ctx, in, s3.WithAPIOptions(contentMD5))
		if err != nil {
			return err
		}
		settled := make(map[string]bool, len(open))
		for _, d := range out.Deleted {
			settled[aws.ToString(d.Key)] = true
		}
		var again error
		for i := range out.Errors {
			again = errors.Join(again, refused(at, &out.Errors[i], errs, settled))
		}
		var left []string
		for _, k := range open {
			if !settled[k] {
				left = append(left, k)
			}
		}
		open = left
		switch {
		case len(open) == 0:
			return nil
		case again != nil:
			return again
		default:
			return malformed(at, "answer does not mention every key")
		}
	})
	return open, err
}

// refused handles one <Error> of an answer: a key that is missing is settled, a fault that may pass is
// returned, any other is the key's result.
func refused(at *attempt, e *types.Error, errs map[string]error, settled map[string]bool) error {
	key := aws.ToString(e.Key)
	r := &replyError{code: aws.ToString(e.Code), message: aws.ToString(e.Message)}
	f := &fault{Error: &Error{Kind: Busy, Op: at.call.op, Status: at.status, Code: r.code, Message: r.shown(at.client.config.AccessKey), Attempts: at.number}}
	f.err = r.text(at.client.config.AccessKey)
	switch r.code {
	case "NoSuchKey", "NoSuchVersion":
		settled[key] = true
		return nil
	case "AccessDenied":
		r.status = 403
	case "NoSuchBucket":
		r.status = 404
	case "NotImplemented", "MethodNotAllowed", "InvalidArgument", "ObjectLocked", "InvalidRequest":
		r.status = 400
	default:
		r.status = 500
	}
	verdict(f, at, r)
	if f.retry {
		r.status = at.status
		return r
	}
	if _, asked := errs[key]; asked && !settled[key] {
		errs[key], settled[key] = f.Error, true
	}
	return nil
}

// deleteSingly deletes keys one by one, some at a time.
func (c *Client) deleteSingly(ctx context.Context, bucket string, keys []string, with DeleteOptions, errs map[string]error) {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		gate = make(chan struct{}, singleDeletes)
	)
	for _, k := range keys {
		gate <- struct{}{}
		wg.Go(func() {
			err := c.DeleteWith(ctx, bucket, k, with)
			<-gate
			mu.Lock()
			defer mu.Unlock()
			errs[k] = err
		})
	}
	wg.Wait()
}

// contentMD5 replaces the SDK's CRC32 by the Content-MD5 that every store knows.
func contentMD5(stack *middleware.Stack) error {
	for _, remove := range []func() error{
		func() error { _, err := stack.Initialize.Remove("AWSChecksum:SetupInputContext"); return err },
		func() error { _, err := stack.Build.Remove("AWSChecksum:RequestMetricsTracking"); return err },
		func() error { _, err := stack.Finalize.Remove("AWSChecksum:ComputeInputPayloadChecksum"); return err },
	} {
		if err := remove(); err != nil {
			return err
		}
	}
	return smithyhttp.AddContentChecksumMiddleware(stack)
}
