package pbs

import (
	"context"
	"errors"
)

// Stored says how a PUT ended well.
type Stored int

const (
	Written   Stored = iota + 1 // the endpoint stored it: 200
	Duplicate                   // it was there already: 412, which PBS counts as success
)

// errConcurrent is status 409: another write is going on, to be tried again.
var errConcurrent = errors.New("cannot PutObject: a concurrent operation")

// Put sends one object once (with its sends). With ifNoneMatch it is stored only if the key is free.
func (c *Client) Put(ctx context.Context, key string, body *Body, ifNoneMatch bool) (Stored, error) {
	const op = "PutObject"
	r := Request{Op: op, Method: "PUT", Path: c.keyPath(key), Body: body, Headers: []Header{{"content-type", "application/octet-stream"}}}
	if ifNoneMatch {
		r.Headers = append(r.Headers, Header{"if-none-match", "*"})
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return 0, err
	}
	switch resp.status {
	case 200:
		if _, err := resp.need("ETag"); err != nil {
			resp.abandon()
			return 0, err
		}
		doc, err := resp.document()
		if err == nil && len(doc) > 0 {
			err = broken(op, "the answer has a body of %d bytes", len(doc))
		}
		return Written, err
	case 412:
		err := resp.fail()
		if isStatus(err) && !ifNoneMatch {
			// PBS would count it as stored, and the object would be lost.
			return 0, broken(op, "412 without a condition")
		}
		if !isStatus(err) {
			return 0, err
		}
		return Duplicate, nil
	case 409:
		if err := resp.fail(); !isStatus(err) {
			return 0, err
		}
		return 0, errConcurrent
	}
	return 0, resp.fail()
}

// Upload is PBS's upload of chunks, indexes, blobs and markers: up to three rounds, at once, after any failure.
func (c *Client) Upload(ctx context.Context, key string, body *Body, ifNoneMatch bool) (Stored, error) {
	for round := 1; ; round++ {
		s, err := c.Put(ctx, key, body, ifNoneMatch)
		var contract *ContractError
		if err == nil || round == uploadRounds || ctx.Err() != nil || errors.As(err, &contract) {
			return s, err
		}
	}
}
