package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// readBuffer and the size of the reads of a body: large enough that system calls do not show.
	readBuffer = 256 << 10
	// maxBody bounds one object.
	maxBody = 1 << 30
)

func (s *store) serve(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			s.connection(c)
		}()
	}
}

// request is a parsed head.
type request struct {
	method, path string // path: bucket or bucket/key, decoded
	query        url.Values
	length       int64
	ifNoneMatch  bool
	expect       bool
	first, last  int64 // of a range; last = -1 when there is none
}

func (s *store) connection(c net.Conn) {
	r := bufio.NewReaderSize(c, readBuffer)
	for {
		req, err := readHead(r)
		if err != nil {
			return
		}
		if req.expect {
			if _, err := io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
				return
			}
		}
		body := make([]byte, req.length)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		if s.answer(c, req, body) != nil {
			return
		}
	}
}

// readHead reads a request line and headers; a chunked body is refused.
func readHead(r *bufio.Reader) (*request, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	f := strings.Fields(line)
	if len(f) != 3 {
		return nil, errors.New("malformed request line")
	}
	rawPath, rawQuery, _ := strings.Cut(f[1], "?")
	req := &request{method: f[0], last: -1}
	if req.path, err = url.PathUnescape(strings.Trim(rawPath, "/")); err != nil {
		return nil, err
	}
	if req.query, err = url.ParseQuery(rawQuery); err != nil {
		return nil, err
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return req, nil
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "content-length":
			if req.length, err = strconv.ParseInt(value, 10, 64); err != nil || req.length < 0 || req.length > maxBody {
				return nil, fmt.Errorf("content-length %q", value)
			}
		case "transfer-encoding":
			return nil, errors.New("chunked bodies are not taken")
		case "if-none-match":
			req.ifNoneMatch = value == "*"
		case "expect":
			req.expect = strings.EqualFold(value, "100-continue")
		case "range":
			if n, _ := fmt.Sscanf(value, "bytes=%d-%d", &req.first, &req.last); n != 2 {
				return nil, fmt.Errorf("range %q", value)
			}
		}
	}
}

func (s *store) answer(c net.Conn, req *request, body []byte) error {
	bucket, key, _ := strings.Cut(req.path, "/")
	if key == "" {
		switch {
		case req.method == "HEAD" && bucket != "":
			return head(c, 200, "Content-Length: 0")
		case req.method == "GET" && req.query.Get("list-type") == "2":
			return document(c, 200, s.list(bucket, req.query))
		}
		return refuse(c, 501, "NotImplemented")
	}
	if len(req.query) > 0 && req.method != "GET" && req.method != "HEAD" {
		if known, err := s.multipart(c, req, body); known {
			return err
		}
	}
	if len(req.query) > 0 && !(len(req.query) == 1 && req.query.Has("x-id")) {
		return refuse(c, 501, "NotImplemented")
	}
	switch req.method {
	case "PUT":
		switch status, etag := s.put(req.path, body, req.ifNoneMatch); status {
		case 200:
			return head(c, 200, "ETag: "+etag, "Content-Length: 0")
		case 412:
			return refuse(c, 412, "PreconditionFailed")
		default:
			return refuse(c, status, "InsufficientStorage")
		}
	case "DELETE":
		s.remove(req.path)
		return head(c, 204)
	case "GET", "HEAD":
		o := s.get(req.path)
		if o == nil && req.method == "HEAD" {
			return head(c, 404, "Content-Length: 0")
		}
		if o == nil {
			return refuse(c, 404, "NoSuchKey")
		}
		return send(c, req, o)
	}
	return refuse(c, 501, "NotImplemented")
}

// send serves an object or a range of it.
func send(c net.Conn, req *request, o *object) error {
	status, first, end := 200, int64(0), o.size
	headers := []string{"ETag: " + o.etag, "Last-Modified: " + o.modified.Format(http.TimeFormat), "Content-Type: application/octet-stream", "Accept-Ranges: bytes"}
	if req.last >= 0 {
		if req.first >= o.size || req.first > req.last {
			return refuse(c, 416, "InvalidRange")
		}
		first, end = req.first, min(req.last+1, o.size)
		status = 206
		headers = append(headers, fmt.Sprintf("Content-Range: bytes %d-%d/%d", first, end-1, o.size))
	}
	if err := head(c, status, append(headers, "Content-Length: "+strconv.FormatInt(end-first, 10))...); err != nil || req.method == "HEAD" {
		return err
	}
	at := int64(0) // where the piece begins
	for _, p := range o.pieces {
		from, to := max(first-at, 0), min(end-at, int64(len(p)))
		if at += int64(len(p)); from >= to {
			continue
		}
		if _, err := c.Write(p[from:to]); err != nil {
			return err
		}
	}
	return nil
}

func head(c net.Conn, status int, headers ...string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http.StatusText(status), time.Now().UTC().Format(http.TimeFormat))
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n")
	_, err := io.WriteString(c, b.String())
	return err
}

func document(c net.Conn, status int, body []byte) error {
	if err := head(c, status, "Content-Type: application/xml", "Content-Length: "+strconv.Itoa(len(body))); err != nil {
		return err
	}
	_, err := c.Write(body)
	return err
}

func refuse(c net.Conn, status int, code string) error {
	return document(c, status, []byte("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>"+code+"</Code><Message>"+http.StatusText(status)+"</Message></Error>"))
}
