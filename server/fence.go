package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// commits are the backend's calls that make an object. They are to be had of an open
// bucket alone, so that none passes the fence.
type commits interface {
	Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error)
	CompleteUpload(ctx context.Context, bucket, key, id string, parts []backend.Part, cond backend.Conditions) (backend.Written, error)
}

// fenced are the commits of an open bucket.
type fenced interface {
	commits
	// stands returns nil if the bucket is still the one that was opened: to be asked
	// before an object that was found there is called one's own work.
	stands(ctx context.Context) error
}

// into is the backend with an open bucket's writes.
func (s *Server) into(b *bucket) Backend {
	return struct {
		store
		commits
	}{s.backend, b}
}

// fence stands between writes and a bucket that is removed meanwhile, be it by
// another proxy, and be it made anew: an object that is sealed for a bucket id nobody
// has any more is lost. So before a write, and again before it is called done, the
// state must have stood within the last leaseTime, or is asked for.
//
// Why that is enough: who removes a bucket writes the state anew as closing at C,
// waits for more than leaseTime, and then looks whether the bucket is empty, at E. A
// write that took effect at T is called done at D only if somebody who began to ask
// at V found a state that was not closing, so V < C, and either V > T, or
// D < V + leaseTime, so T < D < C + leaseTime < E. Either way the removal saw the
// object (gate_close.go has what it does then), and the object stays.
type fence struct {
	gate *gate
	ring keyring
	name string
	id   format.BucketID

	namer *format.Namer // of that bucket, nil: see names.go
}

// stored is the name under which the bucket that was opened has an object.
func (f *fence) stored(key string) (string, error) {
	if own(key) || f.namer == nil {
		return key, nil
	}
	return sealName(f.namer, key)
}

func (f *fence) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error) {
	name, err := f.stored(key)
	if err != nil {
		return backend.Written{}, err
	}
	cond, release, err := f.gate.emulated.write(ctx, f.gate.backend, bucket, name, cond, false)
	if err != nil {
		return backend.Written{}, err
	}
	defer release()
	if err := f.stands(ctx); err != nil {
		return backend.Written{}, err
	}
	whole, again := body.(io.ReadSeeker)
	if !again {
		// It may take as long as its source does, and ends when that ends.
		body = struct {
			io.Reader
			io.Closer
		}{&fencedReader{body, ctx, f}, closerOf(body)}
		made, err := f.gate.backend.Put(ctx, bucket, name, body, size, cond)
		return f.done(ctx, bucket, name, made, err)
	}
	fenced := &fencedSeeker{ReadSeeker: whole, ctx: ctx, fence: f}
	var sent io.ReadSeeker = fenced
	if summed, ok := whole.(backend.Summed); ok {
		sent = fencedSum{fenced, summed}
	}
	made, err := f.gate.backend.Put(ctx, bucket, name, sent, size, cond)
	if err != nil && fenced.gone != nil {
		return backend.Written{}, fenced.gone
	}
	if refusesContent(key, err) {
		return f.putFolder(ctx, bucket, key, name, whole, size, cond, err)
	}
	return f.done(ctx, bucket, name, made, err)
}

func (f *fence) CompleteUpload(ctx context.Context, bucket, key, id string, parts []backend.Part, cond backend.Conditions) (backend.Written, error) {
	name, err := f.stored(key)
	if err != nil {
		return backend.Written{}, err
	}
	cond, release, err := f.gate.emulated.write(ctx, f.gate.backend, bucket, name, cond, true)
	if err != nil {
		return backend.Written{}, err
	}
	defer release()
	if err := f.stands(ctx); err != nil {
		return backend.Written{}, err
	}
	made, err := f.gate.backend.CompleteUpload(ctx, bucket, name, id, parts, cond)
	return f.done(ctx, bucket, name, made, err)
}

// done takes the stored name. It is asked behind every write that may have taken effect: a failed condition can
// be the write's own work, whose answer was lost.
func (f *fence) done(ctx context.Context, bucket, key string, made backend.Written, err error) (backend.Written, error) {
	if err != nil && !refused(err) {
		return made, err
	}
	if gone := f.stands(ctx); gone != nil {
		if err == nil && errors.Is(gone, errReplaced) {
			f.withdraw(ctx, bucket, key, made)
		}
		return backend.Written{}, gone
	}
	return made, err
}

