package memkey

import (
	"net"
	"net/netip"
	"sync"
)

// A Listener bounds the open connections of an http.Server without letting anybody lock others out: it never refuses
// the new connection but ends an old one, of the same source if that has too many, else of the source with most. So
// silent connections, however many, cannot keep an admin away; their own get shorter.
type Listener struct {
	net.Listener

	mu      sync.Mutex
	sources map[netip.Prefix][]*boundConn // oldest first
	open    int
}

// NewListener wraps l.
func NewListener(l net.Listener) *Listener {
	return &Listener{Listener: l, sources: make(map[netip.Prefix][]*boundConn)}
}

// Accept waits for a connection and makes room for it.
func (l *Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	ap, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	c := &boundConn{Conn: conn, listener: l, source: sourcePrefix(ap.Addr())}
	if victim := l.add(c); victim != nil {
		_ = victim.Conn.Close() // it is off the books; its handler sees the end
	}
	return c, nil
}

// add books c and returns the connection that has to end for it, already off the books.
func (l *Listener) add(c *boundConn) *boundConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	var victim *boundConn
	switch {
	case len(l.sources[c.source]) >= maxSourceConns:
		victim = l.sources[c.source][0]
	case l.open >= maxConns:
		for _, conns := range l.sources {
			if victim == nil || len(conns) > len(l.sources[victim.source]) {
				victim = conns[0]
			}
		}
	}
	if victim != nil {
		l.remove(victim)
	}
	l.sources[c.source] = append(l.sources[c.source], c)
	l.open++
	return victim
}

// remove takes c off the books once. mu is held.
func (l *Listener) remove(c *boundConn) {
	conns := l.sources[c.source]
	for i, other := range conns {
		if other != c {
			continue
		}
		conns = append(conns[:i], conns[i+1:]...)
		l.open--
		if len(conns) == 0 {
			delete(l.sources, c.source)
		} else {
			l.sources[c.source] = conns
		}
		return
	}
}

type boundConn struct {
	net.Conn
	listener *Listener
	source   netip.Prefix
}

// Close takes the connection off the books.
func (c *boundConn) Close() error {
	c.listener.mu.Lock()
	c.listener.remove(c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
