package backend

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestDelete(t *testing.T) {
	for name, tc := range map[string]struct {
		st   step
		want Kind
	}{
		"204":            {early(204, ""), ""},
		"200":            {reply(200, ""), ""},
		"missing key":    {s3fault(404, "NoSuchKey", "x"), ""},
		"missing bucket": {s3fault(404, "NoSuchBucket", "x"), NoBucket},
		"404 alone":      {reply(404, ""), Busy},
		"web page":       {reply(200, "<html></html>"), Busy},
		"error in 200":   {s3fault(200, "AccessDenied", "x"), Busy},
		"denied":         {s3fault(403, "AccessDenied", "x"), Denied},
	} {
		s := newScript(t, tc.st)
		if k := KindOf(newTestClient(t, s.URL).Delete(context.Background(), "bucket", "key")); k != tc.want {
			t.Errorf("%s: %q, want %q", name, k, tc.want)
		}
	}
}

func deleted(inner string) step { return reply(200, "<DeleteResult>"+inner+"</DeleteResult>") }

func TestDeleteManyAccountsForEveryKey(t *testing.T) {
	a, b := "<Deleted><Key>a</Key></Deleted>", "<Deleted><Key>b</Key></Deleted>"
	refusedB := func(code string) string { return "<Error><Key>b</Key><Code>" + code + "</Code></Error>" }
	for name, tc := range map[string]struct {
		steps []step
		want  Kind // of b; a is deleted
	}{
		"both":                   {[]step{deleted(a + b)}, ""},
		"one is missing":         {[]step{deleted(a + refusedB("NoSuchKey"))}, ""},
		"one denied":             {[]step{deleted(a + refusedB("AccessDenied"))}, Denied},
		"one not mentioned":      {[]step{deleted(a)}, Busy},
		"one later":              {[]step{deleted(a + refusedB("InternalError")), deleted(b)}, ""},
		"one never":              {[]step{deleted(a + refusedB("InternalError"))}, Busy},
		"one slow down":          {[]step{deleted(a + refusedB("SlowDown")), deleted(b)}, ""},
		"then a web page":        {[]step{deleted(a + refusedB("InternalError")), reply(200, "<html></html>")}, Busy},
		"one by one":             {[]step{s3fault(501, "NotImplemented", "x"), early(204, "")}, ""},
		"one by one, one denied": {[]step{s3fault(405, "MethodNotAllowed", "x"), onKey("b", s3fault(403, "AccessDenied", "x"), early(204, ""))}, Denied},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, tc.steps...)
			rs, err := newTestClient(t, s.URL).DeleteMany(context.Background(), "bucket", []string{"a", "b", "a"})
			if err != nil {
				t.Fatal(err)
			}
			if len(rs) != 3 || rs[0].Key != "a" || rs[1].Key != "b" || rs[2].Key != "a" || rs[0].Err != nil || rs[2].Err != nil || KindOf(rs[1].Err) != tc.want {
				t.Errorf("%+v", rs)
			}
		})
	}
}

// onKey chooses by the request's key.
func onKey(key string, yes, no step) step {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/"+key) {
			yes(w, r)
		} else {
			no(w, r)
		}
	}
}

func TestDeleteManyWholeFailure(t *testing.T) {
	for name, tc := range map[string]struct {
		st   step
		want Kind
	}{
		"empty result":   {deleted(""), Busy},
		"error in 200":   {s3fault(200, "InternalError", "x"), Busy},
		"empty body":     {reply(200, ""), Busy},
		"web page":       {reply(200, "<html></html>"), Busy},
		"denied":         {s3fault(403, "AccessDenied", "x"), Denied},
		"missing bucket": {s3fault(404, "NoSuchBucket", "x"), NoBucket},
	} {
		s := newScript(t, tc.st)
		rs, err := newTestClient(t, s.URL).DeleteMany(context.Background(), "bucket", []string{"a", "b"})
		if rs != nil || KindOf(err) != tc.want {
			t.Errorf("%s: %+v, %v", name, rs, err)
		}
	}
}

func TestDeleteManyRequest(t *testing.T) {
	s := newScript(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			early(204, "")(w, r)
			return
		}
		doc, _ := io.ReadAll(r.Body)
		var b strings.Builder
		for _, p := range strings.Split(string(doc), "<Key>")[1:] {
			k, _, _ := strings.Cut(p, "</Key>")
			fmt.Fprintf(&b, "<Deleted><Key>%s</Key></Deleted>", k)
		}
		deleted(b.String())(w, r)
	})
	keys := []string{"x<&>\"'y", "ctl\x01", "line\rend"}
	for i := range 2000 {
		keys = append(keys, fmt.Sprintf("k%d", i))
	}
	rs, err := newTestClient(t, s.URL).DeleteMany(context.Background(), "bucket", keys)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rs {
		if r.Key != keys[i] || r.Err != nil {
			t.Errorf("%q: %v", r.Key, r.Err)
		}
	}
	// By content: on a slow machine a request may be sent again.
	posts, single := map[string]bool{}, map[string]bool{}
	for _, r := range s.requests() {
		if r.method == http.MethodDelete {
			single[r.target] = true
			continue
		}
		posts[string(r.body)] = true
		sum := md5.Sum(r.body)
		if got := r.header.Get("Content-Md5"); got != base64.StdEncoding.EncodeToString(sum[:]) {
			t.Errorf("Content-MD5 %q", got)
		}
		if n := strings.Count(string(r.body), "<Key>"); n > 1000 {
			t.Errorf("%d keys in one request", n)
		}
		for name := range r.header {
			if strings.Contains(strings.ToLower(name), "checksum") {
				t.Errorf("header %s", name)
			}
		}
		if h := r.header.Get("X-Amz-Content-Sha256"); len(h) != 64 || !strings.Contains(r.header.Get("Authorization"), ";content-md5;") && !strings.Contains(r.header.Get("Authorization"), "content-md5;") {
			t.Errorf("payload hash %q, %s", h, r.header.Get("Authorization"))
		}
	}
	if len(posts) != 3 || len(single) != 2 {
		t.Errorf("%d batches, %d single deletes", len(posts), len(single))
	}
}