// withdraw takes the stored name. It removes what was written into a bucket that was
// made anew meanwhile, where nobody can open it: that very object and no other. So it is
// left there where neither its version nor the store's If-Match tells it from what
// another wrote since. What is left is refused by every reader.
func (f *fence) withdraw(ctx context.Context, bucket, key string, made backend.Written) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	obj, err := f.gate.backend.Head(ctx, bucket, key)
	if err != nil || made.ETag == "" || obj.ETag != made.ETag {
		return
	}
	with := backend.DeleteOptions{IfMatch: made.ETag, Version: made.Version}
	if pin(made.Version) == "" {
		if honoured, err := f.gate.honoursDelete(ctx, f.gate.backend, bucket); err != nil || !honoured {
			return
		}
	}
	_, _ = f.gate.backend.DeleteWith(ctx, bucket, key, with)
}

// fencedReader gives no byte to a bucket that is gone: the write is cut.
type fencedReader struct {
	io.Reader
	ctx   context.Context
	fence *fence
}

func (r *fencedReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if gone := r.fence.stands(r.ctx); gone != nil {
		return 0, gone
	}
	return n, err
}

// fencedSeeker is sent to no bucket that is gone: the backend's client goes back to its
// start before each attempt, and waits between them for longer than a removal takes.
type fencedSeeker struct {
	io.ReadSeeker
	ctx   context.Context
	fence *fence
	gone  error
}

func (r *fencedSeeker) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		if r.gone = r.fence.stands(r.ctx); r.gone != nil {
			return 0, r.gone
		}
	}
	return r.ReadSeeker.Seek(offset, whence)
}

// WriteTo lends the bytes where the source does.
func (r *fencedSeeker) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, r.ReadSeeker) }

// fencedSum is one that knows its checksum.
type fencedSum struct {
	*fencedSeeker
	backend.Summed
}

func closerOf(r io.Reader) io.Closer {
	if c, ok := r.(io.Closer); ok {
		return c
	}
	return io.NopCloser(r)
}

// maxAsks is how often a state is asked for that does not answer within leaseTime.
const maxAsks = 3

// stands returns nil if the bucket's state was seen standing: within leaseTime from
// now, or by a question that began after the call.
func (f *fence) stands(ctx context.Context) error {
	asked := f.gate.now()
	for range maxAsks {
		b, stood := f.gate.stood(f.ring, f.name)
		now := f.gate.now()
		if b != nil && (!stood.Before(asked) || now.Sub(stood) < f.gate.lease) {
			if b.id != f.id {
				return errReplaced
			}
			return nil
		}
		if err := f.gate.ask(ctx, f.ring, f.name); err != nil {
			return err
		}
	}
	return fmt.Errorf("cannot tell whether bucket %s stands: %w", f.name, errUnproven)
}

// stood is the state that is known, and when it was seen to stand.
func (g *gate) stood(ring keyring, name string) (*bucket, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.buckets[name]; e != nil && e.state != nil {
		return e.state, e.stood
	}
	return nil, time.Time{}
}

// renew asks ahead of time, so that a bucket under load never waits for the answer.
func (g *gate) renew(ctx context.Context, ring keyring, name string) {
	if _, stood := g.stood(ring, name); g.now().Sub(stood) < g.lease/2 {
		return
	}
	g.asking(ctx, ring, name)
}

// ask asks the backend whether the state stands. Who asks while others do gets
// their answer.
func (g *gate) ask(ctx context.Context, ring keyring, name string) error {
	select {
	case r := <-g.asking(ctx, ring, name):
		return r
	case <-ctx.Done():
		return fmt.Errorf("cannot tell whether bucket %s stands: %w", name, ctx.Err())
	}
}

func (g *gate) asking(ctx context.Context, ring keyring, name string) <-chan error {
	out := make(chan error, 1)
	flight := g.flights.DoChan(fmt.Sprintf("%s stands %p", name, ring), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gateTime)
		defer cancel()
		return nil, g.see(ctx, ring, name)
	})
	go func() { out <- (<-flight).Err }()
	return out
}

// see looks at the state's ETag, and reads the state anew if that is another.
func (g *gate) see(ctx context.Context, ring keyring, name string) error {
	began := g.now()
	if b, _ := g.stood(ring, name); b != nil {
		obj, err := g.backend.Head(ctx, name, format.StateKey)
		switch kind := backendKind(err); {
		case err == nil && obj.ETag == b.etag && b.etag != "":
			g.mu.Lock()
			if e := g.buckets[name]; e != nil && e.state == b && e.stood.Before(began) {
				e.stood = began
			}
			g.mu.Unlock()
			return nil
		case err != nil && kind != backend.NotFound && kind != backend.NoBucket:
			return err
		}
	}
	b, err := g.verify(ctx, ring, name, false)
	switch {
	case backendKind(err) == backend.NoBucket:
		return err
	case errors.Is(err, errStateMissing), err == nil && b.fresh:
		return errReplaced
	case err == nil && b.closing:
		return errClosing
	}
	return err
}
