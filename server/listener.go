package server

import (
	"net"
	"sync"
	"time"
)

// limitListener accepts no more than n connections at a time; a further client
// waits in the kernel's backlog. Closing it frees a waiting Accept.
type limitListener struct {
	net.Listener
	progress time.Duration // for each write of a connection
	slots    chan struct{}
	done     chan struct{}
	once     sync.Once
}

func newLimitListener(ln net.Listener, n int, progress time.Duration) *limitListener {
	return &limitListener{Listener: ln, progress: progress, slots: make(chan struct{}, n), done: make(chan struct{})}
}

// Accept waits for a free slot, then for a connection.
func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitConn{Conn: c, below: gatherBelow(c), progress: l.progress, free: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close stops accepting; connections in service go on.
func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// limitConn gives its slot back when it is closed, and bounds every write: a
// client that stops reading is cut, one that is slow is not. fasthttp's own write
// timeout would cover a whole answer.
type limitConn struct {
	net.Conn
	below    *gatherConn // below TLS; nil: there is none
	progress time.Duration
	free     func()
}

// NetConn is the connection below, for watchClient.
func (c *limitConn) NetConn() net.Conn { return c.Conn }

func (c *limitConn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.progress)); err != nil {
		return 0, err
	}
	if c.below == nil || len(p) <= gatherAbove || !c.below.gather() {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p)
	if failed := c.below.flush(); err == nil && failed != nil {
		return 0, failed
	}
	return n, err
}

func (c *limitConn) Close() error {
	defer c.free()
	return c.Conn.Close()
}
