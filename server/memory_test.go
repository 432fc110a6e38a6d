package server

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/url"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// memory is a Backend over a map, for what a real server cannot be made to do:
// fail at a chosen call, lie, and tell how often it was asked. What the real
// servers do is tested against a real one in bench/integration.
type memory struct {
	mu          sync.Mutex
	buckets     map[string]map[string]*blob
	uploads     map[string]map[int][]byte
	uploadsWith map[string]backend.Attributes
	uploadsOf   map[string][2]string // bucket and key
	calls       []string             // "Op bucket/key"
	ids         int
	partTime    time.Time // of every part
	summed      int       // uploads whose checksum was known before

	deleted []backend.DeleteOptions // of every removal but those of trials

	versioning map[string]string             // by bucket: "", Enabled, Suspended
	history    map[string]map[string][]*blob // by bucket and key: all versions, the newest first

	asked []backend.Question // by Relay
	reply *backend.Reply     // of Relay, nil = a small document

	denyVersions bool // reads of versions are refused

	// before, if set, may fail a call instead of running it.
	before func(op, bucket, key string) error
	// body, if set, replaces the reader of a Get's body.
	body func(io.Reader) io.Reader
	// lax: conditions of writes mean nothing to this store. laxParts: nor do those
	// of CompleteUpload.
	lax, laxParts bool
	// committed, if set, runs after a Put took effect, before it returns.
	committed func(key string)
	// replaced: CompleteUpload says so of what it makes.
	replaced bool
}

type blob struct {
	data []byte
	etag string
	time time.Time
	with backend.Attributes

	version string // "" where the bucket never had versions
	marker  bool   // a delete marker
}

func newMemory(buckets ...string) *memory {
	m := &memory{versioning: map[string]string{}, history: map[string]map[string][]*blob{}, buckets: map[string]map[string]*blob{}, uploads: map[string]map[int][]byte{}, uploadsWith: map[string]backend.Attributes{}, uploadsOf: map[string][2]string{}, partTime: time.Unix(1768478400, 0)}
	for _, b := range buckets {
		m.buckets[b] = map[string]*blob{}
	}
	return m
}

func fault4(kind backend.Kind, op string) error {
	return &backend.Error{Kind: kind, Op: op}
}

// enter logs a call, and fails it where the test wants so.
func (m *memory) enter(op, bucket, key string) (map[string]*blob, error) {
	m.calls = append(m.calls, op+" "+bucket+"/"+key)
	if m.before != nil {
		if err := m.before(op, bucket, key); err != nil {
			return nil, err
		}
	}
	b, ok := m.buckets[bucket]
	if !ok && bucket != "" {
		return nil, fault4(backend.NoBucket, op)
	}
	return b, nil
}

func (m *memory) Get(_ context.Context, bucket, key string, opt backend.GetOptions) (*backend.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.enter("Get", bucket, key)
	if err != nil {
		return nil, err
	}
	o, err := m.find("Get", bucket, b[key], key, opt.Version)
	if err != nil {
		return nil, err
	}
	if opt.IfMatch != "" && opt.IfMatch != o.etag {
		return nil, fault4(backend.Precondition, "Get")
	}
	data := o.data
	if r := opt.Range; r != nil {
		if r.First >= int64(len(data)) {
			return nil, fmt.Errorf("cannot get: %w", backend.ErrRange)
		}
		data = data[r.First:min(r.Last+1, int64(len(data)))]
	}
	var body io.Reader = bytes.NewReader(data)
	if m.body != nil {
		body = m.body(body)
	}
	return &backend.Object{Body: io.NopCloser(body), Length: int64(len(data)), Size: int64(len(o.data)), ETag: o.etag, LastModified: o.time, Version: o.version, Attributes: o.with}, nil
}

func (m *memory) Head(ctx context.Context, bucket, key string) (*backend.Object, error) {
	return m.HeadVersion(ctx, bucket, key, "")
}

func (m *memory) HeadVersion(_ context.Context, bucket, key, version string) (*backend.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.enter("Head", bucket, key)
	if err != nil {
		return nil, err
	}
	o, err := m.find("Head", bucket, b[key], key, version)
	if err != nil {
		return nil, err
	}
	return &backend.Object{Size: int64(len(o.data)), ETag: o.etag, LastModified: o.time, Version: o.version, Attributes: o.with}, nil
}

