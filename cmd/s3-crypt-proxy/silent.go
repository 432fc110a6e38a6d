package main

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// silentListener knows the connections on which no request has begun yet. The
// HTTP server waits for those during a drain until their header timeout, as if
// they were requests; one browser that connects in advance would use up
// shutdown_timeout.
type silentListener struct {
	net.Listener

	mu     sync.Mutex
	silent map[*silentConn]struct{}
	ended  bool
}

func newSilentListener(ln net.Listener) *silentListener {
	return &silentListener{Listener: ln, silent: map[*silentConn]struct{}{}}
}

// Accept counts a connection as silent until its first byte is read, or it is
// closed.
func (l *silentListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	s := &silentConn{Conn: c, listener: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		c.Close()
	} else {
		l.silent[s] = struct{}{}
	}
	return s, nil
}

// closeSilent closes every silent connection, and those still to be accepted.
func (l *silentListener) closeSilent() {
	l.mu.Lock()
	l.ended = true
	silent := l.silent
	l.silent = map[*silentConn]struct{}{}
	l.mu.Unlock()
	for s := range silent { // not under the lock: TLS says goodbye first
		_ = s.Conn.Close() // its reader sees it
	}
}

func (l *silentListener) forget(s *silentConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.silent, s)
}

type silentConn struct {
	net.Conn
	listener *silentListener
	spoke    atomic.Bool
}

// NetConn is the connection below.
func (s *silentConn) NetConn() net.Conn { return s.Conn }

// Read forgets the connection at its first byte.
func (s *silentConn) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if err != nil {
		answerPlain(err)
	}
	if n > 0 && !s.spoke.Load() {
		s.spoke.Store(true)
		s.listener.forget(s)
	}
	return n, err
}

// answerPlain tells a client that speaks HTTP where TLS is spoken: without it, all that it
// sees is a connection that was closed.
func answerPlain(err error) {
	var first tls.RecordHeaderError
	if !errors.As(err, &first) || first.Conn == nil || !plainHTTP[string(first.RecordHeader[:])] {
		return
	}
	_ = first.Conn.SetWriteDeadline(time.Now().Add(time.Second)) // it fits what any socket takes
	_, _ = first.Conn.Write([]byte("HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nThis port speaks HTTPS: use https:// in the endpoint.\n"))
}

// plainHTTP is how requests without TLS begin.
var plainHTTP = map[string]bool{"GET /": true, "HEAD ": true, "PUT /": true, "POST ": true, "DELET": true, "OPTIO": true}

// Close forgets the connection.
func (s *silentConn) Close() error {
	if !s.spoke.Load() {
		s.listener.forget(s)
	}
	return s.Conn.Close()
}
