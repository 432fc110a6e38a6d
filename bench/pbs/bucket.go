package pbs

import "context"

// HeadBucket asks whether the bucket is there and may be used.
func (c *Client) HeadBucket(ctx context.Context) error {
	resp, err := c.send(ctx, Request{Op: "HeadBucket", Method: "HEAD", Path: c.bucketPath()})
	if err != nil {
		return err
	}
	if resp.status != 200 {
		return resp.fail()
	}
	return resp.finish()
}

// ListBuckets asks for all buckets the endpoint shows.
func (c *Client) ListBuckets(ctx context.Context) ([]string, error) {
	const op = "ListBuckets"
	resp, err := c.send(ctx, Request{Op: op, Method: "GET", Path: "/"})
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
	return parseBuckets(doc)
}

func parseBuckets(doc []byte) ([]string, error) {
	const op = "ListBuckets"
	n, err := root(op, doc, "ListAllMyBucketsResult")
	if err != nil {
		return nil, err
	}
	var names []string
	for i, list := range n.all("Buckets") {
		if i > 0 {
			return nil, broken(op, "duplicate field %q", "Buckets")
		}
		if len(list.all("Bucket")) == 0 {
			return nil, broken(op, "an empty <Buckets/>")
		}
		for _, b := range list.all("Bucket") {
			name, err := b.must("Name")
			if err != nil {
				return nil, broken(op, "%v", err)
			}
			created, err := b.must("CreationDate")
			if err != nil {
				return nil, broken(op, "%v", err)
			}
			if _, err := parseISO(created); err != nil {
				return nil, broken(op, "%v", err)
			}
			names = append(names, name)
		}
	}
	return names, nil
}

// CreateBucket is not one of PBS's calls: rigs use it to prepare a backend.
func (c *Client) CreateBucket(ctx context.Context) error {
	resp, err := c.send(ctx, Request{Op: "CreateBucket", Method: "PUT", Path: "/" + c.cfg.Bucket})
	if err != nil {
		return err
	}
	if resp.status != 200 {
		return resp.fail()
	}
	return resp.finish()
}
