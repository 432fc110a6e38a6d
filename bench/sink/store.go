package main

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// object is one stored object; immutable.
type object struct {
	pieces   [][]byte // its bytes, in order: one, or those of its parts
	size     int64
	etag     string
	modified time.Time
}

// store keeps objects by bucket/key.
type store struct {
	limit int64

	mu      sync.Mutex
	objects map[string]*object
	uploads map[string]*upload // by id
	size    int64
	serial  uint64
}

func newStore(limit int64) *store {
	return &store{limit: limit, objects: map[string]*object{}, uploads: map[string]*upload{}}
}

func (s *store) get(path string) *object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[path]
}

// put stores data, which is the store's from now on. The status is 200, 412 or 507.
func (s *store) put(path string, data []byte, ifNoneMatch bool) (status int, etag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.objects[path]
	if old != nil && ifNoneMatch {
		return 412, ""
	}
	grown := s.size + int64(len(data))
	if old != nil {
		grown -= old.size
	}
	if grown > s.limit {
		return 507, ""
	}
	s.serial++
	o := &object{[][]byte{data}, int64(len(data)), fmt.Sprintf(`"%032x"`, s.serial), time.Now().UTC()}
	s.objects[path], s.size = o, grown
	return 200, o.etag
}

func (s *store) remove(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.objects[path]; o != nil {
		s.size -= o.size
		delete(s.objects, path)
	}
}

// list answers ListObjectsV2 of a bucket.
func (s *store) list(bucket string, q url.Values) []byte {
	prefix, after := q.Get("prefix"), max(q.Get("start-after"), q.Get("continuation-token"))
	limit := 1000
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil && n >= 0 {
		limit = min(n, limit)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for path := range s.objects {
		if key, ok := strings.CutPrefix(path, bucket+"/"); ok && strings.HasPrefix(key, prefix) && key > after {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	truncated := len(keys) > limit
	keys = keys[:min(limit, len(keys))]

	var b strings.Builder
	text := func(v string) string {
		var t strings.Builder
		xml.EscapeText(&t, []byte(v))
		return t.String()
	}
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>%s</Name><Prefix>%s</Prefix><KeyCount>%d</KeyCount><MaxKeys>%d</MaxKeys><IsTruncated>%v</IsTruncated>`,
		text(bucket), text(prefix), len(keys), limit, truncated)
	if truncated && limit > 0 {
		fmt.Fprintf(&b, "<NextContinuationToken>%s</NextContinuationToken>", text(keys[limit-1]))
	}
	for _, k := range keys {
		o := s.objects[bucket+"/"+k]
		fmt.Fprintf(&b, "<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>%s</ETag><Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>",
			text(k), o.modified.Format("2006-01-02T15:04:05.000Z"), text(o.etag), o.size)
	}
	b.WriteString("</ListBucketResult>")
	return []byte(b.String())
}
