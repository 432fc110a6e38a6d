package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

var modified = "Fri, 05 Jun 2026 10:20:30 GMT"

// object206 is the answer to a ranged Get out of size bytes.
func object206(first, last, size int, body []byte) step {
	return reply(206, string(body), "Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, size), "Etag", `"e"`, "Last-Modified", modified, "Content-Type", "binary/octet-stream")
}

func TestGetWhole(t *testing.T) {
	body := pattern(300000)
	s := newScript(t, reply(200, string(body), "Etag", `"e"`, "Last-Modified", modified))
	o, err := newTestClient(t, s.URL).Get(context.Background(), "bucket", "key", GetOptions{IfMatch: `"e"`})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	got, err := io.ReadAll(o.Body)
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	want, _ := http.ParseTime(modified)
	if o.Length != 300000 || o.Size != 300000 || o.ETag != `"e"` || !o.LastModified.Equal(want) {
		t.Errorf("object %+v", o)
	}
	if r := s.requests()[0]; r.header.Get("If-Match") != `"e"` || r.header.Get("Range") != "" {
		t.Errorf("headers %v", r.header)
	}
}

func TestGetRangeDemandsThatRange(t *testing.T) {
	body := pattern(100)
	for name, tc := range map[string]struct {
		st   step
		want Kind // empty: success
	}{
		"as asked":            {object206(100, 199, 5000, body), ""},
		"cut by the end":      {object206(100, 149, 150, body[:50]), ""},
		"whole object":        {reply(200, string(pattern(5000)), "Etag", `"e"`), Busy},
		"no Content-Range":    {reply(206, string(body), "Etag", `"e"`), Busy},
		"unknown size":        {reply(206, string(body), "Content-Range", "bytes 100-199/*"), Busy},
		"other range":         {object206(0, 99, 5000, body), Busy},
		"shorter range":       {object206(100, 150, 5000, body[:51]), Busy},
		"longer range":        {object206(100, 200, 5000, pattern(101)), Busy},
		"length is another":   {object206(100, 199, 5000, body[:99]), Busy},
		"behind its own end":  {object206(100, 199, 150, body), Busy},
		"multipart/byterange": {reply(206, "--x", "Content-Type", "multipart/byteranges; boundary=x"), Busy},
		"416":                 {s3fault(416, "InvalidRange", "x"), Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, tc.st)
			o, err := newTestClient(t, s.URL).Get(context.Background(), "bucket", "key", GetOptions{Range: &Range{100, 199}})
			if h := s.requests()[0].header.Get("Range"); h != "bytes=100-199" {
				t.Errorf("Range: %q", h)
			}
			if tc.want != "" {
				wantKind(t, err, tc.want)
				if errors.Is(err, ErrRange) != (name == "416") {
					t.Errorf("ErrRange: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer o.Body.Close()
			got, err := io.ReadAll(o.Body)
			if err != nil || int64(len(got)) != o.Length || !bytes.Equal(got, body[:len(got)]) || o.Size != int64(map[bool]int{true: 5000, false: 150}[name == "as asked"]) {
				t.Errorf("%d bytes, %v, %+v", len(got), err, o)
			}
		})
	}
}

func TestBodyNeverEndsEarlyInSilence(t *testing.T) {
	for name, st := range map[string]step{
		"connection closed": cut(200, 1000, "abc", "Etag", `"e"`),
		"connection reset": func(w http.ResponseWriter, r *http.Request) {
			early(200, "abc", "Content-Length", "1000")(w, r)
			w.(http.Flusher).Flush()
			reset(w, r)
		},
		"stalled": stalled(200, 1000, 3, "Etag", `"e"`),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, st)
			o, err := newTestClient(t, s.URL, impatient).Get(context.Background(), "bucket", "key", GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer o.Body.Close()
			began := time.Now()
			got, err := io.ReadAll(o.Body)
			wantKind(t, err, Busy)
			if !errors.Is(err, ErrShort) || len(got) > 3 || errors.Is(err, errStalled) != (name == "stalled") {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if time.Since(began) > 10*time.Second {
				t.Errorf("took %v", time.Since(began))
			}
			if _, again := o.Body.Read(make([]byte, 1)); again == nil || again == io.EOF {
				t.Errorf("second Read: %v", again)
			}
		})
	}
}

// Only waiting for the backend is a stall; a slow reader is none.
func TestSlowReaderIsNoStall(t *testing.T) {
	s := newScript(t, reply(200, string(pattern(1<<20)), "Etag", `"e"`))
	c := newTestClient(t, s.URL, impatient)
	var err error
	for range 10 { // a machine that stands still for ProgressTimeout is a stall too, but not ten times
		var o *Object
		if o, err = c.Get(context.Background(), "bucket", "key", GetOptions{}); err != nil {
			continue
		}
		time.Sleep(500 * time.Millisecond) // more than ProgressTimeout
		var n int64
		n, err = io.Copy(io.Discard, o.Body)
		o.Body.Close()
		if err == nil {
			if n != 1<<20 {
				t.Errorf("%d bytes", n)
			}
			return
		}
	}
	t.Error(err)
}

func TestCallerLeavesABody(t *testing.T) {
	s := newScript(t, stalled(200, 1000, 3, "Etag", `"e"`))
	ctx, cancel := context.WithCancel(t.Context())
	o, err := newTestClient(t, s.URL, func(c *Config) { c.ProgressTimeout = time.Minute }).Get(ctx, "bucket", "key", GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = io.ReadAll(o.Body)
	wantKind(t, err, ClientAbort)
}

func TestGetFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		st   step
		want Kind
	}{
		"no such key":         {s3fault(404, "NoSuchKey", "x"), NotFound},
		"no such bucket":      {s3fault(404, "NoSuchBucket", "x"), NoBucket},
		"404 of a web server": {reply(404, "<html><h1>404</h1></html>", "Content-Type", "text/html"), Busy},
		"404 without body":    {reply(404, ""), Busy},
		"404 other code":      {s3fault(404, "NoSuchWebsiteConfiguration", "x"), Busy},
		"404 cut":             {cut(404, 500, "<Error><Code>NoSuchKey</Code>"), Busy},
		"403":                 {s3fault(403, "AccessDenied", "x"), Denied},
		"412":                 {s3fault(412, "PreconditionFailed", "x"), Precondition},
		"304":                 {early(304, ""), Busy},
		"no length": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"e"`)
			w.(http.Flusher).Flush()
			io.WriteString(w, "abc")
		}, Busy},
		"web page":          {reply(200, "<html>", "Content-Type", "text/html"), Busy},
		"bad Last-Modified": {reply(200, "abc", "Etag", `"e"`, "Last-Modified", "yesterday"), Busy},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, tc.st)
			_, err := newTestClient(t, s.URL).Get(context.Background(), "bucket", "key", GetOptions{IfMatch: `"e"`})
			wantKind(t, err, tc.want)
		})
	}
}

func TestHeadFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		st   step
		want Kind
	}{
		"there":               {reply(200, "12345", "Etag", `"e"`), ""},
		"404":                 {reply(404, ""), NotFound},
		"404 of a web server": {reply(404, "", "Content-Type", "text/html; charset=utf-8"), Busy},
		"403":                 {reply(403, ""), Denied},
		"403, wait":           {reply(403, "", "Retry-After", "1"), Busy},
		"301":                 {reply(301, ""), Busy},
		"412":                 {reply(412, ""), Busy},
		"500":                 {reply(500, ""), Busy},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, tc.st)
			o, err := newTestClient(t, s.URL).Head(context.Background(), "bucket", "key")
			if tc.want != "" {
				wantKind(t, err, tc.want)
				return
			}
			if err != nil || o.Size != 5 || o.ETag != `"e"` || o.Body != nil {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

func TestReadConnectionIsReused(t *testing.T) {
	s := newScript(t, reply(200, string(pattern(100000)), "Etag", `"e"`))
	c := newTestClient(t, s.URL)
	conns := countConns(c)
	for range 5 {
		o, err := c.Get(context.Background(), "bucket", "key", GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, o.Body, o.Length); err != nil {
			t.Fatal(err)
		}
		o.Body.Close()
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("5 reads took %d connections", n)
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-1023/146515", "bytes 0-0/1", "bytes */5", "bytes 5-4/9", "bytes 0-1/*", "bytes 0-9223372036854775807/9223372036854775807", "bytes +1-2/3", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, size, err := parseContentRange(s)
		if err != nil {
			return
		}
		if r.First < 0 || r.Last < r.First || r.Last >= size {
			t.Errorf("%q gives %+v of %d", s, r, size)
		}
		if back := fmt.Sprintf("bytes %s/%d", strings.TrimPrefix(r.String(), "bytes="), size); back != s && !strings.Contains(s, "0") {
			t.Errorf("%q means %q", s, back)
		}
	})
}
