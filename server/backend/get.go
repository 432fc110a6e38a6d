package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Range is a range of stored bytes, both ends included.
type Range struct{ First, Last int64 }

func (r Range) check() error {
	if r.First < 0 || r.Last < r.First {
		return fmt.Errorf("range %d-%d is not one", r.First, r.Last)
	}
	return nil
}

// String is the form of the Range header, "bytes=0-1023".
func (r Range) String() string {
	return "bytes=" + strconv.FormatInt(r.First, 10) + "-" + strconv.FormatInt(r.Last, 10)
}

// GetOptions of a Get. IfMatch is an ETag with its quotes; an object with another one is Precondition.
type GetOptions struct {
	Range   *Range
	IfMatch string
	Version string // its version id, empty: the current one
}

// NullVersion is the id of the version that a key has in a bucket without versions.
const NullVersion = "null"

// Object is what the store tells about an object.
type Object struct {
	// Body gives exactly Length bytes and then io.EOF, or fails with an *Error: wrapping ErrShort if the
	// backend ended early or stalled, of Kind ClientAbort if the caller's context ended. Nil for Head.
	// The caller closes it; Close may be called while another goroutine reads.
	Body io.ReadCloser
	// Length is the length of Body, for Head the object's size.
	Length int64
	// Size is the size of the whole stored object.
	Size int64
	// ETag is quoted as the backend gave it; empty if it gave none.
	ETag string
	// LastModified is zero if the backend gave none.
	LastModified time.Time
	// Attributes are what the store tells of those it keeps: class and locks.
	Attributes
	// Version is the object's version id, empty if the store gives none.
	Version string
	// Restore is the value of x-amz-restore: the state of an archived object's readable copy.
	Restore string
	// Hint is a copy of the object's sealed block, unproved, if one was stored beside it.
	Hint []byte
	// Tags is the number of the object's tags, 0 if the store does not say.
	Tags int
}

// Get opens an object, or a range of it. A range that reaches beyond the object's end gives what there
// is; one that begins behind it is an Invalid error that wraps ErrRange.
func (c *Client) Get(ctx context.Context, bucket, key string, opt GetOptions) (*Object, error) {
	const op = "GetObject"
	if err := object(op, bucket, key); err != nil {
		return nil, err
	}
	call := &call{op: op, answer: answerObject, status: [2]int{http.StatusOK}, object: true, conditional: opt.IfMatch != ""}
	if opt.Range != nil {
		if err := opt.Range.check(); err != nil {
			return nil, invalid(op, err)
		}
		call.status[0] = http.StatusPartialContent
	}
	target := c.objectURL(bucket, key, opt.Version)
	var got *Object
	err := c.do(ctx, call, func(actx context.Context, at *attempt) error {
		resp, err := at.askObject(actx, http.MethodGet, target, opt)
		if err != nil {
			return err
		}
		got, err = opened(at, opt.Range, resp)
		if err != nil {
			resp.Body.Close()
			return err
		}
		at.keep = true
		got.Body = newIncoming(ctx, actx, at, resp.Body, got.Length)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// opened checks what the header says: the lengths must be known, and the range must be the one asked for.
func opened(at *attempt, want *Range, resp *http.Response) (*Object, error) {
	o, err := described(at, resp)
	if err != nil || want == nil {
		return o, err
	}
	got, size, err := parseContentRange(resp.Header.Get("Content-Range"))
	if err != nil {
		return nil, malformed(at, err.Error())
	}
	if got.First != want.First || got.Last != min(want.Last, size-1) || o.Length != got.Last-got.First+1 {
		return nil, malformed(at, "answer has another range than the one asked for")
	}
	o.Size = size
	return o, nil
}

// parseContentRange reads "bytes 0-1023/146515" (RFC 9110 section 14.4); the size must be known.
func parseContentRange(s string) (r Range, size int64, err error) {
	bad := errors.New("answer without a usable Content-Range")
	s, ok := strings.CutPrefix(s, "bytes ")
	span, total, ok2 := strings.Cut(s, "/")
	first, last, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return r, 0, bad
	}
	var n [3]uint64
	for i, t := range []string{first, last, total} {
		if n[i], err = strconv.ParseUint(t, 10, 63); err != nil {
			return r, 0, bad
		}
	}
	r, size = Range{int64(n[0]), int64(n[1])}, int64(n[2])
	if r.check() != nil || r.Last >= size {
		return r, 0, bad
	}
	return r, size, nil
}

// Head asks for an object without its body. A 404 without a body is taken as proof of absence, unless a
// web server's page would have come with it.
func (c *Client) Head(ctx context.Context, bucket, key string) (*Object, error) {
	return c.head(ctx, bucket, key, "", 0)
}

// HeadVersion is Head for a version, empty: the current one.
func (c *Client) HeadVersion(ctx context.Context, bucket, key, version string) (*Object, error) {
	return c.head(ctx, bucket, key, version, 0)
}

func (c *Client) head(ctx context.Context, bucket, key, version string, attempts int) (*Object, error) {
	const op = "HeadObject"
	if err := object(op, bucket, key); err != nil {
		return nil, err
	}
	call := &call{op: op, answer: answerHead, status: [2]int{http.StatusOK}, object: true, attempts: attempts}
	target := c.objectURL(bucket, key, version)
	var got *Object
	err := c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		resp, err := at.askObject(ctx, http.MethodHead, target, GetOptions{})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		got, err = described(at, resp)
		return err
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}
