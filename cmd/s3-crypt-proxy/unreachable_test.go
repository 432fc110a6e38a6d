package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

// TestUnreachableBackendIsToldSoon: requests that bring nothing are told soon that nobody
// answers, the probes name the backend from then on, and both know when it is back.
func TestUnreachableBackendIsToldSoon(t *testing.T) {
	l := newLive(t, keyagent.Policy{})
	store := httptest.NewServer(l.store)
	l.url = store.URL
	l.load(1)
	addr, admin, log := l.start(config.MemkeyExport)
	l.until(http.StatusOK, "PUT", addr, "/bkt/k", []byte("some text"))
	l.want(http.StatusOK, "some text", "GET", addr, "/bkt/k", nil)
	ready := func(want int, text string) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			status, said := readyz(t, admin)
			if status == want && strings.Contains(said, text) {
				return
			}
			if time.Since(began) > 20*time.Second {
				t.Fatalf("/readyz says %d %q, want %d with %q", status, said, want, text)
			}
		}
	}
	ready(http.StatusOK, "bucket other: ok")

	at := store.Listener.Addr().String()
	store.Close()
	for _, path := range []string{"/bkt?list-type=2", "/other/k"} {
		began := time.Now()
		status, answer, err := l.ask("GET", addr, path, nil)
		// unreachableTime with a margin for slow machines, below what it was: 28 s and more.
		if took := time.Since(began); err != nil || status != http.StatusServiceUnavailable || took > unreachableTime+8*time.Second {
			t.Errorf("GET %s: %d after %v, %v", path, status, took, err)
		}
		for _, want := range []string{"<Code>ServiceUnavailable</Code>", "the backend cannot be reached"} {
			if !bytes.Contains(answer, []byte(want)) {
				t.Errorf("GET %s: no %q in %s", path, want, answer)
			}
		}
		if bytes.Contains(answer, []byte(at)) || bytes.Contains(answer, []byte("dial")) {
			t.Errorf("the client is told where the backend is: %s", answer)
		}
		// The first of them was enough, though /readyz asked for nobody before.
		if status, said := readyz(t, admin); status != http.StatusServiceUnavailable || !strings.Contains(said, "backend: not ok (the backend cannot be reached") {
			t.Errorf("/readyz says %d %q", status, said)
		}
	}
	// The bucket is known, and so is that nobody answers: the body is not even taken.
	began := time.Now()
	if status, answer, err := l.ask("PUT", addr, "/bkt/new", []byte("text")); err != nil || status != http.StatusServiceUnavailable || time.Since(began) > unreachableTime+8*time.Second {
		t.Errorf("PUT: %d after %v, %v: %s", status, time.Since(began), err, answer)
	}
	if v, err := l.value(admin, `s3_crypt_proxy_backend_errors_total{type="unreachable"}`); err != nil || v != 3 {
		t.Errorf("counted %v, %v", v, err)
	}
	if text := log.String(); !strings.Contains(text, `"fault":"unreachable"`) || !strings.Contains(text, "unreachable: dial") {
		t.Errorf("the log does not say what it is: %s", text)
	}

	ln, err := net.Listen("tcp", at)
	for began := time.Now(); err != nil && time.Since(began) < 20*time.Second; time.Sleep(10 * time.Millisecond) {
		ln, err = net.Listen("tcp", at) // somebody's connection may have the port
	}
	if err != nil {
		t.Fatal(err)
	}
	again := &httptest.Server{Listener: ln, Config: &http.Server{Handler: l.store}}
	again.Start()
	defer again.Close()
	ready(http.StatusOK, "bucket bkt: ok")
	l.want(http.StatusOK, "some text", "GET", addr, "/bkt/k", nil)
	l.client.CloseIdleConnections()
}
