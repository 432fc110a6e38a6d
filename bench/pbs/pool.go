package pbs

import (
	"bufio"
	"net"
	"sync"
	"syscall"
	"time"
)

// conn is one connection with its read buffer; one request at a time uses it.
type conn struct {
	net.Conn
	tcp    *net.TCPConn
	r      *bufio.Reader
	idle   time.Time
	reused bool
}

// pool keeps idle connections, the freshest first, without a limit on their number.
type pool struct {
	mu     sync.Mutex
	conns  []*conn
	closed bool
}

// take returns an idle connection that is young and still open, or nil.
func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.conns) > 0 {
		c := p.conns[len(p.conns)-1]
		p.conns = p.conns[:len(p.conns)-1]
		if time.Since(c.idle) < idleTime && c.quiet() {
			c.reused = true
			return c
		}
		c.Close()
	}
	return nil
}

func (p *pool) give(c *conn) {
	c.idle = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
		return
	}
	p.conns = append(p.conns, c)
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// quiet tells whether the idle connection is open and silent. Anything to read on it, end of file included, means
// that the server has closed it or speaks out of turn.
func (c *conn) quiet() bool {
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return false
	}
	ok := false
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, rerr := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ok = rerr == syscall.EAGAIN
		return true
	})
	return err == nil && ok
}
