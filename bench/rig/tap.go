package rig

import (
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
)

// Tap is an HTTP relay in front of a backend that counts requests and may answer in the backend's place.
type Tap struct {
	Address string // where it listens

	srv  *http.Server
	done chan struct{}

	mu   sync.Mutex
	seen []string
	hook func(http.ResponseWriter, *http.Request) bool
}

// StartTap relays a free port on loopback to an HTTP server.
func StartTap(target string) (*Tap, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 256}
	relay := &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		// The host header stays as the client signed it.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", target, r.In.Host
		},
		// A fault of the target must not look like an answer of it.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { Abort() },
	}
	t := &Tap{Address: ln.Addr().String(), done: make(chan struct{})}
	t.srv = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		t.seen = append(t.seen, r.Method+" "+r.RequestURI)
		hook := t.hook
		t.mu.Unlock()
		if hook == nil || !hook(w, r) {
			relay.ServeHTTP(w, r)
		}
	})}
	go func() {
		defer close(t.done)
		if err := t.srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			panic("BUG: the tap's server ended: " + err.Error())
		}
		transport.CloseIdleConnections()
	}()
	return t, nil
}

// Abort, called from a hook, cuts the connection without an answer.
func Abort() { panic(http.ErrAbortHandler) }

// Hook sets a function that sees each request first and returns true if it answered it; nil removes it.
func (t *Tap) Hook(h func(http.ResponseWriter, *http.Request) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hook = h
}

// Requests returns what came since the last call of Reset, as "METHOD target".
func (t *Tap) Requests() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.seen...)
}

// Reset forgets the requests seen so far.
func (t *Tap) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = nil
}

// Close ends the tap and its connections.
func (t *Tap) Close() {
	t.srv.Close()
	<-t.done
}