func (m *memory) Put(_ context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (w backend.Written, err error) {
	data, err := readAll(body, size)
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := body.(backend.Summed); ok && err == nil {
		if got := crc32.Checksum(data, castagnoli); s.CRC32C() != got {
			panic(fmt.Sprintf("%s/%s is said to have the CRC32C %08x, and has %08x", bucket, key, s.CRC32C(), got))
		}
		m.summed++
	}
	b, ferr := m.enter("Put", bucket, key)
	switch {
	case ferr != nil:
		return w, ferr
	case err != nil:
		return w, fault4(backend.Busy, "Put")
	case int64(len(data)) != size:
		return w, fault4(backend.Busy, "Put")
	}
	w, err = m.commit(bucket, b, key, data, cond)
	if err == nil && m.committed != nil {
		m.committed(key)
	}
	return w, err
}

func (m *memory) commit(bucket string, b map[string]*blob, key string, data []byte, cond backend.Conditions) (w backend.Written, err error) {
	old, exists := b[key]
	if cond.IfMatch != "" && !exists { // as S3 and versitygw answer; it is no NotFound (backend/verdict.go)
		return w, &backend.Error{Kind: backend.Busy, Op: "Put", Status: 404, Code: "NoSuchKey"}
	}
	if !m.lax && cond.IfNoneMatch && exists || cond.IfMatch != "" && old.etag != cond.IfMatch {
		return w, fault4(backend.Precondition, "Put")
	}
	etag := fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum(data)))
	o := &blob{data: data, etag: etag, time: time.Unix(1768478400, 0), with: cond.Attributes}
	m.remember(bucket, key, b[key], o)
	b[key] = o
	return backend.Written{ETag: etag, Version: o.version}, nil
}

func (m *memory) Delete(ctx context.Context, bucket, key string) error {
	_, err := m.DeleteWith(ctx, bucket, key, backend.DeleteOptions{})
	return err
}

func (m *memory) DeleteWith(_ context.Context, bucket, key string, with backend.DeleteOptions) (d backend.Deleted, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.enter("Delete", bucket, key)
	if err != nil {
		return d, err
	}
	if with.IfMatch != "" && (b[key] == nil || b[key].etag != with.IfMatch) {
		return d, fault4(backend.Precondition, "Delete")
	}
	if !isTrial(key) {
		m.deleted = append(m.deleted, with)
	}
	return m.remove(bucket, b, key, with.Version)
}

func (m *memory) DeleteMany(ctx context.Context, bucket string, keys []string) ([]backend.DeleteResult, error) {
	ids := make([]backend.ObjectID, len(keys))
	for i, k := range keys {
		ids[i].Key = k
	}
	return m.DeleteManyWith(ctx, bucket, ids, backend.DeleteOptions{})
}

func (m *memory) DeleteManyWith(_ context.Context, bucket string, ids []backend.ObjectID, with backend.DeleteOptions) ([]backend.DeleteResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.enter("DeleteMany", bucket, "")
	if err != nil {
		return nil, err
	}
	var out []backend.DeleteResult
	m.deleted = append(m.deleted, with)
	for _, id := range ids {
		d, err := m.remove(bucket, b, id.Key, id.Version)
		out = append(out, backend.DeleteResult{ObjectID: id, Deleted: d, Err: err})
	}
	return out, nil
}

func (m *memory) List(_ context.Context, bucket string, opt backend.ListOptions) (*backend.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.enter("List", bucket, opt.Prefix)
	if err != nil {
		return nil, err
	}
	// Names and common prefixes in one order, as S3 pages them.
	names, group := map[string]bool{}, map[string]bool{}
	for k := range b {
		if !strings.HasPrefix(k, opt.Prefix) || k <= opt.StartAfter {
			continue
		}
		if at := strings.Index(k[len(opt.Prefix):], opt.Delimiter); opt.Delimiter != "" && at >= 0 {
			k = k[:len(opt.Prefix)+at+len(opt.Delimiter)]
			group[k] = true
		}
		if k > opt.ContinuationToken {
			names[k] = true
		}
	}
	page := &backend.Page{}
	for n, k := range slices.Sorted(maps.Keys(names)) {
		if n == opt.MaxKeys {
			page.Truncated = true
			break
		}
		page.NextToken = k
		if group[k] {
			page.CommonPrefixes = append(page.CommonPrefixes, k)
			continue
		}
		page.Objects = append(page.Objects, backend.Entry{Key: k, Size: int64(len(b[k].data)), ETag: b[k].etag, LastModified: b[k].time})
	}
	return page, nil
}

