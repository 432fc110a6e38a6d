package rewrap

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// fake is a store of one bucket in memory, for what a real one cannot be made to
// do: fail at a chosen call, before or after it took effect, and ignore
// conditions. A real one is used in bench/integration.
type fake struct {
	mu      sync.Mutex
	objects map[string]stored
	uploads map[string]map[int][]byte
	ids     int
	calls   []string

	// before and after, if set, may fail call n instead of running it, or after it
	// took effect. They run without the lock.
	before, after func(n int, op, key string) error
	// noPut and noComplete: conditions of these are ignored.
	noPut, noComplete bool
	page              int // largest page; 0 = 1000

	// versioned: what is written over stays in history, the newest last.
	versioned bool
	history   []old
	// forgets: attributes that come with a write are dropped.
	forgets bool
	// forgetsGrants: of those, the grants alone.
	forgetsGrants bool
	// locks: the bucket can have object locks; lockRefuses: a locked object is not
	// written over, as by a store without versions.
	locks, lockRefuses bool
	with               map[string]backend.Attributes // of the uploads
	hides              map[string]string             // op -> code of a refusal
}

type stored struct {
	data []byte // never changed
	etag string
	with backend.Attributes
	at   time.Time
}

type old struct {
	key, id string
	stored
}

func newFake() *fake {
	return &fake{objects: map[string]stored{}, uploads: map[string]map[int][]byte{}, with: map[string]backend.Attributes{}, hides: map[string]string{}}
}

var errBusy = &backend.Error{Kind: backend.Busy, Op: "fake"}

func kind(k backend.Kind) error { return &backend.Error{Kind: k, Op: "fake"} }

// call runs one operation.
func (f *fake) call(ctx context.Context, op, key string, run func() error) error {
	if ctx.Err() != nil {
		return &backend.Error{Kind: backend.ClientAbort, Op: op}
	}
	f.mu.Lock()
	n := len(f.calls)
	f.calls = append(f.calls, op+" "+key)
	f.mu.Unlock()
	if f.before != nil {
		if err := f.before(n, op, key); err != nil {
			return err
		}
	}
	f.mu.Lock()
	err := run()
	f.mu.Unlock()
	if err == nil && f.after != nil {
		err = f.after(n, op, key)
	}
	return err
}

func (f *fake) Get(ctx context.Context, _, key string, opt backend.GetOptions) (obj *backend.Object, err error) {
	err = f.call(ctx, "Get", key, func() error {
		o, ok := f.objects[key]
		for _, v := range f.history {
			if opt.Version != "" && v.key == key && v.id == opt.Version {
				o, ok = v.stored, true
			}
		}
		if !ok {
			return kind(backend.NotFound)
		}
		if opt.IfMatch != "" && opt.IfMatch != o.etag {
			return kind(backend.Precondition)
		}
		data := o.data
		if r := opt.Range; r != nil {
			if r.First >= int64(len(data)) {
				return fmt.Errorf("%w: %w", kind(backend.Invalid), backend.ErrRange)
			}
			data = data[r.First:min(r.Last+1, int64(len(data)))]
		}
		obj = &backend.Object{Body: io.NopCloser(bytes.NewReader(data)), Length: int64(len(data)), Size: int64(len(o.data)), ETag: o.etag}
		obj.StorageClass = o.with.StorageClass
		if block, err := base64.StdEncoding.DecodeString(o.with.BlockHint); err == nil && len(block) > 0 {
			obj.Hint = block
		}
		return nil
	})
	return obj, err
}

func (f *fake) set(key string, data []byte, cond backend.Conditions) (w backend.Written, err error) {
	old, exists := f.objects[key]
	if cond.IfNoneMatch && exists || cond.IfMatch != "" && old.etag != cond.IfMatch {
		return w, kind(backend.Precondition)
	}
	if f.lockRefuses && (old.with.LockMode != "" || old.with.LegalHold == "ON") {
		return w, &backend.Error{Kind: backend.Denied, Op: "fake", Status: 403, Code: "AccessDenied"}
	}
	if f.forgetsGrants {
		cond.GrantFullControl, cond.GrantRead, cond.GrantReadACP, cond.GrantWriteACP = "", "", "", ""
	}
	if f.forgets {
		cond.Attributes = backend.Attributes{}
	}
	f.ids++
	w.ETag = fmt.Sprintf(`"%d"`, f.ids)
	if exists && f.versioned {
		f.keep(key, old)
	}
	f.objects[key] = stored{data, w.ETag, cond.Attributes, writtenAt}
	return w, nil
}

func (f *fake) Put(ctx context.Context, _, key string, body io.Reader, size int64, cond backend.Conditions) (w backend.Written, err error) {
	data := make([]byte, size)
	if _, rerr := io.ReadFull(body, data); rerr != nil {
		return w, kind(backend.Source)
	}
	if f.noPut {
		cond = backend.Conditions{Attributes: cond.Attributes}
	}
	err = f.call(ctx, "Put", key, func() (err error) { w, err = f.set(key, data, cond); return err })
	return w, err
}

