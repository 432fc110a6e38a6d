package pbs

import "context"

// Copy copies an object within the bucket.
func (c *Client) Copy(ctx context.Context, from, to string) error {
	const op = "CopyObject"
	resp, err := c.send(ctx, Request{Op: op, Method: "PUT", Path: c.keyPath(to), Headers: []Header{
		{"content-type", "application/octet-stream"},
		{"x-amz-copy-source", c.cfg.Bucket + "/" + encode(from, true)},
		{"x-amz-metadata-directive", "REPLACE"},
	}})
	if err != nil {
		return err
	}
	if resp.status != 200 {
		return resp.fail()
	}
	doc, err := resp.document()
	if err != nil {
		return err
	}
	n, err := root(op, doc, "CopyObjectResult")
	if err != nil {
		return err
	}
	if _, err := n.must("ETag"); err != nil {
		return broken(op, "%v", err)
	}
	modified, err := n.must("LastModified")
	if err != nil {
		return broken(op, "%v", err)
	}
	if _, err := parseISO(modified); err != nil {
		return broken(op, "%v", err)
	}
	return nil
}
