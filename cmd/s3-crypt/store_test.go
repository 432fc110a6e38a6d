package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// store is a small S3 server in memory with one bucket, as far as this command
// asks for it. A real one is used in bench/integration.
type store struct {
	*httptest.Server

	mu      sync.Mutex
	objects map[string]object
	uploads map[string][]byte
	ids     int
	puts    int // of clients' objects
	lax     bool
	down    bool
}

type object struct {
	data []byte
	etag string
}

const bucket = "backups"

func newStore() *store {
	s := &store{objects: map[string]object{}, uploads: map[string][]byte{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

func (s *store) set(key string, data []byte) string {
	s.ids++
	etag := fmt.Sprintf(`"%032x"`, s.ids)
	s.objects[key] = object{data, etag}
	return etag
}

func refuse(w http.ResponseWriter, r *http.Request, status int, code string) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
}

func (s *store) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	switch {
	case s.down:
		refuse(w, r, 403, "AccessDenied")
	case name != bucket:
		refuse(w, r, 404, "NoSuchBucket")
	case r.Method == "GET" && (q.Has("tagging") || q.Has("acl") || q.Has("object-lock") || q.Has("versioning")):
		refuse(w, r, 501, "NotImplemented")
	case key == "":
		s.list(w, q)
	case r.Method == "POST" && q.Has("uploads"):
		s.ids++
		id := strconv.Itoa(s.ids)
		s.uploads[id] = nil
		answerXML(w, "InitiateMultipartUploadResult", "<UploadId>"+id+"</UploadId>")
	case r.Method == "DELETE":
		delete(s.uploads, q.Get("uploadId"))
		if !q.Has("uploadId") {
			delete(s.objects, key)
		}
		w.WriteHeader(204)
	case r.Method == "PUT" && q.Has("uploadId"):
		s.uploads[q.Get("uploadId")], _ = io.ReadAll(r.Body)
		w.Header().Set("ETag", `"00000000000000000000000000000001"`)
	case s.refuses(w, r, key):
	case r.Method == "PUT":
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if !strings.HasPrefix(key, "_") {
			s.puts++
		}
		w.Header().Set("ETag", s.set(key, data))
	default:
		s.get(w, r, key)
	}
}

// refuses looks at the conditions of a write.
func (s *store) refuses(w http.ResponseWriter, r *http.Request, key string) bool {
	o, ok := s.objects[key]
	want := r.Header.Get("If-Match")
	if r.Method != "PUT" && r.Method != "POST" || want == "" || s.lax || ok && want == o.etag {
		return false
	}
	refuse(w, r, 412, "PreconditionFailed")
	return true
}

func (s *store) get(w http.ResponseWriter, r *http.Request, key string) {
	o, ok := s.objects[key]
	if !ok {
		refuse(w, r, 404, "NoSuchKey")
		return
	}
	data := o.data
	w.Header().Set("ETag", o.etag)
	status := 200
	if span, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		var first, last int
		_, _ = fmt.Sscanf(span, "%d-%d", &first, &last)
		if first >= len(data) {
			refuse(w, r, 416, "InvalidRange")
			return
		}
		last = min(last, len(data)-1)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(data)))
		data, status = data[first:last+1], 206
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	if r.Method != "HEAD" {
		_, _ = w.Write(data)
	}
}

func answerXML(w http.ResponseWriter, root, inside string) {
	w.Header().Set("Content-Type", "application/xml")
	fmt.Fprintf(w, "%s<%s>%s</%s>", xml.Header, root, inside, root)
}

func (s *store) list(w http.ResponseWriter, q url.Values) {
	after := max(q.Get("start-after"), q.Get("continuation-token"))
	var keys []string
	for k := range s.objects {
		if k > after && strings.HasPrefix(k, q.Get("prefix")) {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	limit, _ := strconv.Atoi(q.Get("max-keys"))
	var b strings.Builder
	truncated := len(keys) > limit
	if truncated {
		keys = keys[:limit]
		fmt.Fprintf(&b, "<NextContinuationToken>%s</NextContinuationToken>", keys[limit-1])
	}
	fmt.Fprintf(&b, "<Name>%s</Name><IsTruncated>%v</IsTruncated><EncodingType>url</EncodingType>", bucket, truncated)
	for _, k := range keys {
		fmt.Fprintf(&b, "<Contents><Key>%s</Key><Size>%d</Size><ETag>x</ETag><LastModified>%s</LastModified></Contents>",
			url.QueryEscape(k), len(s.objects[k].data), time.Unix(1767225600, 0).UTC().Format(time.RFC3339))
	}
	answerXML(w, "ListBucketResult", b.String())
}
