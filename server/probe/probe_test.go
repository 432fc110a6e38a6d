package probe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// fake is a store with one bucket, in memory, and the faults of a test. It stands for
// stores that cannot run here; a real one is probed in bench/integration.
type fake struct {
	objects map[string][]byte
	uploads int
	skew    time.Duration             // of its clock
	config  map[string]*backend.Reply // by operation
	fail    map[string]error          // by operation
	lax     bool                      // ignores conditions
	deaf    bool                      // takes deletions and does not delete
	put     func()                    // called by Put
}

func newFake() *fake {
	return &fake{objects: map[string][]byte{}, config: map[string]*backend.Reply{}, fail: map[string]error{}}
}

func refused(op string, status int, kind backend.Kind, code string) error {
	return &backend.Error{Kind: kind, Op: op, Status: status, Code: code}
}

func (f *fake) Buckets(context.Context) ([]backend.Bucket, error) {
	return []backend.Bucket{{Name: "bkt"}}, f.fail["ListBuckets"]
}

func (f *fake) Relay(_ context.Context, q backend.Question) (*backend.Reply, error) {
	if err := f.fail[q.Op]; err != nil {
		return nil, err
	}
	r := f.config[q.Op]
	if r == nil {
		r = &backend.Reply{Status: 200}
	}
	r.Header = http.Header{"Date": {time.Now().Add(f.skew).UTC().Format(http.TimeFormat)}}
	return r, nil
}

func (f *fake) List(_ context.Context, _ string, opt backend.ListOptions) (*backend.Page, error) {
	page := &backend.Page{}
	for key := range f.objects {
		if strings.HasPrefix(key, opt.Prefix) {
			page.Objects = append(page.Objects, backend.Entry{Key: key})
		}
	}
	return page, f.fail["ListObjectsV2"]
}

func (f *fake) holds(op, key string, cond backend.Conditions) error {
	_, there := f.objects[key]
	if !f.lax && (cond.IfNoneMatch && there || cond.IfMatch == never) {
		return refused(op, 412, backend.Precondition, "PreconditionFailed")
	}
	return nil
}

func (f *fake) Put(ctx context.Context, _, key string, body io.Reader, _ int64, cond backend.Conditions) (backend.Written, error) {
	if f.put != nil {
		f.put()
	}
	if err := f.fail["PutObject"]; err != nil {
		return backend.Written{}, err
	}
	if err := ctx.Err(); err != nil {
		return backend.Written{}, err
	}
	if err := f.holds("PutObject", key, cond); err != nil {
		return backend.Written{}, err
	}
	b, err := io.ReadAll(body)
	f.objects[key] = b
	return backend.Written{ETag: `"x"`, Version: backend.NullVersion}, err
}

func (f *fake) Get(_ context.Context, _, key string, opt backend.GetOptions) (*backend.Object, error) {
	if err := f.fail["GetObject"]; err != nil {
		return nil, err
	}
	b := f.objects[key][opt.Range.First : opt.Range.Last+1]
	return &backend.Object{Body: io.NopCloser(bytes.NewReader(b)), Length: int64(len(b))}, nil
}

func (f *fake) Head(_ context.Context, _, key string) (*backend.Object, error) {
	if err := f.fail["HeadObject"]; err != nil {
		return nil, err
	}
	if _, ok := f.objects[key]; !ok {
		return nil, refused("HeadObject", 404, backend.NotFound, "")
	}
	return &backend.Object{}, nil
}

func (f *fake) DeleteWith(ctx context.Context, _, key string, _ backend.DeleteOptions) (backend.Deleted, error) {
	if err := f.fail["DeleteObject"]; err != nil {
		return backend.Deleted{}, err
	}
	if !f.deaf && ctx.Err() == nil {
		delete(f.objects, key)
	}
	return backend.Deleted{}, ctx.Err()
}

func (f *fake) CreateUpload(context.Context, string, string) (string, error) {
	if err := f.fail["CreateMultipartUpload"]; err != nil {
		return "", err
	}
	f.uploads++
	return "id", nil
}

func (f *fake) UploadPart(context.Context, string, string, string, int, io.ReadSeeker, int64) (string, error) {
	return `"p"`, f.fail["UploadPart"]
}

func (f *fake) CopyPart(context.Context, string, string, string, int, backend.CopySource, backend.Range) (string, error) {
	return `"p"`, f.fail["UploadPartCopy"]
}

