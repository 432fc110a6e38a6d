package server

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// wireStore is memory behind HTTP, for what must be seen on the wire between the proxy
// and a store. It takes keys from the raw request target, decoded once.
type wireStore struct {
	*memory
	*httptest.Server
	// tidy, if set, is what the store makes of a key.
	tidy func(bucket, key string) (string, string)
	// plainLists: a store that does not know encoding-type.
	plainLists bool
	// deaf: a store that takes conditions on writes and removals, and ignores them.
	deaf bool
	// slow: every write takes that long. hold, if set, is called before every request.
	slow time.Duration
	hold func(*http.Request)

	mu      sync.Mutex
	targets []string // raw, in order, with the method in front
	headers []http.Header
}

// newWireRig is a rig whose backend is the real client, talking to a wireStore.
func newWireRig(t *testing.T, change ...func(*Config)) (*rig, *wireStore) {
	t.Helper()
	w := &wireStore{memory: newMemory("bkt", "other")}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	client, err := backend.New(backend.Config{Endpoint: w.URL, Region: "us-east-1", AccessKey: "AKSTORE", SecretKey: "storesecretkey", PathStyle: true, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	g := newRig(t, append([]func(*Config){func(c *Config) { c.Backend = client }}, change...)...)
	g.store = w.memory
	return g, w
}

// asked returns the raw targets since the first n, and how many there are.
func (w *wireStore) asked(n int) ([]string, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.targets[n:]...), len(w.targets)
}

func (w *wireStore) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.targets = append(w.targets, r.Method+" "+r.RequestURI)
	w.headers = append(w.headers, r.Header.Clone())
	w.mu.Unlock()
	w.memory.mu.Lock()
	hold, slow := w.hold, w.slow
	w.memory.mu.Unlock()
	if hold != nil {
		hold(r)
	}
	if r.Method != "GET" && r.Method != "HEAD" {
		time.Sleep(slow)
	}
	path, rawQuery, _ := strings.Cut(r.RequestURI, "?")
	bucket, escaped, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	key, err := url.PathUnescape(escaped)
	query, qerr := url.ParseQuery(rawQuery)
	if err != nil || qerr != nil {
		w.fault(rw, http.StatusBadRequest, "InvalidURI")
		return
	}
	if w.tidy != nil && key != "" {
		bucket, key = w.tidy(bucket, key)
	}
	if err := w.answer(rw, r, bucket, key, query); err != nil {
		var e *backend.Error
		status, code := 500, "InternalError"
		if errors.As(err, &e) {
			switch e.Kind {
			case backend.NotFound:
				status, code = 404, "NoSuchKey"
			case backend.NoBucket:
				status, code = 404, "NoSuchBucket"
			case backend.Precondition:
				status, code = 412, "PreconditionFailed"
			case backend.Invalid:
				status, code = e.Status, e.Code
			}
			if e.Status != 0 && e.Code != "" {
				status, code = e.Status, e.Code
			}
		} else if errors.Is(err, backend.ErrRange) {
			status, code = 416, "InvalidRange"
		}
		w.fault(rw, status, code)
	}
}

func (w *wireStore) fault(rw http.ResponseWriter, status int, code string) {
	rw.Header().Set("Content-Type", "application/xml")
	rw.WriteHeader(status)
	fmt.Fprintf(rw, "<Error><Code>%s</Code></Error>", code)
}

