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
	_, err := c.DeleteWith(ctx, bucket, key, DeleteOptions{})
	return err
}

// DeleteOptions are what a removal is bound to; the zero value binds it to nothing.
type DeleteOptions struct {
	// IfMatch: only the object with this ETag. Not for DeleteMany.
	IfMatch string
	// Version: that version, removed for good; empty: the key, which in a bucket with versions gets a
	// delete marker. Not for DeleteMany, whose keys have their own.
	Version string
	// BypassGovernance: also an object that is locked in governance mode.
	BypassGovernance bool
}

// Deleted is what the store tells of a removal.
type Deleted struct {
	// Version is the id of the version that was removed, or of the delete marker that was made; empty
	// where the store gives none.
	Version string
	// Marker: that version is a delete marker.
	Marker bool
}

// DeleteWith is Delete with options. With a condition it is sent once, as the answer to
// a second request would say nothing about the first.
func (c *Client) DeleteWith(ctx context.Context, bucket, key string, with DeleteOptions) (d Deleted, err error) {
	const op = "DeleteObject"
	if err := object(op, bucket, key); err != nil {
		return d, err
	}
	in := &s3.DeleteObjectInput{Bucket: &bucket, Key: &key, IfMatch: optional(with.IfMatch), VersionId: optional(with.Version)}
	if with.BypassGovernance {
		in.BypassGovernanceRetention = &with.BypassGovernance
	}
	call := &call{op: op, answer: answerEmpty, status: [2]int{204, 200}, object: true, conditional: with.IfMatch != "", once: with.IfMatch != ""}
	err = c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		out, err := c.s3.DeleteObject(ctx, in)
		if err == nil {
			d = Deleted{aws.ToString(out.VersionId), aws.ToBool(out.DeleteMarker)}
		}
		return err
	})
	if KindOf(err) == NotFound {
		return Deleted{Version: with.Version}, nil
	}
	return d, err
}

// ObjectID names an object, or a version of it.
type ObjectID struct {
	Key     string
	Version string // empty: whatever is current
}

// DeleteResult is the outcome for one object; Err is nil or an *Error.
type DeleteResult struct {
	ObjectID // as it was asked for
	Deleted
	Err error
}

// DeleteMany removes objects, up to 1000 with one request, and returns one result a key in the order of
// keys. A missing object is a success; a key that the store does not mention in its answer is not. The
// error is set, and the results are nil, only if the arguments are wrong or every single key failed for
// the same reason.
//
// Keys that XML cannot carry, and all keys of a store without DeleteObjects, are deleted one by one.
func (c *Client) DeleteMany(ctx context.Context, bucket string, keys []string) ([]DeleteResult, error) {
	ids := make([]ObjectID, len(keys))
	for i, k := range keys {
		ids[i].Key = k
	}
	return c.DeleteManyWith(ctx, bucket, ids, DeleteOptions{})
}

// DeleteManyWith is DeleteMany for objects and versions, with options that hold for all of them.
func (c *Client) DeleteManyWith(ctx context.Context, bucket string, ids []ObjectID, with DeleteOptions) ([]DeleteResult, error) {
	const op = "DeleteObjects"
	if with.IfMatch != "" || with.Version != "" {
		return nil, invalid(op, errors.New("a condition or a version for many objects"))
	}
	if err := checkBucket(bucket); err != nil {
		return nil, invalid(op, err)
	}
	done := make(outcomes, len(ids))
	var batch, single []ObjectID
	for i, id := range ids {
		if err := checkKey(id.Key); err != nil {
			return nil, invalid(op, fmt.Errorf("key %d: %w", i, err))
		}
		if _, again := done[id]; again {
			continue
		}
		done[id] = outcome{}
		if plainXML(id.Key) {
			batch = append(batch, id)
		} else {
			single = append(single, id)
		}
	}
	var whole error
	for len(batch) > 0 {
		n := min(len(batch), maxBatch)
		open, err := c.deleteBatch(ctx, bucket, batch[:n], with, done)
		var e *Error
		if errors.As(err, &e) && (e.Status == 501 || e.Status == 405) {
			single = append(single, batch...)
			break
		}
		for _, id := range open {
			done[id] = outcome{err: err}
		}
		if err != nil && len(open) == len(done) {
			whole = err
		}
		batch = batch[n:]
	}
	if whole != nil {
		return nil, whole
	}
	c.deleteSingly(ctx, bucket, single, with, done)
	results := make([]DeleteResult, len(ids))
	for i, id := range ids {
		results[i] = DeleteResult{id, done[id].Deleted, done[id].err}
	}
	return results, nil
}

// outcomes are what is known of each object of a DeleteMany.
type outcomes map[ObjectID]outcome

type outcome struct {
	Deleted
	err error
}

// deleteBatch deletes at most 1000 objects and notes what became of them. It returns those whose outcome
// is still open, and why.
func (c *Client) deleteBatch(ctx context.Context, bucket string, batch []ObjectID, with DeleteOptions, done outcomes) (open []ObjectID, err error) {
	open = batch
	call := &call{op: "DeleteObjects", answer: answerXML, root: "DeleteResult", status: [2]int{200}}
	err = c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		ids := make([]types.ObjectIdentifier, len(open))
		for i := range open {
			ids[i].Key, ids[i].VersionId = &open[i].Key, optional(open[i].Version)
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
		settled := make(map[ObjectID]bool, len(open))
		for _, d := range out.Deleted {
			id := ObjectID{aws.ToString(d.Key), aws.ToString(d.VersionId)}
			if _, asked := done[id]; asked {
				done[id] = outcome{Deleted: deletedOf(d)}
				settled[id] = true
			}
		}
		var again error
		for i := range out.Errors {
			again = errors.Join(again, refused(at, &out.Errors[i], done, settled))
		}
		var left []ObjectID
		for _, id := range open {
			if !settled[id] {
				left = append(left, id)
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

// deletedOf reads one <Deleted> of an answer.
func deletedOf(d types.DeletedObject) Deleted {
	if aws.ToBool(d.DeleteMarker) {
		return Deleted{aws.ToString(d.DeleteMarkerVersionId), true}
	}
	return Deleted{Version: aws.ToString(d.VersionId)}
}

// refused handles one <Error> of an answer: an object that is missing is settled, a fault that may pass
// is returned, any other is the object's result.
func refused(at *attempt, e *types.Error, done outcomes, settled map[ObjectID]bool) error {
	id := ObjectID{aws.ToString(e.Key), aws.ToString(e.VersionId)}
	r := &replyError{code: aws.ToString(e.Code), message: aws.ToString(e.Message)}
	f := &fault{Error: &Error{Kind: Busy, Op: at.call.op, Status: at.status, Code: r.code, Message: r.shown(at.client.config.AccessKey), Attempts: at.number}}
	f.err = r.text(at.client.config.AccessKey)
	switch r.code {
	case "NoSuchKey", "NoSuchVersion":
		settled[id] = true
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
	if _, asked := done[id]; asked && !settled[id] {
		done[id], settled[id] = outcome{err: f.Error}, true
	}
	return nil
}

// deleteSingly deletes objects one by one, some at a time.
func (c *Client) deleteSingly(ctx context.Context, bucket string, ids []ObjectID, with DeleteOptions, done outcomes) {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		gate = make(chan struct{}, singleDeletes)
	)
	for _, id := range ids {
		gate <- struct{}{}
		wg.Go(func() {
			with := with
			with.Version = id.Version
			d, err := c.DeleteWith(ctx, bucket, id.Key, with)
			<-gate
			mu.Lock()
			defer mu.Unlock()
			done[id] = outcome{d, err}
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
