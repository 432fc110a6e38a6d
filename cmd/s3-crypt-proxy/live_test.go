package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/remote"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// heap is an S3 server in memory, as much of one as single objects need.
type heap struct {
	mu      sync.Mutex
	objects map[string][]byte // by /bucket/key
}

func etagOf(data []byte) string {
	sum := md5.Sum(data)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func (h *heap) stored(path string) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.objects[path]
}

func (h *heap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucketOnly := strings.Count(strings.Trim(r.URL.Path, "/"), "/") == 0
	switch {
	case bucketOnly && r.Method == "GET":
		h.list(w, strings.Trim(r.URL.Path, "/"))
	case bucketOnly:
	case r.Method == "PUT":
		h.put(w, r)
	default:
		data := h.stored(r.URL.Path)
		if data == nil {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "<Error><Code>NoSuchKey</Code></Error>")
			return
		}
		w.Header().Set("ETag", etagOf(data))
		http.ServeContent(w, r, "", time.Unix(1768478400, 0), bytes.NewReader(data)) // knows Range and If-Match
	}
}

func (h *heap) list(w http.ResponseWriter, bucket string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fmt.Fprint(w, "<ListBucketResult><IsTruncated>false</IsTruncated>")
	for path, data := range h.objects {
		if key, ok := strings.CutPrefix(path, "/"+bucket+"/"); ok {
			fmt.Fprintf(w, "<Contents><Key>%s</Key><Size>%d</Size><LastModified>2026-01-15T00:00:00Z</LastModified></Contents>", key, len(data))
		}
	}
	fmt.Fprint(w, "</ListBucketResult>")
}

func (h *heap) put(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	old, exists := h.objects[r.URL.Path]
	match := r.Header.Get("If-Match")
	if r.Header.Get("If-None-Match") == "*" && exists || match != "" && (!exists || match != etagOf(old)) {
		w.WriteHeader(http.StatusPreconditionFailed)
		fmt.Fprint(w, "<Error><Code>PreconditionFailed</Code></Error>")
		return
	}
	h.objects[r.URL.Path] = data
	w.Header().Set("ETag", etagOf(data))
}

// live is a key agent, a store, and proxies between real sockets.
type live struct {
	tb     testing.TB
	holder *keyagent.Holder
	policy keyagent.Policy
	socket string
	stop   func() // the agent
	store  *heap
	url    string // of the store
	client *http.Client
	signer *sigv4.Signer
}

func newLive(tb testing.TB, policy keyagent.Policy) *live {
	tb.Helper()
	l := &live{tb: tb, holder: keyagent.NewHolder(), policy: policy, store: &heap{objects: map[string][]byte{}},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 30 * time.Second},
		signer: sigv4.NewSigner("CLIENT", "secret", "us-east-1")}
	l.policy.Deriver = remote.Deriver{}
	l.socket = filepath.Join(tb.TempDir(), "s")
	l.serveKeys()
	backend := httptest.NewServer(l.store)
	l.url = backend.URL
	tb.Cleanup(func() {
		l.client.CloseIdleConnections()
		l.stop()
		l.holder.Clear()
		backend.Close()
	})
	return l
}

// serveKeys starts the agent, until stop.
func (l *live) serveKeys() {
	l.tb.Helper()
	ln, err := keyagent.Listen(l.socket)
	if err != nil {
		l.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- keyagent.Serve(ctx, ln, l.holder, l.policy) }()
	l.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			l.tb.Errorf("the agent: %v", err)
		}
	})
}

// load gives the agent masters that repeat a byte; the first is the active one.
func (l *live) load(fill ...byte) {
	var keys []keyagent.Key
	for i, b := range fill {
		s, err := keyagent.NewSecret(bytes.Repeat([]byte{b}, keyagent.KeySize))
		if err != nil {
			l.tb.Error(err)
			return
		}
		keys = append(keys, keyagent.Key{Master: s, Active: i == 0})
	}
	if _, err := l.holder.Load(keys); err != nil {
		l.tb.Error(err)
	}
}