func (f *fake) CompleteUpload(_ context.Context, _, key, _ string, _ []backend.Part, cond backend.Conditions) (backend.Written, error) {
	if err := f.holds("CompleteMultipartUpload", key, cond); err != nil {
		return backend.Written{}, err
	}
	f.uploads--
	return backend.Written{}, nil
}

func (f *fake) AbortUpload(ctx context.Context, _, _, _ string) error {
	if err := f.fail["AbortMultipartUpload"]; err != nil {
		return err
	}
	f.uploads--
	return ctx.Err()
}

// left is what the fake holds that it did not hold before.
func (f *fake) left(t *testing.T) {
	t.Helper()
	if len(f.objects) != 0 || f.uploads != 0 {
		t.Errorf("left behind: %d objects, %d uploads", len(f.objects), f.uploads)
	}
}

func text(findings []Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s %s: %s\n", f.Verdict, f.Question, f.Detail)
	}
	return b.String()
}

func TestAGoodStore(t *testing.T) {
	f := newFake()
	found := Bucket(t.Context(), f, "bkt")
	if len(found) < 9 {
		t.Errorf("only %d questions:\n%s", len(found), text(found))
	}
	for _, x := range found {
		if x.Verdict != OK {
			t.Errorf("%s: %s: %s", x.Verdict, x.Question, x.Detail)
		}
	}
	f.left(t)
	if s := Service(t.Context(), f); s.Verdict != OK || s.Detail != "1 buckets" {
		t.Errorf("%+v", s)
	}
	f.objects[trialPrefix+"of-a-proxy-that-died"] = nil
	if got := text(Bucket(t.Context(), f, "bkt")); !strings.Contains(got, "ok listing: the bucket is empty") {
		t.Error(got)
	}
	f.objects[format.StateKey], f.objects["a/b"] = nil, nil
	if got := text(Bucket(t.Context(), f, "bkt")); !strings.Contains(got, "the bucket holds sealed objects") {
		t.Error(got)
	}
}

