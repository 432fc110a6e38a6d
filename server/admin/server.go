package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Metrics writes figures in the Prometheus text format.
type Metrics interface{ WritePrometheus(w io.Writer) }

// KeyStatus tells about the active key, without the key.
type KeyStatus struct {
	Loaded   bool
	ID       string    // public name of the active key; "" unless Loaded
	LoadedAt time.Time // zero unless Loaded
}

// Keys tells about the keys in use.
type Keys interface{ KeyStatus() KeyStatus }

// Config is everything a Server needs.
type Config struct {
	Token     string // required; prints redacted
	Readiness Readiness
	Metrics   Metrics
	Keys      Keys
	Live      Live
	Settings  Settings

	Version string           // for the dashboard
	Expiry  func() time.Time // of the certificate; nil, or the zero time = there is none
	// ShowNames: who shows the token sees the names that Live has.
	ShowNames bool

	// AuthFailed is called for each refused token; nil = nothing.
	AuthFailed func()
	Log        zerolog.Logger
}

// String leaves the token out.
func (c Config) String() string { return "admin.Config(token redacted)" }

// GoString leaves the token out.
func (c Config) GoString() string { return c.String() }

// Server is the operators' listener. Make it with New.
type Server struct {
	token      [sha256.Size]byte
	readiness  Readiness
	metrics    Metrics
	keys       Keys
	live       Live
	settings   Settings
	version    string
	expiry     func() time.Time
	showNames  bool
	authFailed func()
	log        zerolog.Logger

	http  *http.Server
	conns atomic.Int64
	hub   *hub

	asking sync.Mutex
	asked  *question // the readiness check that runs, if one does
}

// New checks a Config and makes a Server; the error names the bad field.
func New(cfg Config) (*Server, error) {
	switch {
	case cfg.Token == "":
		return nil, errors.New("cannot make the admin server: Token is empty")
	case cfg.Readiness == nil:
		return nil, errors.New("cannot make the admin server: Readiness is nil")
	case cfg.Metrics == nil:
		return nil, errors.New("cannot make the admin server: Metrics is nil")
	case cfg.Keys == nil:
		return nil, errors.New("cannot make the admin server: Keys is nil")
	case cfg.Live == nil:
		return nil, errors.New("cannot make the admin server: Live is nil")
	case cfg.Settings == nil:
		return nil, errors.New("cannot make the admin server: Settings is nil")
	}
	s := &Server{
		token:      sha256.Sum256([]byte(cfg.Token)),
		readiness:  cfg.Readiness,
		metrics:    cfg.Metrics,
		keys:       cfg.Keys,
		live:       cfg.Live,
		settings:   cfg.Settings,
		version:    cfg.Version,
		expiry:     cfg.Expiry,
		showNames:  cfg.ShowNames,
		authFailed: cfg.AuthFailed,
		log:        cfg.Log,
	}
	if s.authFailed == nil {
		s.authFailed = func() {}
	}
	if s.expiry == nil {
		s.expiry = func() time.Time { return time.Time{} }
	}
	s.hub = newHub(s)
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadTimeout:       readTimeout,
		ReadHeaderTimeout: readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         s.track,
		ErrorLog:          log.New(quiet{}, "", 0),
		// No WriteTimeout: it would end profiles. Handlers set their own.
	}
	return s, nil
}

// quiet drops net/http's own lines: they repeat what clients sent.
type quiet struct{}

func (quiet) Write(b []byte) (int, error) { return len(b), nil }

// track closes connections beyond maxConnections.
func (s *Server) track(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if s.conns.Add(1) > maxConnections {
			c.Close()
		}
	case http.StateClosed, http.StateHijacked:
		s.conns.Add(-1)
	}
}

// Serve answers on ln until Shutdown, then returns nil. It warns if other
// machines can reach ln.
func (s *Server) Serve(ln net.Listener) error {
	if tcp, ok := ln.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		s.log.Warn().Str("address", ln.Addr().String()).
			Msg("the admin listener can be reached from other machines, without TLS: the token crosses the network in the clear")
	}
	ctx, stop := context.WithCancel(context.Background())
	sampled := make(chan struct{})
	go func() {
		defer close(sampled)
		s.hub.run(ctx)
	}()
	defer func() {
		stop()
		<-sampled
	}()
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot serve the admin listener: %w", err)
	}
	return nil
}

// Shutdown stops accepting and waits for running answers until ctx ends; then it
// cuts them. Streams end at once.
func (s *Server) Shutdown(ctx context.Context) error {
	s.hub.end()
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close() // the first error says it all
		return fmt.Errorf("cannot end the admin listener: %w", err)
	}
	return nil
}

// authorized compares the bearer token, in constant time.
func (s *Server) authorized(r *http.Request) bool {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") { // RFC 9110, 11.1: schemes ignore case
		return false
	}
	given := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(given[:], s.token[:]) == 1
}
