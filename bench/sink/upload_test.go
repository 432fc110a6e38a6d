package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestUploadsInParts: parts in any order, the object in one piece, ranges across parts, and nothing of
// an upload that was given up.
func TestUploadsInParts(t *testing.T) {
	_, url := serveTest(t, 1<<30)
	ask := func(method, target, body string, header ...string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(context.Background(), method, url+target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(b)
	}
	begin := func() string {
		_, doc := ask("POST", "/bkt/k?uploads", "")
		_, rest, _ := strings.Cut(doc, "<UploadId>")
		id, _, ok := strings.Cut(rest, "</UploadId>")
		if !ok {
			t.Fatalf("no upload: %s", doc)
		}
		return id
	}
	id := begin()
	one, two := bytes.Repeat([]byte("1"), 1000), bytes.Repeat([]byte("2"), 500)
	second, _ := ask("PUT", "/bkt/k?partNumber=2&uploadId="+id, string(two))
	first, _ := ask("PUT", "/bkt/k?partNumber=1&uploadId="+id, string(one))
	list := fmt.Sprintf("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part><Part><PartNumber>2</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>",
		first.Header.Get("ETag"), second.Header.Get("ETag"))
	if resp, _ := ask("GET", "/bkt/k", ""); resp.StatusCode != 404 {
		t.Errorf("before completion: %d", resp.StatusCode)
	}
	if resp, doc := ask("POST", "/bkt/k?uploadId="+id, list); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, doc)
	}
	if _, got := ask("GET", "/bkt/k", ""); got != string(one)+string(two) {
		t.Errorf("%d bytes", len(got))
	}
	if resp, got := ask("GET", "/bkt/k", "", "Range", "bytes=998-1001"); resp.StatusCode != 206 || got != "1122" || resp.Header.Get("Content-Range") != "bytes 998-1001/1500" {
		t.Errorf("%d %q %s", resp.StatusCode, got, resp.Header.Get("Content-Range"))
	}
	if resp, _ := ask("POST", "/bkt/k?uploadId="+id, list); resp.StatusCode != 404 {
		t.Errorf("completed twice: %d", resp.StatusCode)
	}
	id = begin()
	if resp, _ := ask("POST", "/bkt/k?uploadId="+id, list); resp.StatusCode != 400 {
		t.Errorf("with parts of another: %d", resp.StatusCode)
	}
	ask("DELETE", "/bkt/k?uploadId="+id, "")
	if resp, _ := ask("PUT", "/bkt/k?partNumber=1&uploadId="+id, "x"); resp.StatusCode != 404 {
		t.Errorf("after it was given up: %d", resp.StatusCode)
	}
}
