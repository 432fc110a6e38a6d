package main

import (
	"net"
	"sync"
	"time"
)

// piece is how many bytes pass a line at once.
const piece = 64 << 10

// line is one direction of a link: bytes pass one after the other, whoever's they are.
type line struct {
	perByte time.Duration // times 1024, for a line's byte takes less than a nanosecond's multiple
	mu      sync.Mutex
	free    time.Time // when the last byte that was let on has passed
}

// newLine carries so many bits a second; nil carries everything at once.
func newLine(bits int64) *line {
	if bits <= 0 {
		return nil
	}
	return &line{perByte: time.Duration(8 * 1024 * int64(time.Second) / bits)}
}

// pass waits until n bytes have passed.
func (l *line) pass(n int) {
	if l == nil || n == 0 {
		return
	}
	l.mu.Lock()
	now := time.Now()
	if l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(l.perByte * time.Duration(n) / 1024)
	until := l.free
	l.mu.Unlock()
	// A timer is late by some 0.1 ms, which must not add up: what is due sooner is let pass, and paid by the next.
	if wait := time.Until(until); wait > 200*time.Microsecond {
		time.Sleep(wait)
	}
}

// link is a listener at the end of a line.
type link struct {
	net.Listener
	latency time.Duration
	up, dn  *line
}

// newLink shapes what passes ln; without latency and limit it is ln itself.
func newLink(ln net.Listener, latency time.Duration, bits int64) net.Listener {
	if latency <= 0 && bits <= 0 {
		return ln
	}
	return &link{ln, latency, newLine(bits), newLine(bits)}
}

func (l *link) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &linked{Conn: c, link: l}, nil
}

// linked is a connection over the link: its first Write after a Read is late by the latency, as an answer is that
// crossed the line twice.
type linked struct {
	net.Conn
	link  *link
	asked bool
}

func (c *linked) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), piece)])
	c.asked = true
	c.link.up.pass(n)
	return n, err
}

func (c *linked) Write(p []byte) (int, error) {
	if c.asked && c.link.latency > 0 {
		time.Sleep(c.link.latency)
	}
	c.asked = false
	done := 0
	for done < len(p) {
		n, err := c.Conn.Write(p[done:min(len(p), done+piece)])
		done += n
		if err != nil {
			return done, err
		}
		c.link.dn.pass(n)
	}
	return done, nil
}
