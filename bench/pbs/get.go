package pbs

import (
	"context"
	"time"
)

// Object is what GET and HEAD tell.
type Object struct {
	Body         []byte // nil after HEAD
	Size         int64
	ContentType  string
	ETag         string
	LastModified time.Time
}

// Get reads a whole object. Its error matches ErrAbsent for status 404.
func (c *Client) Get(ctx context.Context, key string) (*Object, error) {
	resp, o, err := c.open(ctx, "GET", key)
	if err != nil {
		return nil, err
	}
	if o.Size > maxObject {
		resp.abandon()
		return nil, broken("GetObject", "content-length %d is more than %d", o.Size, int64(maxObject))
	}
	o.Body = make([]byte, o.Size)
	return o, resp.into(o.Body)
}

// GetInto reads a whole object into buf and returns its part; an object larger than buf is an error.
func (c *Client) GetInto(ctx context.Context, key string, buf []byte) ([]byte, error) {
	resp, o, err := c.open(ctx, "GET", key)
	if err != nil {
		return nil, err
	}
	if o.Size > int64(len(buf)) {
		resp.abandon()
		return nil, broken("GetObject", "content-length %d, expected at most %d", o.Size, len(buf))
	}
	return buf[:o.Size], resp.into(buf[:o.Size])
}

// HeadObject reads an object's headers.
func (c *Client) HeadObject(ctx context.Context, key string) (*Object, error) {
	resp, o, err := c.open(ctx, "HEAD", key)
	if err != nil {
		return nil, err
	}
	return o, resp.finish()
}

// open sends GET or HEAD and checks what must be there before the body.
func (c *Client) open(ctx context.Context, method, key string) (*response, *Object, error) {
	op := map[string]string{"GET": "GetObject", "HEAD": "HeadObject"}[method]
	resp, err := c.send(ctx, Request{Op: op, Method: method, Path: c.keyPath(key)})
	if err != nil {
		return nil, nil, err
	}
	if resp.status != 200 {
		return nil, nil, resp.fail()
	}
	o, err := resp.object()
	if err != nil {
		resp.abandon()
		return nil, nil, err
	}
	return resp, o, nil
}

// object reads the four headers that must be there.
func (r *response) object() (*Object, error) {
	o := &Object{}
	var err error
	if o.Size, err = r.contentLength(); err != nil {
		return nil, err
	}
	if o.ContentType, err = r.need("Content-Type"); err != nil {
		return nil, err
	}
	if o.ETag, err = r.need("ETag"); err != nil {
		return nil, err
	}
	modified, err := r.need("Last-Modified")
	if err != nil {
		return nil, err
	}
	if o.LastModified, err = ParseDate(modified); err != nil {
		return nil, broken(r.op, "last-modified: %v", err)
	}
	return o, nil
}
