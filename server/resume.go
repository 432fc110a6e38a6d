package server

import (
	"context"
	"errors"
	"io"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// maxResumes is how often one body may break off before the client is told.
const maxResumes = 4

// resuming is a backend body that goes on where it broke off: it asks for the
// rest of the same object, bound by its ETag, so that a connection lost in the
// middle of a restore is not the client's affair. An object that changed
// meanwhile is never continued.
//
// One goroutine at a time; the reader's owner closes it.
type resuming struct {
	ctx         context.Context
	from        objects
	bucket, key string
	version     string
	named       bool // by the client
	etag        string
	body        io.ReadCloser
	base        int64 // of the body in the stored object
	at, end     int64 // bytes of the body given, and those there are
	resumes     int
}

// resume makes the body of an answer about an opened object; base is where in the stored
// object the answer begins.
func (s *Server) resume(ctx context.Context, o *stored, obj *backend.Object, base int64) *resuming {
	return &resuming{ctx: ctx, from: s.backend, bucket: o.bucket, key: o.key, version: o.version, named: o.named, etag: o.etag, body: obj.Body, base: base, end: obj.Length}
}

// Read gives the next stored bytes.
func (r *resuming) Read(p []byte) (int, error) {
	for {
		n, err := r.body.Read(p)
		r.at += int64(n)
		switch {
		case n > 0:
			return n, nil // an error comes again with the next Read
		case err == nil || errors.Is(err, io.EOF) && r.at >= r.end:
			return 0, err
		}
		if !r.resume() {
			return 0, err
		}
	}
}

// resume asks for the rest. The backend client retries on its own; what it
// gives up on is given up here.
func (r *resuming) resume() bool {
	if r.at >= r.end || r.resumes == maxResumes || r.ctx.Err() != nil {
		return false
	}
	r.resumes++
	obj, err := getPinned(r.ctx, r.from, r.bucket, r.key, r.version, r.named, backend.GetOptions{
		Range:   &backend.Range{First: r.base + r.at, Last: r.base + r.end - 1},
		IfMatch: r.etag,
	})
	if err != nil {
		return false
	}
	if obj.ETag != r.etag || obj.Length != r.end-r.at {
		obj.Body.Close()
		return false
	}
	r.body.Close()
	r.body = obj.Body
	return true
}

// Close ends the backend's answer.
func (r *resuming) Close() error { return r.body.Close() }
