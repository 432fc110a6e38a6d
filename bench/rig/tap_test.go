package rig

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTap(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		io.WriteString(w, r.Host+" "+r.RequestURI+" "+string(b))
	}))
	defer target.Close()
	tap, err := StartTap(strings.TrimPrefix(target.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	post := func() (int, string) {
		resp, err := http.Post("http://"+tap.Address+"/a%2Fb//c?x", "text/plain", strings.NewReader("body"))
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	if code, body := post(); code != 200 || body != tap.Address+" /a%2Fb//c?x body" {
		t.Errorf("relayed %d %q", code, body)
	}
	tap.Hook(func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(429); return true })
	if code, _ := post(); code != 429 {
		t.Errorf("the hook answered %d", code)
	}
	tap.Hook(func(http.ResponseWriter, *http.Request) bool { Abort(); return true })
	if code, _ := post(); code != 0 {
		t.Errorf("an aborted request was answered %d", code)
	}
	tap.Hook(nil)
	if seen := tap.Requests(); len(seen) < 3 || seen[0] != "POST /a%2Fb//c?x" {
		t.Errorf("seen %v", seen)
	}
	tap.Reset()
	if seen := tap.Requests(); len(seen) != 0 {
		t.Errorf("after Reset: %v", seen)
	}
	target.Close()
	if code, body := post(); code != 0 {
		t.Errorf("a dead target answered %d %s", code, body)
	}
}
