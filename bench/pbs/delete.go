package pbs

import (
	"context"
	"fmt"
	"strings"
)

// Delete removes one object; a missing key is no error.
func (c *Client) Delete(ctx context.Context, key string) error {
	const op = "DeleteObject"
	resp, err := c.send(ctx, Request{Op: op, Method: "DELETE", Path: c.keyPath(key)})
	if err != nil {
		return err
	}
	if resp.status != 204 {
		return resp.fail()
	}
	if m := resp.first("x-amz-delete-marker"); m != "" && m != "true" && m != "false" {
		resp.abandon()
		return broken(op, "x-amz-delete-marker is %q", m)
	}
	return resp.finish()
}

// DeleteError is one key that could not be deleted.
type DeleteError struct{ Key, Code, Message string }

// DeleteMany removes objects with one call. The error is that of the call; failed are the keys it refused.
func (c *Client) DeleteMany(ctx context.Context, keys []string) (failed []DeleteError, err error) {
	const op = "DeleteObjects"
	var b strings.Builder
	b.WriteString(`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	for _, k := range keys {
		b.WriteString("<Object><Key>" + k + "</Key></Object>") // not escaped, as PBS
	}
	b.WriteString("</Delete>")
	resp, err := c.send(ctx, Request{Op: op, Method: "POST", Path: c.bucketPath(), Query: "delete", Body: NewBody([]byte(b.String()))})
	if err != nil {
		return nil, err
	}
	if resp.status != 200 {
		return nil, resp.fail()
	}
	doc, err := resp.document()
	if err != nil {
		return nil, err
	}
	deleted, failed, err := parseDelete(doc)
	if err != nil {
		return nil, err
	}
	if err := eachOnce(keys, deleted, failed); err != nil {
		return nil, broken(op, "%v", err)
	}
	return failed, nil
}

func parseDelete(doc []byte) (deleted []string, failed []DeleteError, err error) {
	const op = "DeleteObjects"
	n, err := root(op, doc, "DeleteResult")
	if err != nil {
		return nil, nil, err
	}
	for _, d := range n.all("Deleted") {
		k, err := d.must("Key")
		if err != nil {
			return nil, nil, broken(op, "%v", err)
		}
		deleted = append(deleted, k)
	}
	for _, e := range n.all("Error") {
		k, err := e.must("Key")
		if err != nil {
			return nil, nil, broken(op, "%v", err)
		}
		failed = append(failed, DeleteError{k, e.text("Code"), e.text("Message")})
	}
	return deleted, failed, nil
}

// eachOnce insists that every requested key has one result: PBS takes silence for success.
func eachOnce(keys, deleted []string, failed []DeleteError) error {
	left := map[string]int{}
	for _, k := range keys {
		left[k]++
	}
	for _, k := range deleted {
		left[k]--
	}
	for _, f := range failed {
		left[f.Key]--
	}
	for k, n := range left {
		if n != 0 {
			return fmt.Errorf("key %q has %+d results too few", k, n)
		}
	}
	return nil
}
