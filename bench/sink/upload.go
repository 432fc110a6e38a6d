package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"
)

// upload is a multipart upload that goes on.
type upload struct {
	path  string
	parts map[int]*object
}

// partNumber is S3's: 1 to 10,000.
func partNumber(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 10_000 {
		return 0, fmt.Errorf("part number %q", s)
	}
	return n, nil
}

// begin makes an upload.
func (s *store) begin(path string) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	id = fmt.Sprintf("%032x", s.serial)
	s.uploads[id] = &upload{path, map[int]*object{}}
	return id
}

// putPart stores a part, whose bytes are the store's from now on. The status is 200, 404 or 507.
func (s *store) putPart(path, id string, n int, data []byte) (status int, etag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[id]
	if u == nil || u.path != path {
		return 404, ""
	}
	grown := s.size + int64(len(data))
	if old := u.parts[n]; old != nil {
		grown -= old.size
	}
	if grown > s.limit {
		return 507, ""
	}
	s.serial++
	u.parts[n] = &object{[][]byte{data}, int64(len(data)), fmt.Sprintf(`"%032x"`, s.serial), time.Now().UTC()}
	s.size = grown
	return 200, u.parts[n].etag
}

// completion is the document that names the parts.
type completion struct {
	Parts []struct {
		PartNumber int
		ETag       string
	} `xml:"Part"`
}

// complete makes an object of an upload's parts, which stay where they are. The status is 200, 400, 404 or 412.
func (s *store) complete(path, id string, list completion, ifNoneMatch bool) (status int, etag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[id]
	if u == nil || u.path != path {
		return 404, ""
	}
	old := s.objects[path]
	if old != nil && ifNoneMatch {
		return 412, ""
	}
	s.serial++
	o := &object{nil, 0, fmt.Sprintf(`"%032x-%d"`, s.serial, len(list.Parts)), time.Now().UTC()}
	for i, p := range list.Parts {
		part := u.parts[p.PartNumber]
		if part == nil || part.etag != p.ETag || i > 0 && list.Parts[i-1].PartNumber >= p.PartNumber {
			return 400, ""
		}
		o.pieces, o.size = append(o.pieces, part.pieces...), o.size+part.size
	}
	if len(o.pieces) == 0 {
		return 400, ""
	}
	s.forget(id)
	if old != nil {
		s.size -= old.size
	}
	s.objects[path], s.size = o, s.size+o.size
	return 200, o.etag
}

// abort drops an upload.
func (s *store) abort(path, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.uploads[id]; u != nil && u.path == path {
		s.forget(id)
	}
}

// forget takes an upload off the books; the caller holds the lock.
func (s *store) forget(id string) {
	for _, p := range s.uploads[id].parts {
		s.size -= p.size
	}
	delete(s.uploads, id)
}

// multipart answers the four requests of an upload. known says whether it was one of them.
func (s *store) multipart(c net.Conn, req *request, body []byte) (known bool, err error) {
	q := req.query
	q.Del("x-id")
	id := q.Get("uploadId")
	var names []string
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names)
	switch asked := req.method + " " + fmt.Sprint(names); asked {
	case "POST [uploads]":
		return true, document(c, 200, fmt.Appendf(nil, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", s.begin(req.path)))
	case "PUT [partNumber uploadId]":
		n, err := partNumber(q.Get("partNumber"))
		if err != nil {
			return true, refuse(c, 400, "InvalidArgument")
		}
		status, etag := s.putPart(req.path, id, n, body)
		if status == 200 {
			return true, head(c, 200, "ETag: "+etag, "Content-Length: 0")
		}
		return true, refuse(c, status, map[int]string{404: "NoSuchUpload", 507: "InsufficientStorage"}[status])
	case "POST [uploadId]":
		var list completion
		if err := xml.Unmarshal(body, &list); err != nil {
			return true, refuse(c, 400, "MalformedXML")
		}
		status, etag := s.complete(req.path, id, list, req.ifNoneMatch)
		if status == 200 {
			return true, document(c, 200, fmt.Appendf(nil, "<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>", etag))
		}
		return true, refuse(c, status, map[int]string{400: "InvalidPart", 404: "NoSuchUpload", 412: "PreconditionFailed"}[status])
	case "DELETE [uploadId]":
		s.abort(req.path, id)
		return true, head(c, 204)
	}
	return false, errors.ErrUnsupported
}