// start runs a proxy with a memkey.mode until the end of the test, and returns its
// address, that of its operators' listener, and what it logs.
func (l *live) start(mode string) (addr, admin string, log *syncBuffer) {
	l.tb.Helper()
	cfg, err := config.Load("", []string{
		"S3CP_LISTEN_ADDR=127.0.0.1:0", "S3CP_ADMIN_LISTEN_ADDR=127.0.0.1:0", "S3CP_ADMIN_TOKEN=0123456789abcdef",
		"S3CP_BACKEND_ENDPOINT=" + l.url, "S3CP_BACKEND_ACCESS_KEY=a", "S3CP_BACKEND_SECRET_KEY=b", "S3CP_BACKEND_PATH_STYLE=true",
		"S3CP_CLIENT_ACCESS_KEY=CLIENT", "S3CP_CLIENT_SECRET_KEY=secret", "S3CP_ALLOWED_BUCKETS=bkt,other",
		"S3CP_MEMKEY_SOCKET=" + l.socket, "S3CP_MEMKEY_MODE=" + mode,
	})
	if err != nil {
		l.tb.Fatal(err)
	}
	log = &syncBuffer{}
	p, err := assemble(cfg, zerolog.New(log))
	if err != nil {
		l.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx, make(chan os.Signal)) }()
	l.tb.Cleanup(func() {
		l.client.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			l.tb.Errorf("the proxy: %v", err)
		}
	})
	return p.clients.Addr().String(), p.admins.Addr().String(), log
}

// ask sends a signed request.
func (l *live) ask(method, addr, path string, body []byte) (status int, answer []byte, err error) {
	// As a stream whose size is known: net/http would send a body of nothing chunked.
	req, err := http.NewRequest(method, "http://"+addr+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	headers, err := l.signer.Sign(method, addr, path, nil, sigv4.UnsignedPayload, time.Now())
	if err != nil {
		return 0, nil, err
	}
	for _, h := range headers {
		if !strings.EqualFold(h.Name, "host") {
			req.Header.Set(h.Name, h.Value)
		}
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// want asks, and fails unless the answer has the status and the text.
func (l *live) want(status int, text, method, addr, path string, body []byte) {
	l.tb.Helper()
	began := time.Now()
	got, answer, err := l.ask(method, addr, path, body)
	if err != nil || got != status || !bytes.Contains(answer, []byte(text)) {
		l.tb.Fatalf("%s %s gives %d, want %d with %q: %.200s, %v", method, path, got, status, text, answer, err)
	}
	if took := time.Since(began); took > 20*time.Second {
		l.tb.Errorf("%s %s took %v", method, path, took)
	}
}

// wants asks again until the text comes. Every answer must have the status.
func (l *live) wants(status int, text, method, addr, path string, body []byte) {
	l.tb.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		got, answer, err := l.ask(method, addr, path, body)
		if err != nil || got != status || time.Since(began) > 20*time.Second {
			l.tb.Fatalf("%s %s gives %d, want %d with %q: %.200s, %v", method, path, got, status, text, answer, err)
		}
		if bytes.Contains(answer, []byte(text)) {
			return
		}
	}
}

// until asks again until the status comes, and returns how long that took.
func (l *live) until(status int, method, addr, path string, body []byte) time.Duration {
	l.tb.Helper()
	began := time.Now()
	for {
		got, answer, err := l.ask(method, addr, path, body)
		took := time.Since(began)
		if err == nil && got == status {
			return took
		}
		if took > 20*time.Second {
			l.tb.Fatalf("%s %s still gives %d, want %d: %.300s, %v", method, path, got, status, answer, err)
		}
		time.Sleep(time.Millisecond)
	}
}

// page reads a page of the operators' listener.
func (l *live) page(admin, path string) string {
	l.tb.Helper()
	resp, err := l.client.Get("http://" + admin + path)
	if err != nil {
		l.tb.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		l.tb.Fatal(err)
	}
	return string(text)
}

// value reads one figure of /metrics.
func (l *live) value(admin, name string) (float64, error) {
	l.tb.Helper()
	for line := range strings.Lines(l.page(admin, "/metrics")) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(v), 64)
		}
	}
	return 0, errors.New("no " + name)
}