func (w *wireStore) answer(rw http.ResponseWriter, r *http.Request, bucket, key string, q url.Values) error {
	ctx, id := r.Context(), q.Get("uploadId")
	number, _ := strconv.Atoi(q.Get("partNumber"))
	document := func(format string, args ...any) error {
		rw.Header().Set("Content-Type", "application/xml")
		_, err := fmt.Fprintf(rw, xml.Header+format, args...)
		return err
	}
	switch {
	case key == "" && r.Method == "POST" && q.Has("delete"):
		return w.deleteMany(rw, r, bucket)
	case key == "" && r.Method == "GET":
		return w.list(rw, ctx, bucket, q)
	case key == "":
		return w.memory.HeadBucket(ctx, bucket)
	case q.Has("tagging"):
		return &backend.Error{Kind: backend.Busy, Status: 404, Code: "NoSuchTagSet"}
	case r.Method == "GET" || r.Method == "HEAD":
		return w.read(rw, r, bucket, key)
	case r.Method == "PUT" && r.Header.Get("X-Amz-Copy-Source") != "":
		source, err := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source"))
		if err != nil {
			return err
		}
		srcBucket, srcKey, _ := strings.Cut(strings.TrimPrefix(source, "/"), "/")
		var span backend.Range
		if _, err := fmt.Sscanf(r.Header.Get("X-Amz-Copy-Source-Range"), "bytes=%d-%d", &span.First, &span.Last); err != nil {
			return err
		}
		etag, err := w.memory.CopyPart(ctx, bucket, key, id, number, backend.CopySource{Bucket: srcBucket, Key: srcKey, IfMatch: r.Header.Get("X-Amz-Copy-Source-If-Match")}, span)
		if err != nil {
			return err
		}
		return document("<CopyPartResult><ETag>%s</ETag></CopyPartResult>", escapeXML(etag))
	case r.Method == "PUT" && id != "":
		etag, err := w.memory.StreamPart(ctx, bucket, key, id, number, r.Body, r.ContentLength)
		if err == nil {
			rw.Header().Set("ETag", etag)
		}
		return err
	case r.Method == "PUT":
		made, err := w.memory.Put(ctx, bucket, key, r.Body, r.ContentLength, w.conditionsOf(r))
		if err == nil {
			rw.Header().Set("ETag", made.ETag)
		}
		return err
	case r.Method == "POST" && q.Has("uploads"):
		id, err := w.memory.CreateUpload(ctx, bucket, key)
		if err != nil {
			return err
		}
		return document("<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id)
	case r.Method == "POST":
		var doc struct {
			Part []struct {
				PartNumber int
				ETag       string
			}
		}
		if err := xml.NewDecoder(r.Body).Decode(&doc); err != nil {
			return err
		}
		var parts []backend.Part
		for _, p := range doc.Part {
			parts = append(parts, backend.Part{N: p.PartNumber, ETag: p.ETag})
		}
		made, err := w.memory.CompleteUpload(ctx, bucket, key, id, parts, w.conditionsOf(r))
		if err != nil {
			return err
		}
		return document("<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>", escapeXML(made.ETag))
	case r.Method == "DELETE":
		if id != "" {
			if err := w.memory.AbortUpload(ctx, bucket, key, id); err != nil {
				return err
			}
		} else if _, err := w.memory.DeleteWith(ctx, bucket, key, backend.DeleteOptions{IfMatch: w.conditionsOf(r).IfMatch}); err != nil {
			return err
		}
		rw.WriteHeader(http.StatusNoContent)
	}
	return &backend.Error{Kind: backend.Busy, Status: 501, Code: "NotImplemented"}
}

func (w *wireStore) conditionsOf(r *http.Request) backend.Conditions {
	w.memory.mu.Lock()
	defer w.memory.mu.Unlock()
	if w.deaf {
		return backend.Conditions{}
	}
	return backend.Conditions{IfNoneMatch: r.Header.Get("If-None-Match") == "*", IfMatch: r.Header.Get("If-Match")}
}

func (w *wireStore) read(rw http.ResponseWriter, r *http.Request, bucket, key string) error {
	opt := backend.GetOptions{IfMatch: r.Header.Get("If-Match")}
	if spec := r.Header.Get("Range"); spec != "" {
		opt.Range = &backend.Range{}
		if _, err := fmt.Sscanf(spec, "bytes=%d-%d", &opt.Range.First, &opt.Range.Last); err != nil {
			return err
		}
	}
	o, err := w.memory.Get(r.Context(), bucket, key, opt)
	if err != nil {
		return err
	}
	h := rw.Header()
	h.Set("ETag", o.ETag)
	h.Set("Last-Modified", o.LastModified.UTC().Format(http.TimeFormat))
	h.Set("Content-Length", strconv.FormatInt(o.Length, 10))
	if opt.Range != nil {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", opt.Range.First, opt.Range.First+o.Length-1, o.Size))
		rw.WriteHeader(http.StatusPartialContent)
	}
	_, err = io.Copy(rw, o.Body)
	return err
}

func (w *wireStore) list(rw http.ResponseWriter, ctx context.Context, bucket string, q url.Values) error {
	limit, _ := strconv.Atoi(q.Get("max-keys"))
	page, err := w.memory.List(ctx, bucket, backend.ListOptions{Prefix: q.Get("prefix"), Delimiter: q.Get("delimiter"), StartAfter: q.Get("start-after"), ContinuationToken: q.Get("continuation-token"), MaxKeys: limit})
	if err != nil {
		return err
	}
	enc, kind := escapeXML, ""
	if !w.plainLists && q.Get("encoding-type") == "url" {
		enc, kind = url.QueryEscape, "<EncodingType>url</EncodingType>"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `%s<ListBucketResult><Name>%s</Name>%s<IsTruncated>%v</IsTruncated>`, xml.Header, bucket, kind, page.Truncated)
	if page.Truncated {
		fmt.Fprintf(&b, "<NextContinuationToken>%s</NextContinuationToken>", escapeXML(page.NextToken))
	}
	for _, o := range page.Objects {
		fmt.Fprintf(&b, "<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>%s</ETag><Size>%d</Size></Contents>", enc(o.Key), o.LastModified.UTC().Format(xmlTime), escapeXML(o.ETag), o.Size)
	}
	for _, p := range page.CommonPrefixes {
		fmt.Fprintf(&b, "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", enc(p))
	}
	b.WriteString("</ListBucketResult>")
	rw.Header().Set("Content-Type", "application/xml")
	_, err = io.WriteString(rw, b.String())
	return err
}

func (w *wireStore) deleteMany(rw http.ResponseWriter, r *http.Request, bucket string) error {
	var doc struct {
		Object []struct{ Key string }
	}
	if err := xml.NewDecoder(r.Body).Decode(&doc); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(xml.Header + "<DeleteResult>")
	for _, o := range doc.Object {
		key := o.Key
		if w.tidy != nil {
			bucket, key = w.tidy(bucket, key)
		}
		if err := w.memory.Delete(r.Context(), bucket, key); err != nil {
			return err
		}
		fmt.Fprintf(&b, "<Deleted><Key>%s</Key></Deleted>", escapeXML(o.Key))
	}
	b.WriteString("</DeleteResult>")
	rw.Header().Set("Content-Type", "application/xml")
	_, err := io.WriteString(rw, b.String())
	return err
}

func escapeXML(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic(err)
	}
	return b.String()
}
