package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

const token = "t0ken-of-the-tests"

// stub stands behind a Server.
type stub struct {
	mu     sync.Mutex
	checks []Check
	status KeyStatus
	wait   chan struct{} // Ready waits for it
	panics bool
	asked  atomic.Int32

	figures Figures
	sampled atomic.Int32
}

func (s *stub) Figures() Figures {
	s.sampled.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.figures
}

func (s *stub) Settings() []Setting {
	return []Setting{{Key: "admin.token", Value: "redacted", Origin: "proxy.yaml:3"}, {Key: "log_level", Value: "info", Origin: "default", Next: "debug"}}
}

func (s *stub) Ready(context.Context) []Check {
	s.asked.Add(1)
	if s.wait != nil {
		<-s.wait
	}
	if s.panics {
		panic("on purpose")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checks
}

func (s *stub) WritePrometheus(w io.Writer) { fmt.Fprintln(w, "s3_crypt_proxy_test_total 7") }
func (s *stub) KeyStatus() KeyStatus        { return s.status }

type fixture struct {
	*Server
	stub   *stub
	log    bytes.Buffer
	failed int
}

func newFixture(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	f := &fixture{stub: &stub{checks: []Check{{Name: "key", OK: true}, {Name: "backend", OK: true}}}}
	cfg := Config{Token: token, Readiness: f.stub, Metrics: f.stub, Keys: f.stub, Live: f.stub, Settings: f.stub, Version: "v1.2.3", AuthFailed: func() { f.failed++ }, Log: zerolog.New(&f.log)}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	f.Server, err = New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// do sends a request to the handler; headers are name, value pairs.
func (f *fixture) do(method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.http.Handler.ServeHTTP(w, r)
	return w
}

const bearer = "Bearer " + token

func TestEveryRoute(t *testing.T) {
	f := newFixture(t)
	for _, r := range f.routes() {
		if strings.HasSuffix(r.path, "/profile") || strings.HasSuffix(r.path, "/trace") {
			continue // TestProfileSeconds
		}
		want := http.StatusOK
		if r.path == "/debug/pprof/cmdline" {
			want = http.StatusNotFound
		}
		if r.path == "/debug/pprof" {
			want = http.StatusMovedPermanently
		}
		for _, method := range []string{"GET", "HEAD"} {
			if r.path == "/api/v1/live" && method == "GET" {
				continue // live_test.go
			}
			if w := f.do(method, r.path, "Authorization", bearer); w.Code != want {
				t.Errorf("%s %s: %d, want %d", method, r.path, w.Code, want)
			}
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"} {
			w := f.do(method, r.path, "Authorization", bearer)
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, Allow %q", method, r.path, w.Code, w.Header().Get("Allow"))
			}
		}
	}
	for _, path := range []string{"/index.html", "/assets", "/assets/", "/assets/../page.go", "/assets/page.go", "/api/v1/live/", "/healthz/", "/health", "//healthz", "/HEALTHZ", "/api/v1/key", "/api/v1/key/load", "/api/v1/key/status/x", "/debug", "/debug/", "/debug/pprofs", "/metrics/x", "/x/../healthz"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			if w := f.do(method, path, "Authorization", bearer); w.Code != http.StatusNotFound {
				t.Errorf("%s %s: %d, want 404", method, path, w.Code)
			}
		}
	}
}

// TestProfileIndexWithoutSlash: behind the token, it leads to the index.
func TestProfileIndexWithoutSlash(t *testing.T) {
	f := newFixture(t)
	w := f.do("GET", "/debug/pprof", "Authorization", bearer)
	if w.Code != http.StatusMovedPermanently || w.Header().Get("Location") != "/debug/pprof/" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d, %v", w.Code, w.Header())
	}
	if w := f.do("GET", w.Header().Get("Location"), "Authorization", bearer); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "heap?debug=1") {
		t.Errorf("it leads to %d", w.Code)
	}
	if w := f.do("GET", "/debug/pprof"); w.Code != http.StatusUnauthorized || w.Header().Get("Location") != "" {
		t.Errorf("without the token: %d, %v", w.Code, w.Header())
	}
}

