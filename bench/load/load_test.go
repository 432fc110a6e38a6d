package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
)

// memory is a store that may spoil what it serves.
func memory(t *testing.T, spoil func([]byte)) string {
	t.Helper()
	var mu sync.Mutex
	objects := map[string][]byte{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("ETag", `"e"`)
		if r.Method == "PUT" {
			objects[r.URL.Path] = body
			return
		}
		b := append([]byte(nil), objects[r.URL.Path]...)
		spoil(b)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Last-Modified", "Thu, 15 Jan 2026 12:00:00 GMT")
		w.Write(b)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// session sends a job and commands, and returns the answers.
func session(t *testing.T, job protocol.Job, cmds ...protocol.Command) []protocol.Result {
	t.Helper()
	var in, out strings.Builder
	enc := json.NewEncoder(&in)
	enc.Encode(job)
	for _, c := range cmds {
		enc.Encode(c)
	}
	if err := serve(strings.NewReader(in.String()), &out); err != nil {
		t.Fatal(err)
	}
	var list []protocol.Result
	for dec := json.NewDecoder(strings.NewReader(out.String())); dec.More(); {
		var r protocol.Result
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

func TestWindows(t *testing.T) {
	job := protocol.Job{Bucket: "b", AccessKey: "a", SecretKey: "s", PlainHTTP: true, Size: 1000, Keys: 5, Bodies: 3, InFlight: 4}
	job.Address = memory(t, func([]byte) {})
	got := session(t, job, protocol.Command{Op: protocol.Put, Requests: 12}, protocol.Command{Op: protocol.Get, Requests: 7}, protocol.Command{Op: protocol.Verify})
	if len(got) != 4 {
		t.Fatalf("%d answers", len(got))
	}
	for i, want := range []protocol.Result{{}, {Op: "put", Requests: 12, Bytes: 12000}, {Op: "get", Requests: 7, Bytes: 7000}, {Op: "verify", Requests: 5, Bytes: 5000}} {
		r := got[i]
		if r.Error != "" || r.Op != want.Op || r.Requests != want.Requests || r.Bytes != want.Bytes || i > 0 && (r.Wall <= 0 || r.P50 <= 0 || r.P99 < r.P50) {
			t.Errorf("answer %d: %+v", i, r)
		}
	}
}

func TestWrongBytesAreNoticed(t *testing.T) {
	job := protocol.Job{Bucket: "b", AccessKey: "a", SecretKey: "s", PlainHTTP: true, Size: 1000, Keys: 2, Bodies: 2, InFlight: 2}
	job.Address = memory(t, func(b []byte) { b[999] ^= 1 })
	got := session(t, job, protocol.Command{Op: protocol.Put, Requests: 2}, protocol.Command{Op: protocol.Get, Requests: 2}, protocol.Command{Op: protocol.Verify}, protocol.Command{Op: "dance"})
	if got[2].Error != "" || !strings.Contains(got[3].Error, "other bytes") || got[4].Error == "" {
		t.Errorf("answers %+v", got)
	}
	if text := job.String() + job.GoString(); strings.Contains(text, "SecretKey") {
		t.Errorf("the secret is printed: %s", text)
	}
	if err := serve(strings.NewReader(`{"Size":1}`), io.Discard); err == nil {
		t.Error("a job without keys was taken")
	}
}
