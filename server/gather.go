package server

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// gatherAbove is what TLS writes as one record.
	gatherAbove = 16 << 10
	// gatherBuffer has room for the records of a segment: TLS adds 22 bytes to each, at most 53 in TLS 1.2.
	gatherBuffer = 72 << 10
)

// NewGatherListener is to stand below TLS, which writes the records of an answer, 16 KiB each, one by one: a system call
// for each, and on the other side as many packets and wake-ups. Its connections write the records of one write of ours
// together. They have a fixed number of buffers for it, each for the time of a write; who finds none writes as without.
func NewGatherListener(ln net.Listener) net.Listener {
	return &gatherListener{ln, &gatherBuffers{free: make(chan []byte, max(32, 4*runtime.GOMAXPROCS(0)))}}
}

type gatherListener struct {
	net.Listener
	buffers *gatherBuffers
}

func (l *gatherListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &gatherConn{Conn: c, buffers: l.buffers}, nil
}

// gatherBuffers are as many as free has room for. What was in them is TLS's: nothing to be cleared.
type gatherBuffers struct {
	free chan []byte
	made atomic.Int64
}

// take gives an empty buffer, nil if all are in use.
func (b *gatherBuffers) take() []byte {
	select {
	case buf := <-b.free:
		return buf[:0]
	default:
	}
	if b.made.Add(1) > int64(cap(b.free)) {
		b.made.Add(-1)
		return nil
	}
	return make([]byte, 0, gatherBuffer)
}

// gatherConn is a connection below TLS. TLS may write to it on several goroutines.
type gatherConn struct {
	net.Conn
	buffers *gatherBuffers

	mu     sync.Mutex
	kept   []byte // nil, or a buffer with what was written since gather
	failed error  // of a write that TLS thinks went well: none may follow it
}

// NetConn is the connection below.
func (c *gatherConn) NetConn() net.Conn { return c.Conn }

// gather has Write keep what it is given until flush, if there is a buffer for it.
func (c *gatherConn) gather() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = c.buffers.take()
	}
	return c.kept != nil
}

// Write writes, behind what is kept, or keeps.
func (c *gatherConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) > cap(c.kept)-len(c.kept) {
		c.sendLocked()
	}
	if c.failed != nil {
		return 0, c.failed
	}
	if len(p) <= cap(c.kept) {
		c.kept = append(c.kept, p...)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// flush sends what was kept; Write keeps nothing any more.
func (c *gatherConn) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sendLocked()
	if c.kept != nil {
		c.buffers.free <- c.kept
		c.kept = nil
	}
	return c.failed
}

func (c *gatherConn) sendLocked() {
	if len(c.kept) > 0 && c.failed == nil {
		_, c.failed = c.Conn.Write(c.kept)
	}
	c.kept = c.kept[:0]
}

// gatherBelow finds the gatherConn below a connection, nil if there is none.
func gatherBelow(conn net.Conn) *gatherConn {
	for conn != nil {
		if c, ok := conn.(*gatherConn); ok {
			return c
		}
		below, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = below.NetConn()
	}
	return nil
}