func TestTokenGuards(t *testing.T) {
	f := newFixture(t)
	var paths []string
	for _, r := range f.routes() {
		if want := strings.HasPrefix(r.path, "/debug/") || r.path == "/api/v1/key/status" || r.path == "/api/v1/config"; want != (r.access == guarded) {
			t.Errorf("%s: access %d", r.path, r.access)
		}
		if r.access == 0 {
			t.Errorf("%s: nobody said who may use it", r.path)
		}
		if r.access == guarded {
			paths = append(paths, r.path)
		}
	}
	paths = append(paths, "/debug/pprof/heap", "/debug/pprof/nothing-like-it", "/debug/pprof/../pprof/heap")
	bad := [][]string{
		{},
		{"Authorization", ""},
		{"Authorization", "Bearer"},
		{"Authorization", "Bearer "},
		{"Authorization", token},
		{"Authorization", "Basic " + token},
		{"Authorization", "Bearer " + token + "x"},
		{"Authorization", "Bearer " + token[:len(token)-1]},
		{"Authorization", "Bearer " + strings.ToUpper(token)},
		{"Authorization", "Bearer  " + token},
		{"Authorization", "Bearer " + strings.Repeat("x", 8000)},
		{"Authorization", "Bearer wrong", "Authorization", bearer},
		{"Authorization", bearer, "Authorization", bearer},
		{"X-Token", token},
	}
	refused := 0
	for _, path := range paths {
		for _, headers := range bad {
			for _, method := range []string{"GET", "HEAD", "POST"} {
				w := f.do(method, path, headers...)
				refused++
				if w.Code != http.StatusUnauthorized || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer ") || strings.TrimSpace(w.Body.String()) != "unauthorized" {
					t.Fatalf("%s %s %q: %d %q", method, path, headers, w.Code, w.Body)
				}
			}
		}
	}
	if f.failed != refused {
		t.Errorf("%d refusals counted, want %d", f.failed, refused)
	}
	for _, headers := range [][]string{{"Authorization", bearer}, {"Authorization", "bearer " + token}} {
		if w := f.do("GET", "/api/v1/key/status", headers...); w.Code != http.StatusOK {
			t.Errorf("%q: %d", headers, w.Code)
		}
	}
	if w := f.do("GET", "/debug/pprof/heap?debug=1", "Authorization", bearer); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "heap profile") {
		t.Errorf("heap profile: %d", w.Code)
	}
	if f.failed != refused {
		t.Error("a good token was counted as a failure")
	}
}

func TestTokenIsNeverShown(t *testing.T) {
	f := newFixture(t)
	var all strings.Builder
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/api/v1/key/status", "/api/v1/config", "/assets/dashboard.js", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/symbol"} {
		for _, auth := range []string{bearer, bearer + "x", "Basic " + token} {
			w := f.do("GET", path, "Authorization", auth)
			all.WriteString(w.Body.String())
			fmt.Fprint(&all, w.Header())
		}
	}
	all.Write(f.log.Bytes())
	cfg := Config{Token: token}
	fmt.Fprintf(&all, "%v %+v %#v %s", cfg, cfg, cfg, &cfg)
	if strings.Contains(all.String(), token) {
		t.Error("the token is shown")
	}
	if f.log.Len() == 0 {
		t.Error("refusals left no log line")
	}
}

func TestHealth(t *testing.T) {
	f := newFixture(t)
	f.stub.checks = []Check{{Name: "key"}}
	w := f.do("GET", "/healthz")
	if w.Code != 200 || w.Body.String() != "ok\n" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	if n := f.stub.asked.Load(); n != 0 {
		t.Error("liveness asked the dependencies")
	}
}