func (m *memory) Buckets(context.Context) ([]backend.Bucket, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.enter("Buckets", "", ""); err != nil {
		return nil, err
	}
	var out []backend.Bucket
	for b := range m.buckets {
		out = append(out, backend.Bucket{Name: b, Created: time.Unix(1768478400, 0)})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

func (m *memory) HeadBucket(_ context.Context, bucket string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.enter("HeadBucket", bucket, "")
	return err
}

func (m *memory) CreateBucket(_ context.Context, bucket string, _ backend.BucketOptions) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.buckets[bucket] != nil {
		return &backend.Error{Kind: backend.Busy, Op: "CreateBucket", Status: 409, Code: "BucketAlreadyOwnedByYou"}
	}
	m.calls = append(m.calls, "CreateBucket "+bucket+"/")
	m.buckets[bucket] = map[string]*blob{}
	return nil
}

func (m *memory) DeleteBucket(_ context.Context, bucket string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.enter("DeleteBucket", bucket, "")
	if err != nil {
		return err
	}
	if len(b) > 0 {
		return &backend.Error{Kind: backend.Busy, Op: "DeleteBucket", Status: 409, Code: "BucketNotEmpty"}
	}
	delete(m.buckets, bucket)
	for id, of := range m.uploadsOf {
		if of[0] == bucket {
			delete(m.uploads, id)
		}
	}
	return nil
}

func (m *memory) CreateUpload(ctx context.Context, bucket, key string) (string, error) {
	return m.CreateUploadWith(ctx, bucket, key, backend.Attributes{})
}

func (m *memory) CreateUploadWith(_ context.Context, bucket, key string, with backend.Attributes) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.enter("CreateUpload", bucket, key); err != nil {
		return "", err
	}
	m.ids++
	id := fmt.Sprintf("upload-%d", m.ids)
	m.uploads[id] = map[int][]byte{}
	m.uploadsWith[id] = with
	m.uploadsOf[id] = [2]string{bucket, key}
	return id, nil
}

func (m *memory) part(op, bucket, key, id string, n int, data []byte) (string, error) {
	if _, err := m.enter(op, bucket, key); err != nil {
		return "", err
	}
	if m.uploads[id] == nil {
		return "", noUpload(op)
	}
	m.uploads[id][n] = data
	return fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum(data))), nil
}

// noUpload is what a store says of an upload that was completed or aborted.
func noUpload(op string) error {
	return &backend.Error{Kind: backend.Invalid, Op: op, Status: 404, Code: "NoSuchUpload"}
}

func (m *memory) UploadPart(ctx context.Context, bucket, key, id string, n int, body io.ReadSeeker, size int64) (string, error) {
	return m.StreamPart(ctx, bucket, key, id, n, body, size)
}

func (m *memory) StreamPart(_ context.Context, bucket, key, id string, n int, body io.Reader, size int64) (string, error) {
	data, err := readAll(body, size)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil || int64(len(data)) != size {
		return "", fault4(backend.Busy, "UploadPart")
	}
	return m.part("UploadPart", bucket, key, id, n, data)
}

func (m *memory) CopyPart(_ context.Context, bucket, key, id string, n int, source backend.CopySource, r backend.Range) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, err := m.find("CopyPart", source.Bucket, m.buckets[source.Bucket][source.Key], source.Key, source.Version)
	if err != nil {
		return "", err
	}
	if source.IfMatch != o.etag {
		return "", fault4(backend.Precondition, "CopyPart")
	}
	return m.part("CopyPart", bucket, key, id, n, bytes.Clone(o.data[r.First:r.Last+1]))
}

func (m *memory) CompleteUpload(_ context.Context, bucket, key, id string, parts []backend.Part, cond backend.Conditions) (w backend.Written, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.enter("CompleteUpload", bucket, key)
	if err != nil {
		return w, err
	}
	if m.uploads[id] == nil {
		return w, noUpload("CompleteUpload")
	}
	var data []byte
	for i, p := range parts {
		piece, ok := m.uploads[id][p.N]
		if !ok || i > 0 && parts[i-1].N >= p.N || i < len(parts)-1 && len(piece) < minPart || p.ETag != fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum(piece))) {
			return w, &backend.Error{Kind: backend.Invalid, Op: "CompleteUpload", Status: 400, Code: "InvalidPart"}
		}
		data = append(data, piece...)
	}
	cond.Attributes = m.uploadsWith[id]
	if m.laxParts {
		cond = backend.Conditions{Attributes: cond.Attributes}
	}
	w, err = m.commit(bucket, b, key, data, cond)
	w.Replaced = m.replaced
	if err == nil {
		delete(m.uploads, id)
		if m.committed != nil {
			m.committed(key)
		}
	}
	return w, err
}

