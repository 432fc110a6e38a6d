package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

// speaker is a client of S3 in one style. Its methods are safe for concurrent use.
type speaker interface {
	put(ctx context.Context, key string, body *pbs.Body) error
	parts(ctx context.Context, key string, body *pbs.Body) error
	// get reads a whole object into buf, which it may not outgrow.
	get(ctx context.Context, key string, buf []byte) ([]byte, error)
	span(ctx context.Context, key string, first, last int64) ([]byte, error)
	head(ctx context.Context, key string) (size int64, err error)
	list(ctx context.Context, prefix string) (names int, err error)
	duplicate(ctx context.Context, from, to string) error
	remove(ctx context.Context, key string) error
	close()
}

func newSpeaker(job protocol.Job) (speaker, error) {
	switch job.Style {
	case protocol.SDK:
		return newSDK(job), nil
	case protocol.PBS, protocol.SHA256, "":
		client, err := pbs.New(pbs.Config{Address: job.Address, Bucket: job.Bucket, Region: job.Region, AccessKey: job.AccessKey,
			SecretKey: job.SecretKey, Fingerprint: job.Fingerprint, PlainHTTP: job.PlainHTTP, Waits: []time.Duration{}})
		return &pbsSpeaker{client}, err
	}
	return nil, fmt.Errorf("cannot take the job: Style %q", job.Style)
}

// newBody is a body with the digests that a style sends.
func newBody(style string, b []byte) *pbs.Body {
	if style == protocol.SHA256 {
		return pbs.NewBodyWithoutMD5(b)
	}
	return pbs.NewBody(b)
}

// pbsSpeaker sends what PBS sends, byte for byte.
type pbsSpeaker struct{ client *pbs.Client }

// errNotPBS is for what PBS has no request for.
var errNotPBS = errors.New("PBS has no such request")

func (p *pbsSpeaker) put(ctx context.Context, key string, body *pbs.Body) error {
	_, err := p.client.Put(ctx, key, body, false)
	return err
}

func (p *pbsSpeaker) get(ctx context.Context, key string, buf []byte) ([]byte, error) {
	return p.client.GetInto(ctx, key, buf)
}

func (p *pbsSpeaker) head(ctx context.Context, key string) (int64, error) {
	o, err := p.client.HeadObject(ctx, key)
	if err != nil {
		return 0, err
	}
	return o.Size, nil
}

func (p *pbsSpeaker) list(ctx context.Context, prefix string) (int, error) {
	page, err := p.client.ListPage(ctx, prefix, "")
	if err != nil {
		return 0, err
	}
	return len(page.Entries), nil
}

func (p *pbsSpeaker) duplicate(ctx context.Context, from, to string) error {
	return p.client.Copy(ctx, from, to)
}

func (p *pbsSpeaker) remove(ctx context.Context, key string) error { return p.client.Delete(ctx, key) }
func (p *pbsSpeaker) close()                                       { p.client.Close() }

func (p *pbsSpeaker) parts(context.Context, string, *pbs.Body) error { return errNotPBS }

func (p *pbsSpeaker) span(context.Context, string, int64, int64) ([]byte, error) {
	return nil, errNotPBS
}
