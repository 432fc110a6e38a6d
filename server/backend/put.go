package backend

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// contentType is what the store gets to know about every object.
const contentType = "application/octet-stream"

// unsigned declares UNSIGNED-PAYLOAD: the payload is authenticated by itself, and a second hash of it
// would cost more than the whole rest of an upload.
var unsigned = s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)

// Written names what a write has made.
type Written struct {
	ETag string // quoted, as the store gave it
	// Version is the object's version id: empty where the store gives none, "null" where the bucket
	// keeps no versions, or not any more.
	Version string
	// Replaced: another write had taken the object's place before it could be looked at. Only CompleteUpload
	// without a condition says so.
	Replaced bool
}

// Put stores size bytes of body under key and returns what the store calls the object. The
// object exists when Put returns nil, and nothing but the whole object ever appears.
//
// An io.ReadSeeker is sent from its current position, again for every attempt, with the CRC32C of its
// bytes: some stores take a connection that ends early for the end of the object, and the checksum is
// what stops them (versitygw 1.8.0 commits such an object). Any other reader is sent once, without; for
// it there is only the reset that newTransport sends in place of a clean end. body must report io.EOF after size bytes without waiting for Put. Put does not use body after it
// returned. It closes body only if that is an io.Closer, not an io.Seeker, and the attempt ended before
// all was read, since a Read that waits must be woken.
func (c *Client) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond Conditions) (w Written, err error) {
	const op = "PutObject"
	if err := object(op, bucket, key); err != nil {
		return w, err
	}
	if err := cond.check(); err != nil {
		return w, invalid(op, err)
	}
	source, err := newSource(op, body, size)
	if err != nil {
		return w, err
	}
	var sum *string // none for a reader that can be read once
	if source.seeker != nil {
		if sum, err = checksum(body); err != nil {
			return w, &Error{Kind: Source, Op: op, err: err}
		}
	}
	call := &call{
		op: op, answer: answerEmpty, status: [2]int{200}, conditional: cond.any(),
		once: source.seeker == nil, expect: cond.any() && size >= continueFrom,
	}
	if cond.any() {
		call.settle = func(ctx context.Context, f *Error) (bool, error) { return c.settlePut(ctx, bucket, key, cond, f) }
	}
	err = c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		in := &s3.PutObjectInput{Bucket: &bucket, Key: &key, ContentLength: &size, ContentType: aws.String(contentType)}
		in.IfNoneMatch, in.IfMatch = cond.headers()
		in.ChecksumCRC32C = sum
		if in.Body, err = source.next(at); err != nil {
			return err
		}
		out, err := c.s3.PutObject(ctx, in, unsigned, s3.WithAPIOptions(cond.Attributes.options()...))
		if err != nil {
			return err
		}
		w.Version = aws.ToString(out.VersionId)
		w.ETag, err = checkETag(at, out.ETag)
		return err
	})
	return w, err
}

// settlePut asks for the object after a conditional upload died without an answer: a store that refuses
// and closes before it has read the body destroys its own 412 on the way. The condition is looked at
// again; if it does not hold (any more), the answer is the 412 that was lost.
func (c *Client) settlePut(ctx context.Context, bucket, key string, cond Conditions, f *Error) (bool, error) {
	if f.Status != 0 || f.Kind != Busy || !c.budget.take() {
		return false, nil
	}
	o, err := c.head(ctx, bucket, key, "", 1)
	switch {
	case err == nil && (cond.IfNoneMatch || o.ETag != cond.IfMatch):
	case KindOf(err) == NotFound && cond.IfMatch != "":
	default:
		return false, nil
	}
	return true, &Error{
		Kind: Precondition, Op: f.Op, Status: f.Status, Attempts: f.Attempts, Unsure: true,
		err: fmt.Errorf("the answer was lost (%w), but the condition does not hold", f.err),
	}
}

// source is the body of an upload for all its attempts.
type source struct {
	reader io.Reader
	seeker io.Seeker // nil: can be read once
	start  int64
	size   int64
}

func newSource(op string, body io.Reader, size int64) (*source, error) {
	if size < 0 {
		return nil, invalid(op, fmt.Errorf("size %d is negative", size))
	}
	if body == nil {
		return nil, invalid(op, errors.New("body is nil"))
	}
	s := &source{reader: body, size: size}
	seeker, ok := body.(io.Seeker)
	if !ok {
		return s, nil
	}
	start, left, err := rest(seeker)
	if err != nil {
		return nil, &Error{Kind: Source, Op: op, err: err}
	}
	if left != size {
		return nil, &Error{Kind: Source, Op: op, err: fmt.Errorf("body has %d bytes, not the declared %d", left, size)}
	}
	s.seeker, s.start = seeker, start
	return s, nil
}

// checksum returns the CRC32C of what body has left, as S3 writes it. It costs about 0.03 ns a byte.
func checksum(body io.Reader) (*string, error) {
	h := crc32.New(castagnoli)
	if _, err := io.Copy(h, body); err != nil {
		return nil, fmt.Errorf("cannot read the body: %w", err)
	}
	text := base64.StdEncoding.EncodeToString(h.Sum(nil))
	return &text, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// next returns the body for one attempt and notes it there.
func (s *source) next(at *attempt) (io.Reader, error) {
	if s.seeker != nil {
		if _, err := s.seeker.Seek(s.start, io.SeekStart); err != nil {
			return nil, err
		}
	}
	at.body = newOutgoing(s.reader, s.size, s.seeker != nil)
	return at.body, nil
}