func (m *memory) AbortUpload(_ context.Context, bucket, key, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.enter("AbortUpload", bucket, key)
	delete(m.uploads, id)
	return err
}

// Parts lists parts as stored.
func (m *memory) Parts(_ context.Context, bucket, key, id string, after, max int) (*backend.PartPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.enter("Parts", bucket, key); err != nil {
		return nil, err
	}
	if m.uploads[id] == nil {
		return nil, noUpload("Parts")
	}
	page := &backend.PartPage{}
	for _, n := range slices.Sorted(maps.Keys(m.uploads[id])) {
		switch {
		case n <= after:
		case len(page.Parts) == max:
			page.Truncated = true
			return page, nil
		default:
			data := m.uploads[id][n]
			page.Parts = append(page.Parts, backend.StoredPart{Part: backend.Part{N: n, ETag: fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum(data)))}, Size: int64(len(data)), LastModified: m.partTime})
		}
	}
	return page, nil
}

// Relay repeats what it was asked: what real stores answer is tested against one.
func (m *memory) Relay(_ context.Context, q backend.Question) (*backend.Reply, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.enter("Relay", q.Bucket, q.Key); err != nil {
		return nil, err
	}
	m.asked = append(m.asked, q)
	if q.Op == "GetObjectTagging" && q.Query.Has("tagging") && m.reply == nil {
		return m.tags(q.Bucket, q.Key, q.Query.Get("versionId")), nil // of a copy's source
	}
	switch {
	case m.reply != nil:
		return m.reply, nil
	case q.Query.Has("uploads"):
		return &backend.Reply{Status: 200, Body: []byte("<ListMultipartUploadsResult>" + m.inProgress(q.Bucket) + "</ListMultipartUploadsResult>")}, nil
	case q.Query.Has("versions"):
		return &backend.Reply{Status: 501, Code: "NotImplemented"}, nil
	}
	return &backend.Reply{Status: 200, Body: []byte("<Asked/>")}, nil
}

// inProgress is a bucket's uploads as a document has them, with keys in their url encoding.
func (m *memory) inProgress(bucket string) string {
	var doc strings.Builder
	doc.WriteString("<EncodingType>url</EncodingType>")
	for id := range m.uploads {
		if of := m.uploadsOf[id]; of[0] == bucket {
			fmt.Fprintf(&doc, "<Upload><Key>%s</Key><UploadId>%s</UploadId></Upload>", url.QueryEscape(of[1]), id)
		}
	}
	return doc.String()
}

// tags is an object's tag set as a document.
func (m *memory) tags(bucket, key, version string) *backend.Reply {
	o, err := m.find("Tags", bucket, m.buckets[bucket][key], key, version)
	if err != nil {
		return &backend.Reply{Status: 404, Code: "NoSuchKey"}
	}
	var doc strings.Builder
	doc.WriteString("<Tagging><TagSet>")
	for pair := range strings.SplitSeq(o.with.Tagging, "&") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			fmt.Fprintf(&doc, "<Tag><Key>%s</Key><Value>%s</Value></Tag>", key, value)
		}
	}
	doc.WriteString("</TagSet></Tagging>")
	return &backend.Reply{Status: 200, Body: []byte(doc.String())}
}

func (m *memory) Connections() int64 { return 1 }

// stored returns an object's sealed bytes, or nil.
func (m *memory) stored(bucket, key string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o, ok := m.buckets[bucket][key]; ok {
		return o.data
	}
	return nil
}

// tamper replaces an object's sealed bytes.
func (m *memory) tamper(bucket, key string, edit func([]byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.buckets[bucket][key]
	o.data = edit(bytes.Clone(o.data))
}

// callsSince returns what was asked of the backend after the first n calls.
func (m *memory) callsSince(n int) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.calls[n:]...)
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.calls)
}