func (f *fake) Delete(ctx context.Context, _, key string) error {
	return f.call(ctx, "Delete", key, func() error {
		if o, ok := f.objects[key]; ok && f.versioned {
			f.keep(key, o)
		}
		delete(f.objects, key)
		return nil
	})
}

func (f *fake) keep(key string, o stored) {
	f.ids++
	f.history = append(f.history, old{key, fmt.Sprintf("v%d", f.ids), o})
}

func (f *fake) List(ctx context.Context, _ string, opt backend.ListOptions) (page *backend.Page, err error) {
	err = f.call(ctx, "List", opt.ContinuationToken, func() error {
		var keys []string
		for k := range f.objects {
			if k > opt.ContinuationToken && k > opt.StartAfter && strings.HasPrefix(k, opt.Prefix) {
				keys = append(keys, k)
			}
		}
		sort.Strings(keys)
		page = &backend.Page{}
		limit := opt.MaxKeys
		if f.page > 0 {
			limit = min(limit, f.page)
		}
		for _, k := range keys {
			if len(page.Objects) == limit {
				page.Truncated, page.NextToken = true, page.Objects[limit-1].Key
				break
			}
			page.Objects = append(page.Objects, backend.Entry{Key: k, Size: int64(len(f.objects[k].data)), ETag: f.objects[k].etag, LastModified: f.objects[k].at})
		}
		return nil
	})
	return page, err
}

func (f *fake) CreateUploadWith(ctx context.Context, _, key string, with backend.Attributes) (id string, err error) {
	err = f.call(ctx, "CreateUpload", key, func() error {
		f.ids++
		id = fmt.Sprintf("upload-%d", f.ids)
		f.uploads[id] = map[int][]byte{}
		f.with[id] = with
		return nil
	})
	return id, err
}

func (f *fake) part(ctx context.Context, op, key, id string, n int, data func() ([]byte, error)) (etag string, err error) {
	err = f.call(ctx, op, key, func() error {
		b, err := data()
		if err != nil {
			return err
		}
		if f.uploads[id] == nil {
			return &backend.Error{Kind: backend.Invalid, Op: op, Code: "NoSuchUpload"}
		}
		f.ids++
		etag = fmt.Sprintf(`"%d"`, f.ids)
		f.uploads[id][n] = b
		return nil
	})
	return etag, err
}

func (f *fake) UploadPart(ctx context.Context, _, key, id string, n int, body io.ReadSeeker, size int64) (string, error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(body, data); err != nil {
		return "", kind(backend.Source)
	}
	return f.part(ctx, "UploadPart", key, id, n, func() ([]byte, error) { return data, nil })
}

func (f *fake) CopyPart(ctx context.Context, _, key, id string, n int, source backend.CopySource, r backend.Range) (string, error) {
	return f.part(ctx, "CopyPart", key, id, n, func() ([]byte, error) {
		o, ok := f.objects[source.Key]
		if !ok {
			return nil, kind(backend.NotFound)
		}
		if source.IfMatch != o.etag {
			return nil, kind(backend.Precondition)
		}
		return o.data[r.First : r.Last+1], nil
	})
}

func (f *fake) CompleteUpload(ctx context.Context, _, key, id string, parts []backend.Part, cond backend.Conditions) (w backend.Written, err error) {
	if f.noComplete {
		cond = backend.Conditions{}
	}
	f.mu.Lock()
	cond.Attributes = f.with[id]
	f.mu.Unlock()
	err = f.call(ctx, "CompleteUpload", key, func() (err error) {
		var data []byte
		for i, p := range parts {
			b, ok := f.uploads[id][p.N]
			if !ok || i < len(parts)-1 && len(b) < 5<<20 {
				return kind(backend.Invalid)
			}
			data = append(data, b...)
		}
		if w, err = f.set(key, data, cond); err == nil {
			delete(f.uploads, id)
		}
		return err
	})
	return w, err
}

func (f *fake) AbortUpload(ctx context.Context, _, key, id string) error {
	return f.call(ctx, "AbortUpload", key, func() error { delete(f.uploads, id); return nil })
}

// copy is the same bucket again, without hooks.
func (f *fake) copy() *fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := newFake()
	c.ids, c.history = f.ids, slices.Clone(f.history)
	c.versioned, c.locks, c.lockRefuses, c.forgets, c.forgetsGrants = f.versioned, f.locks, f.lockRefuses, f.forgets, f.forgetsGrants
	for k, o := range f.objects {
		c.objects[k] = o
	}
	return c
}

// count is how many calls of an operation there were.
func (f *fake) count(op string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if strings.HasPrefix(c, op+" ") {
			n++
		}
	}
	return n
}

var errStop = errors.New("stopped by the test")