func TestReadyz(t *testing.T) {
	f := newFixture(t)
	want := func(status int, text, js string) {
		t.Helper()
		if w := f.do("GET", "/readyz"); w.Code != status || w.Body.String() != text || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("text: %d %q, want %d %q", w.Code, w.Body, status, text)
		}
		for _, w := range []*httptest.ResponseRecorder{f.do("GET", "/readyz?format=json"), f.do("GET", "/readyz", "Accept", "text/html, application/json;q=0.9")} {
			if w.Code != status || strings.TrimSpace(w.Body.String()) != js || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("JSON: %d %q, want %d %q", w.Code, w.Body, status, js)
			}
		}
		if w := f.do("GET", "/readyz?format=text", "Accept", "application/json"); w.Body.String() != text {
			t.Errorf("format=text: %q", w.Body)
		}
	}
	want(200, "ready\nkey: ok\nbackend: ok\n", `{"ready":true,"checks":[{"name":"key","ok":true},{"name":"backend","ok":true}]}`)
	f.stub.checks = []Check{{Name: "key", Detail: "no key is loaded"}, {Name: "backend", OK: true, Detail: "slow"}}
	want(503, "not ready\nkey: not ok (no key is loaded)\nbackend: ok (slow)\n",
		`{"ready":false,"checks":[{"name":"key","ok":false,"detail":"no key is loaded"},{"name":"backend","ok":true,"detail":"slow"}]}`)
	f.stub.checks = nil
	want(503, "not ready\n", `{"ready":false,"checks":[]}`)
	f.stub.panics = true
	want(503, "not ready\nreadiness: not ok (internal error)\n", `{"ready":false,"checks":[{"name":"readiness","ok":false,"detail":"internal error"}]}`)
}

// TestReadinessIsBounded: a check that hangs is asked once, however many probes
// wait, and they do not wait longer than they like.
func TestReadinessIsBounded(t *testing.T) {
	f := newFixture(t)
	f.stub.wait = make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			checks := f.checks(ctx)
			if len(checks) != 1 || checks[0].OK || checks[0].Detail != "no answer in time" {
				t.Errorf("%+v", checks)
			}
		})
	}
	wg.Wait()
	if n := f.stub.asked.Load(); n != 1 {
		t.Errorf("asked %d times at once", n)
	}
	close(f.stub.wait)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if w := f.do("GET", "/readyz"); w.Code == 200 {
			return
		}
	}
	t.Error("never ready again after a check that hung")
}

func TestMetrics(t *testing.T) {
	w := newFixture(t).do("GET", "/metrics")
	for _, want := range []string{"s3_crypt_proxy_test_total 7\n", "\ngo_goroutines ", "\nprocess_resident_memory_bytes ", "\nprocess_cpu_seconds_total "} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("type %q", w.Header().Get("Content-Type"))
	}
}

func TestKeyStatus(t *testing.T) {
	f := newFixture(t)
	get := func() map[string]any {
		w := f.do("GET", "/api/v1/key/status", "Authorization", bearer)
		var m map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || w.Header().Get("Content-Type") != "application/json" {
			t.Fatalf("%v: %s", err, w.Body)
		}
		return m
	}
	if m := get(); len(m) != 1 || m["loaded"] != false {
		t.Errorf("without a key: %v", m)
	}
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.FixedZone("", 3600))
	f.stub.status = KeyStatus{Loaded: true, ID: "0011223344556677", LoadedAt: at}
	if m := get(); len(m) != 3 || m["loaded"] != true || m["key_id"] != "0011223344556677" || m["loaded_at"] != "2026-11-21T07:00:00Z" {
		t.Errorf("with a key: %v", m)
	}
}

func TestProfileSeconds(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/debug/pprof/profile", "/debug/pprof/trace", "/debug/pprof/heap", "/debug/pprof/mutex", "/debug/pprof/block"} {
		for _, seconds := range []string{"-1", "0", "301", "1e9", "NaN", "x"} {
			if w := f.do("GET", path+"?seconds="+seconds, "Authorization", bearer); w.Code != http.StatusBadRequest {
				t.Errorf("%s for %q seconds: %d", path, seconds, w.Code)
			}
		}
	}
	if w := f.do("GET", "/debug/pprof/trace?seconds=0.01", "Authorization", bearer); w.Code != 200 || w.Body.Len() == 0 {
		t.Errorf("a short trace: %d, %d bytes", w.Code, w.Body.Len())
	}
}

func TestNewNamesTheField(t *testing.T) {
	good := Config{Token: token, Readiness: &stub{}, Metrics: &stub{}, Keys: &stub{}, Live: &stub{}, Settings: &stub{}}
	for field, spoil := range map[string]func(*Config){
		"Token":     func(c *Config) { c.Token = "" },
		"Readiness": func(c *Config) { c.Readiness = nil },
		"Metrics":   func(c *Config) { c.Metrics = nil },
		"Keys":      func(c *Config) { c.Keys = nil },
		"Live":      func(c *Config) { c.Live = nil },
		"Settings":  func(c *Config) { c.Settings = nil },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Errorf("without AuthFailed: %v", err)
	}
}
