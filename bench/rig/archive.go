package rig

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Archive is a FAKE of S3's archive classes: a relay in front of a real backend that refuses to read objects of the
// classes GLACIER and DEEP_ARCHIVE until they are restored. It is made after the API reference alone
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html and API_HeadObject.html); no real archive was
// asked. What was written before it started is in no archive, and versions of an object are one to it.
type Archive struct {
	Address string // where it listens

	srv  *http.Server
	done chan struct{}

	mu      sync.Mutex
	objects map[string]*archivedObject // by path: /BUCKET/KEY, not encoded
	uploads map[string]string          // upload id -> storage class
}

type archivedObject struct{ class, restore string } // restore is x-amz-restore

// expiry is told of every copy; nothing here expires.
const expiry = `ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"`

// subresources of an object that are not its bytes.
var subresource = regexp.MustCompile(`(^|&)(acl|attributes|legal-hold|retention|tagging|uploadId|uploads|restore)(=|&|$)`)

// StartArchive relays a free port on loopback to an HTTP server.
func StartArchive(target string) (*Archive, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &Archive{Address: ln.Addr().String(), done: make(chan struct{}), objects: map[string]*archivedObject{}, uploads: map[string]string{}}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 256}
	relay := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", target, r.In.Host
		},
		ModifyResponse: a.answered,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { Abort() },
	}
	a.srv = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.refuses(w, r) {
			relay.ServeHTTP(w, r)
		}
	})}
	go func() {
		defer close(a.done)
		if err := a.srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			panic("BUG: the archive's server ended: " + err.Error())
		}
		transport.CloseIdleConnections()
	}()
	return a, nil
}

// Thaw ends every restore that is under way.
func (a *Archive) Thaw() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.objects {
		if o.restore != "" {
			o.restore = expiry
		}
	}
}

// Close ends the archive and its connections.
func (a *Archive) Close() {
	a.srv.Close()
	<-a.done
}

// frozen returns the object at a path if it cannot be read.
func (a *Archive) frozen(path string) *archivedObject {
	if o := a.objects[path]; o != nil && o.restore != expiry {
		return o
	}
	return nil
}

// refuses answers what the backend is not asked.
func (a *Archive) refuses(w http.ResponseWriter, r *http.Request) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	query := r.URL.RawQuery
	switch source, _ := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source")); {
	case r.Method == "POST" && r.URL.Query().Has("restore"):
		o := a.objects[r.URL.Path]
		switch {
		case o == nil:
			refuse(w, 403, "InvalidObjectState", "Restore is not allowed for the object's current storage class", "")
		case o.restore == "":
			o.restore = `ongoing-request="true"`
			w.WriteHeader(202)
		case o.restore != expiry:
			refuse(w, 409, "RestoreAlreadyInProgress", "Object restore is already in progress", "")
		default:
			w.WriteHeader(200)
		}
		return true
	case r.Method == "GET" && !subresource.MatchString(query) && a.frozen(r.URL.Path) != nil:
		refuse(w, 403, "InvalidObjectState", "The operation is not valid for the object's storage class", a.frozen(r.URL.Path).class)
		return true
	case source != "" && a.frozen("/"+strings.TrimPrefix(source, "/")) != nil:
		refuse(w, 403, "ObjectNotInActiveTierError", "The source object of the COPY operation is not in the active tier", "")
		return true
	}
	return false
}

func refuse(w http.ResponseWriter, status int, code, message, class string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if class != "" {
		class = "<StorageClass>" + class + "</StorageClass>"
	}
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message>%s</Error>`, code, message, class)
}

// answered notes what the backend has stored, and says of its objects what it cannot.
func (a *Archive) answered(resp *http.Response) error {
	r := resp.Request
	if resp.StatusCode >= 300 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	query, class := r.URL.Query(), r.Header.Get("X-Amz-Storage-Class")
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case r.Method == "GET" && key == "" && (query.Has("list-type") || query.Has("prefix")):
		return rewrite(resp, func(body []byte) []byte { return a.list(bucket, body) })
	case key == "" || r.Method == "PUT" && (query.Has("uploadId") || subresource.MatchString(r.URL.RawQuery)):
	case r.Method == "POST" && query.Has("uploads"):
		return rewrite(resp, func(body []byte) []byte {
			var begun struct{ UploadId string }
			if xml.Unmarshal(body, &begun) == nil {
				a.uploads[begun.UploadId] = class
			}
			return body
		})
	case r.Method == "POST" && query.Has("uploadId"):
		a.stored(r.URL.Path, a.uploads[query.Get("uploadId")])
	case r.Method == "PUT":
		a.stored(r.URL.Path, class)
	case r.Method == "DELETE" && !query.Has("uploadId"):
		delete(a.objects, r.URL.Path)
	case r.Method == "HEAD" || r.Method == "GET" && !subresource.MatchString(r.URL.RawQuery):
		if o := a.objects[r.URL.Path]; o != nil {
			resp.Header.Set("X-Amz-Storage-Class", o.class)
			if o.restore != "" {
				resp.Header.Set("X-Amz-Restore", o.restore)
			}
		}
	}
	return nil
}

func (a *Archive) stored(path, class string) {
	if delete(a.objects, path); class == "GLACIER" || class == "DEEP_ARCHIVE" {
		a.objects[path] = &archivedObject{class: class}
	}
}

var (
	listedObject = regexp.MustCompile(`(?s)<Contents>.*?</Contents>`)
	listedKey    = regexp.MustCompile(`(?s)<Key>(.*?)</Key>`)
	listedClass  = regexp.MustCompile(`<StorageClass>.*?</StorageClass>`)
)

// list puts the classes into a listing whose keys are URL-encoded.
func (a *Archive) list(bucket string, body []byte) []byte {
	return listedObject.ReplaceAllFunc(body, func(object []byte) []byte {
		found := listedKey.FindSubmatch(object)
		if found == nil {
			return object
		}
		key, err := url.QueryUnescape(string(found[1]))
		if o := a.objects["/"+bucket+"/"+key]; err == nil && o != nil {
			return listedClass.ReplaceAll(object, []byte("<StorageClass>"+o.class+"</StorageClass>"))
		}
		return object
	})
}

// rewrite replaces the body of an answer.
func rewrite(resp *http.Response, with func([]byte) []byte) error {
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return err
	}
	body = with(body)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}