// TestFaultsAreFound: each fault by its own line, and what was written goes.
func TestFaultsAreFound(t *testing.T) {
	denied := refused("x", 403, backend.Denied, "AccessDenied")
	for name, c := range map[string]struct {
		set  func(*fake)
		says []string
		ends bool // nothing was asked after it
		left bool // and cannot go
	}{
		"no bucket": {set: func(f *fake) { f.config["GetBucketVersioning"] = &backend.Reply{Status: 404, Code: "NoSuchBucket"} }, says: []string{"failed bucket: it does not exist"}, ends: true},
		"wrong secret": {set: func(f *fake) {
			f.config["GetBucketVersioning"] = &backend.Reply{Status: 403, Code: "SignatureDoesNotMatch", Message: "It does not."}
		}, says: []string{"failed bucket: 403 SignatureDoesNotMatch: It does not; look at backend.access_key"}, ends: true},
		"no permission": {set: func(f *fake) {
			f.config["GetBucketVersioning"] = &backend.Reply{Status: 403, Code: "AccessDenied"}
		}, says: []string{"warning bucket: whether it keeps versions is not known: 403 AccessDenied; these credentials lack the permission s3:GetBucketVersioning", "ok clock", "ok listing", "ok writing"}},
		"no such question": {set: func(f *fake) {
			f.config["GetBucketVersioning"] = &backend.Reply{Status: 405, Code: "MethodNotAllowed"}
		}, says: []string{"warning bucket: whether it keeps versions is not known: 405 MethodNotAllowed", "ok writing"}},
		"another region": {set: func(f *fake) {
			f.config["GetBucketVersioning"] = &backend.Reply{Status: 301, Code: "PermanentRedirect"}
			f.fail["ListObjectsV2"] = refused("ListObjectsV2", 301, backend.Busy, "PermanentRedirect")
		}, says: []string{"warning bucket:", "failed listing:", "look at backend.endpoint, backend.region"}, ends: true},
		"a lost state":    {set: func(f *fake) { f.objects["a/b"] = nil }, says: []string{"failed listing: the bucket holds objects, and no _objcryptproxy___.json"}, left: true},
		"nobody there":    {set: func(f *fake) { f.fail["GetBucketVersioning"] = refused("x", 0, backend.Unreachable, "") }, says: []string{"failed bucket:", "look at backend.endpoint"}, ends: true},
		"a clock far off": {set: func(f *fake) { f.skew = -time.Hour }, says: []string{"failed clock: the backend's is -1h0m0s away"}},
		"a clock off":     {set: func(f *fake) { f.skew = 5 * time.Minute }, says: []string{"warning clock: the backend's is 5m0s away"}},
		"versions": {set: func(f *fake) {
			f.config["GetBucketVersioning"] = &backend.Reply{Status: 200, Body: []byte("<Status>Enabled</Status>")}
		}, says: []string{"ok bucket: it keeps versions"}},
		"locked": {set: func(f *fake) {
			f.config["GetObjectLockConfiguration"] = &backend.Reply{Status: 200, Body: []byte("<DefaultRetention>")}
		}, says: []string{"warning object lock: the bucket locks every new object"}, ends: true},
		"locks that nobody may ask for": {set: func(f *fake) {
			f.config["GetObjectLockConfiguration"] = &backend.Reply{Status: 403, Code: "AccessDenied"}
		}, says: []string{"warning object lock: whether the bucket locks every new object is not known (403 AccessDenied; these credentials lack the permission s3:GetBucketObjectLockConfiguration)"}, ends: true},
		"locks that are not told": {set: func(f *fake) {
			f.fail["GetObjectLockConfiguration"] = refused("x", 503, backend.Busy, "ServiceUnavailable")
		},
			says: []string{"warning object lock: whether the bucket locks every new object is not known"}, ends: true},
		"no locks": {set: func(f *fake) {
			f.config["GetObjectLockConfiguration"] = &backend.Reply{Status: 404, Code: "ObjectLockConfigurationNotFoundError"}
		}, says: []string{"ok writing:"}},
		"no listing":     {set: func(f *fake) { f.fail["ListObjectsV2"] = denied }, says: []string{"failed listing:", "lack the permission s3:ListBucket"}, ends: true},
		"no writing":     {set: func(f *fake) { f.fail["PutObject"] = denied }, says: []string{"failed writing:"}, ends: true},
		"no reading":     {set: func(f *fake) { f.fail["GetObject"] = denied }, says: []string{"failed reading a range:"}},
		"no uploads":     {set: func(f *fake) { f.fail["CreateMultipartUpload"] = denied }, says: []string{"failed uploads in parts: large objects cannot be stored"}},
		"no copying":     {set: func(f *fake) { f.fail["UploadPartCopy"] = refused("x", 501, backend.Invalid, "NotImplemented") }, says: []string{"warning copying inside the backend:"}},
		"no deleting":    {set: func(f *fake) { f.fail["DeleteObject"] = denied }, says: []string{"warning deleting: the object _objcryptproxy___trial-check-"}, left: true},
		"deaf":           {set: func(f *fake) { f.deaf = true }, says: []string{"warning deleting: the object _objcryptproxy___trial-check-"}, left: true},
		"403 for absent": {set: func(f *fake) { f.fail["HeadObject"] = denied }, says: []string{"failed deleting: what was deleted is not answered as absent"}},
		"uploads stay":   {set: func(f *fake) { f.fail["AbortMultipartUpload"] = denied }, says: []string{"warning uploads in parts: an unfinished upload of _objcryptproxy___trial-check-"}, left: true},
		"lax": {set: func(f *fake) { f.lax = true }, says: []string{"warning writing with If-None-Match: the store ignores the condition", "warning writing with If-Match: the store ignores",
			"warning writing with If-None-Match in parts: the store ignores"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			c.set(f)
			found := Bucket(t.Context(), f, "bkt")
			got := text(found)
			for _, want := range c.says {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			if last := found[len(found)-1]; c.ends != (last.Verdict != OK && last.Question != "deleting") && !c.left {
				t.Errorf("it ends with %q", last.Question)
			}
			if !c.left {
				f.left(t)
			}
		})
	}
}

// TestProbeObjectGoes: also when the caller gives up after the first write, and when
// nobody knows whether it took place.
func TestProbeObjectGoes(t *testing.T) {
	f := newFake()
	ctx, cancel := context.WithCancel(t.Context())
	puts := 0
	f.put = func() {
		if puts++; puts == 2 {
			cancel()
		}
	}
	Bucket(ctx, f, "bkt")
	if puts < 2 {
		t.Fatalf("%d writes", puts)
	}
	f.left(t)

	f = newFake()
	f.fail["PutObject"] = refused("PutObject", 500, backend.Busy, "InternalError")
	if got := text(Bucket(t.Context(), f, "bkt")); !strings.Contains(got, "deleting") {
		t.Errorf("a write whose answer was lost is not removed:\n%s", got)
	}
}
