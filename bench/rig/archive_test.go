package rig

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestArchive: objects of the archive classes cannot be read or copied until they are restored, and what the backend
// says of them gets their class; everything else goes through.
func TestArchive(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Has("uploads"):
			io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>")
		case r.URL.Query().Has("list-type"):
			io.WriteString(w, "<R><Contents><Key>a+b%2Fc</Key><StorageClass>STANDARD</StorageClass></Contents><Contents><Key>warm</Key><StorageClass>STANDARD</StorageClass></Contents></R>")
		default:
			io.WriteString(w, "bytes")
		}
	}))
	defer backend.Close()
	a, err := StartArchive(strings.TrimPrefix(backend.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ask := func(status int, says, method, target string, header ...string) http.Header {
		t.Helper()
		req, err := http.NewRequest(method, "http://"+a.Address+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status || !strings.Contains(string(body), says) {
			t.Errorf("%s %s: %d %s, %v; want %d %s", method, target, resp.StatusCode, body, err, status, says)
		}
		return resp.Header
	}
	const cold, class = "/b/a%20b/c", "X-Amz-Storage-Class"
	ask(200, "", "PUT", "/b/warm")
	ask(200, "", "POST", cold+"?uploads", class, "DEEP_ARCHIVE")
	ask(200, "", "PUT", cold+"?partNumber=1&uploadId=u1")
	ask(200, "bytes", "GET", cold)
	ask(200, "", "POST", cold+"?uploadId=u1")
	ask(403, "<Code>InvalidObjectState</Code>", "GET", cold+"?x-id=GetObject")
	ask(200, "bytes", "GET", cold+"?tagging")
	ask(200, "bytes", "GET", "/b/warm")
	ask(403, "<Code>ObjectNotInActiveTierError</Code>", "PUT", "/b/copy", "X-Amz-Copy-Source", "b/a%20b/c")
	ask(200, "<Key>a+b%2Fc</Key><StorageClass>DEEP_ARCHIVE</StorageClass></Contents><Contents><Key>warm</Key><StorageClass>STANDARD<", "GET", "/b?list-type=2")
	if h := ask(200, "", "HEAD", cold); h.Get(class) != "DEEP_ARCHIVE" || h.Get("X-Amz-Restore") != "" {
		t.Errorf("HEAD says %v", h)
	}
	ask(403, "<Code>InvalidObjectState</Code>", "POST", "/b/warm?restore")
	ask(202, "", "POST", cold+"?restore")
	ask(409, "<Code>RestoreAlreadyInProgress</Code>", "POST", cold+"?restore")
	ask(403, "InvalidObjectState", "GET", cold)
	a.Thaw()
	ask(200, "", "POST", cold+"?restore")
	if h := ask(200, "bytes", "GET", cold); !strings.Contains(h.Get("X-Amz-Restore"), `ongoing-request="false"`) {
		t.Errorf("GET says %v", h)
	}
	ask(200, "", "PUT", cold)
	if h := ask(200, "bytes", "GET", cold); h.Get(class) != "" {
		t.Errorf("what was written anew is still said to be archived: %v", h)
	}
}
