package memkey

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

const binaryType = "application/octet-stream"

// Handler serves the protocol (PROTOCOL.md section 9):
//
//	POST /challenge, GET /challenge?m1=…   M1 (in the query: base64url without padding) to M2
//	POST /key                              M3 to M4 or M4e
//	GET  /status                           {"ready":true} or {"ready":false}
//	GET  /health                           200 or 503, no body
//
// ready tells both of the latter; it must be there and cheap, strangers call it.
func (a *Agent) Handler(ready func() bool) http.Handler {
	if ready == nil {
		panic("BUG: memkey: Handler without ready")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /challenge", a.serveChallenge)
	mux.HandleFunc("GET /challenge", a.serveChallengeQuery)
	mux.HandleFunc("POST /key", a.serveKey)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ready":`+strconv.FormatBool(ready())+"}\n")
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if !ready() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The agent's own clock: the client tells a clock that is off from other refusals by it.
		w.Header().Set("Date", a.cfg.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		// A recorder in a test has no deadline; a server without one would be the caller's choice.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(a.readTime))
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		mux.ServeHTTP(w, r)
	})
}

// serveChallenge reads nothing of a body that cannot be an M1.
func (a *Agent) serveChallenge(w http.ResponseWriter, r *http.Request) {
	var m1 [m1Size]byte
	if r.ContentLength != m1Size {
		a.answer(w, nil, a.denied(source(r), 0, "not an M1: wrong length"))
		return
	}
	if _, err := io.ReadFull(r.Body, m1[:]); err != nil {
		a.answer(w, nil, a.denied(source(r), 0, "the M1 ends early"))
		return
	}
	m2, err := a.Challenge(r.Context(), source(r), m1[:])
	a.answer(w, m2, err)
}

func (a *Agent) serveChallengeQuery(w http.ResponseWriter, r *http.Request) {
	m1, err := base64.RawURLEncoding.Strict().DecodeString(r.URL.Query().Get("m1"))
	if err != nil || r.ContentLength != 0 {
		a.answer(w, nil, a.denied(source(r), 0, "not an M1: wrong query"))
		return
	}
	m2, err := a.Challenge(r.Context(), source(r), m1)
	a.answer(w, m2, err)
}

// serveKey wants the length in advance: receive decides by it what it reads.
func (a *Agent) serveKey(w http.ResponseWriter, r *http.Request) {
	reply, err := a.receive(r.Context(), source(r), r.ContentLength, r.Body)
	a.answer(w, reply, err)
}

// answer writes a message of the protocol, or one of three constant texts.
func (a *Agent) answer(w http.ResponseWriter, message []byte, err error) {
	code := http.StatusOK
	var refusal *Refusal
	if errors.As(err, &refusal) {
		switch refusal.Status {
		case StatusDenied:
			code = http.StatusForbidden
		case StatusBusy:
			code = http.StatusTooManyRequests
			seconds := (refusal.RetryAfter + time.Second - 1) / time.Second
			w.Header().Set("Retry-After", strconv.Itoa(int(max(1, seconds))))
		case StatusFailed:
			code = http.StatusServiceUnavailable
		default:
			code = http.StatusUnprocessableEntity
		}
	}
	if message == nil {
		text, ok := plainTexts[code]
		if !ok {
			panic("BUG: memkey: no message and no text for " + strconv.Itoa(code))
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
		return
	}
	w.Header().Set("Content-Type", binaryType)
	w.Header().Set("Content-Length", strconv.Itoa(len(message)))
	w.WriteHeader(code)
	_, _ = w.Write(message)
}

var plainTexts = map[int]string{
	http.StatusForbidden:          "denied\n",
	http.StatusTooManyRequests:    "busy\n",
	http.StatusServiceUnavailable: "failed\n",
}

// source is the peer's address: of the connection, never of a header that the peer wrote.
func source(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// NewServer returns an http.Server for the protocol with TLS 1.3, HTTP/1.1 only, and every bound set. Serve it with
// ServeTLS(NewListener(l), "", ""). It logs nothing; set ErrorLog to change that.
func NewServer(a *Agent, cert tls.Certificate, ready func() bool) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler: a.Handler(ready), TLSConfig: ServerTLS(cert), Protocols: protocols,
		ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader, ErrorLog: log.New(io.Discard, "", 0),
	}
}
