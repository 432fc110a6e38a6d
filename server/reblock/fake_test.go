package reblock

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// fake is a store in memory whose calls a test may fail, before or after they
// took effect.
type fake struct {
	mu            sync.Mutex
	objects       map[string]stored // "bucket/key"
	uploads       map[string]map[int][]byte
	with          backend.Attributes // of the last upload
	ids, n        int
	calls         []string
	before, after func(n int, op string) error
	lax           bool // conditions of reads are ignored
}

type stored struct {
	data []byte
	etag string
}

func newFake() *fake {
	return &fake{objects: map[string]stored{}, uploads: map[string]map[int][]byte{}}
}

func fault(kind backend.Kind) error { return &backend.Error{Kind: kind, Op: "fake"} }

func (f *fake) call(ctx context.Context, op string, run func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return fault(backend.ClientAbort)
	}
	n := f.n
	f.n++
	f.calls = append(f.calls, op)
	if f.before != nil {
		if err := f.before(n, op); err != nil {
			return err
		}
	}
	if err := run(); err != nil {
		return err
	}
	if f.after != nil {
		return f.after(n, op)
	}
	return nil
}

func (f *fake) set(name string, data []byte, cond backend.Conditions) (w backend.Written, err error) {
	old, exists := f.objects[name]
	if cond.IfNoneMatch && exists || cond.IfMatch != "" && old.etag != cond.IfMatch {
		return w, fault(backend.Precondition)
	}
	f.ids++
	etag := fmt.Sprintf(`"%d"`, f.ids)
	f.objects[name] = stored{data, etag}
	return backend.Written{ETag: etag}, nil
}

func (f *fake) Get(ctx context.Context, bucket, key string, opt backend.GetOptions) (obj *backend.Object, err error) {
	err = f.call(ctx, "Get", func() error {
		o, ok := f.objects[bucket+"/"+key]
		switch {
		case !ok:
			return fault(backend.NotFound)
		case opt.IfMatch != o.etag && !f.lax:
			return fault(backend.Precondition)
		case opt.Range.First >= int64(len(o.data)):
			return fmt.Errorf("%w: %w", fault(backend.Invalid), backend.ErrRange)
		}
		data := o.data[opt.Range.First:min(opt.Range.Last+1, int64(len(o.data)))]
		obj = &backend.Object{Body: io.NopCloser(bytes.NewReader(data)), Length: int64(len(data)), Size: int64(len(o.data)), ETag: o.etag}
		return nil
	})
	return obj, err
}

func (f *fake) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (w backend.Written, err error) {
	if _, ok := body.(io.Seeker); !ok {
		return w, fault(backend.Source) // could not be sent again
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(body, data); err != nil {
		return w, fault(backend.Source)
	}
	err = f.call(ctx, "Put", func() (err error) { w, err = f.set(bucket+"/"+key, data, cond); return err })
	return w, err
}

func (f *fake) CreateUploadWith(ctx context.Context, _, _ string, with backend.Attributes) (id string, err error) {
	err = f.call(ctx, "CreateUpload", func() error {
		f.ids++
		id = fmt.Sprint(f.ids)
		f.uploads[id] = map[int][]byte{}
		f.with = with
		return nil
	})
	return id, err
}

func (f *fake) UploadPart(ctx context.Context, _, _, id string, n int, body io.ReadSeeker, size int64) (string, error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(body, data); err != nil {
		return "", fault(backend.Source)
	}
	return fmt.Sprintf(`"p%d"`, n), f.call(ctx, "UploadPart", func() error { f.uploads[id][n] = data; return nil })
}

func (f *fake) CopyPart(ctx context.Context, _, _, id string, n int, source backend.CopySource, r backend.Range) (string, error) {
	return fmt.Sprintf(`"p%d"`, n), f.call(ctx, "CopyPart", func() error {
		o, ok := f.objects[source.Bucket+"/"+source.Key]
		if !ok {
			return fault(backend.NotFound)
		}
		if source.IfMatch != o.etag {
			return fault(backend.Precondition)
		}
		f.uploads[id][n] = o.data[r.First : r.Last+1]
		return nil
	})
}

func (f *fake) CompleteUpload(ctx context.Context, bucket, key, id string, parts []backend.Part, cond backend.Conditions) (w backend.Written, err error) {
	err = f.call(ctx, "CompleteUpload", func() (err error) {
		var data []byte
		for i, p := range parts {
			b := f.uploads[id][p.N]
			if p.N != i+1 || i < len(parts)-1 && len(b) < minPart || len(b) == 0 {
				return fault(backend.Invalid)
			}
			data = append(data, b...)
		}
		if w, err = f.set(bucket+"/"+key, data, cond); err == nil {
			delete(f.uploads, id)
		}
		return err
	})
	return w, err
}

func (f *fake) AbortUpload(ctx context.Context, _, _, id string) error {
	return f.call(ctx, "AbortUpload", func() error { delete(f.uploads, id); return nil })
}
