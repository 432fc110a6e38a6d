package pbs

import (
	"context"
	"errors"
	"time"
)

// send signs r once and sends it until an answer comes that PBS takes as final: three sends in all, again only after
// a transport error or status 500, 503 or 504, with identical bytes.
func (c *Client) send(ctx context.Context, r Request) (*response, error) {
	head := c.Head(r, c.cfg.Now())
	for i := 0; ; i++ {
		resp, err := c.once(ctx, r, head)
		again := err != nil && ctx.Err() == nil && IsTransport(err) ||
			err == nil && (resp.status == 500 || resp.status == 503 || resp.status == 504)
		if !again || i == len(c.cfg.Waits) {
			return resp, err
		}
		if err == nil {
			if ferr := resp.fail(); !isStatus(ferr) {
				return nil, ferr
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(c.cfg.Waits[i]):
		}
	}
}

func isStatus(err error) bool {
	var s *StatusError
	return errors.As(err, &s)
}

// once sends the request on an idle connection, or on a new one. A reused connection that turns out closed before a
// byte of the answer came costs PBS a send, and so it does here.
func (c *Client) once(ctx context.Context, r Request, head []byte) (*response, error) {
	cn := c.pool.take()
	if cn == nil {
		var err error
		if cn, err = c.dial(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, &transportError{err}
		}
	}
	return c.exchange(ctx, cn, r, head)
}
