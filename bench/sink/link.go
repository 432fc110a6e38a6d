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

// pass waits until n bytes have passed that were ready to since a time, and says when that was. A real line goes on while this
// process waits for a core, out of and into the buffers of the kernels on both sides, so what was ready passes from
// then on; never from earlier than those buffers last.
func (l *line) pass(n int, since time.Time) time.Time {
	if l == nil || n == 0 {
		return time.Time{}
	}
	until := l.book(n, since, time.Now())
	// A timer is late by some 0.1 ms, which must not add up: what is due sooner is let pass, and paid by the next.
	if wait := time.Until(until); wait > 200*time.Microsecond {
		time.Sleep(wait)
	}
	return until
}

// book takes the next free time of the line for n bytes and says when they have passed.
func (l *line) book(n int, since, now time.Time) time.Time {
	if most := now.Add(-buffered); since.Before(most) {
		since = most
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free.Before(since) {
		l.free = since
	}
	l.free = l.free.Add(l.perByte * time.Duration(n) / 1024)
	return l.free
}

const (
	// buffered is how long a line lives on what the kernels hold: 5 MB at 2 Gbit/s.
	buffered = 20 * time.Millisecond
	// atOnce: a call that took longer had to wait for the other side.
	atOnce = 100 * time.Microsecond
)

// ready is since when the bytes of a call that began at a time were ready, if those before them had passed at due.
func ready(due, began time.Time) time.Time {
	now := time.Now()
	if due.IsZero() || now.Sub(began) > atOnce {
		return now
	}
	return due
}

// link is a listener at the end of a line.
type link struct {
	net.Listener
	latency time.Duration
	up, dn  *line
	each    int64 // bits a second of one connection
}

// newLink shapes what passes ln: all connections together to bits a second in each direction, and one alone to each. Without
// latency and limits it is ln itself.
func newLink(ln net.Listener, latency time.Duration, bits, each int64) net.Listener {
	if latency <= 0 && bits <= 0 && each <= 0 {
		return ln
	}
	return &link{ln, latency, newLine(bits), newLine(bits), each}
}

func (l *link) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &linked{Conn: c, link: l, up: newLine(l.each), dn: newLine(l.each)}, nil
}

// linked is a connection over the link: its first Write after a Read is late by the latency, as an answer is that
// crossed the line twice.
type linked struct {
	net.Conn
	link   *link
	up, dn *line // its own
	asked  bool
	// read and written are when the last bytes of this transfer had passed.
	read, written time.Time
}

func (c *linked) Read(p []byte) (int, error) {
	began := time.Now()
	n, err := c.Conn.Read(p[:min(len(p), piece)])
	c.asked, c.written = true, time.Time{}
	since := ready(c.read, began)
	c.read = later(c.link.up.pass(n, since), c.up.pass(n, since))
	return n, err
}

func (c *linked) Write(p []byte) (int, error) {
	if c.asked && c.link.latency > 0 {
		time.Sleep(c.link.latency)
	}
	c.asked, c.read = false, time.Time{}
	done := 0
	for done < len(p) {
		began := time.Now()
		n, err := c.Conn.Write(p[done:min(len(p), done+piece)])
		done += n
		if err != nil {
			return done, err
		}
		since := ready(c.written, began)
		c.written = later(c.link.dn.pass(n, since), c.dn.pass(n, since))
	}
	return done, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
