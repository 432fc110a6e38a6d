package memkey

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// A Listener bounds the open connections of an http.Server without letting anybody lock others out: it never refuses
// the new connection but ends an old one, of the same source if that has too many, else of the same site, else of the
// site with most. So silent connections, however many, cannot keep an admin away; their own get shorter. A source is an
// IPv4 address or an IPv6 /64, a site an IPv4 address or an IPv6 /48: who has one of those has 65,536 sources.
type Listener struct {
	net.Listener

	mu    sync.Mutex
	sites map[netip.Prefix]*site
	open  int
}

// site is the open connections of one site.
type site struct {
	sources map[netip.Prefix][]*boundConn // oldest first
	open    int
}

// greediest returns the oldest connection of the source with most.
func (s *site) greediest() *boundConn {
	var most []*boundConn
	for _, conns := range s.sources {
		if len(conns) > len(most) {
			most = conns
		}
	}
	return most[0]
}

// NewListener wraps l.
func NewListener(l net.Listener) *Listener {
	return &Listener{Listener: l, sites: make(map[netip.Prefix]*site)}
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
	at := l.sites[c.site()]
	var victim *boundConn
	switch {
	case at != nil && len(at.sources[c.source]) >= maxSourceConns:
		victim = at.sources[c.source][0]
	case at != nil && at.open >= maxSiteConns:
		victim = at.greediest()
	case l.open >= maxConns:
		var most *site
		for _, s := range l.sites {
			if most == nil || s.open > most.open {
				most = s
			}
		}
		victim = most.greediest()
	}
	if victim != nil {
		l.remove(victim)
	}
	if at = l.sites[c.site()]; at == nil {
		at = &site{sources: make(map[netip.Prefix][]*boundConn)}
		l.sites[c.site()] = at
	}
	at.sources[c.source] = append(at.sources[c.source], c)
	at.open++
	l.open++
	return victim
}

// remove takes c off the books once. mu is held.
func (l *Listener) remove(c *boundConn) {
	at := l.sites[c.site()]
	if at == nil {
		return
	}
	i := slices.Index(at.sources[c.source], c)
	if i < 0 {
		return
	}
	at.sources[c.source] = slices.Delete(at.sources[c.source], i, i+1)
	if len(at.sources[c.source]) == 0 {
		delete(at.sources, c.source)
	}
	at.open--
	if at.open == 0 {
		delete(l.sites, c.site())
	}
	l.open--
}

type boundConn struct {
	net.Conn
	listener *Listener
	source   netip.Prefix
}

// site is what the source belongs to.
func (c *boundConn) site() netip.Prefix {
	bits := c.source.Bits()
	if c.source.Addr().Is6() {
		bits = 48
	}
	p, _ := c.source.Addr().Prefix(bits) // the zero Addr gives the zero Prefix
	return p
}

// Close takes the connection off the books.
func (c *boundConn) Close() error {
	c.listener.mu.Lock()
	c.listener.remove(c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
