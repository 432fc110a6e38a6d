package memkey

import (
	"net"
	"net/netip"
	"testing"
)

type deadConn struct {
	net.Conn
	closed bool
}

func (c *deadConn) Close() error { c.closed = true; return nil }

func (l *Listener) addTest(address string) *boundConn {
	c := &boundConn{Conn: new(deadConn), listener: l, source: sourcePrefix(netip.MustParseAddr(address))}
	if victim := l.add(c); victim != nil {
		_ = victim.Conn.Close()
	}
	return c
}

func (c *boundConn) closed() bool { return c.Conn.(*deadConn).closed }

// TestListenerEndsTheOldestOfTheGreediest: a new connection always has a place.
func TestListenerEndsTheOldestOfTheGreediest(t *testing.T) {
	l := NewListener(nil)
	modest := l.addTest("192.0.2.1")
	var greedy []*boundConn
	for range maxSourceConns + 3 {
		greedy = append(greedy, l.addTest("192.0.2.2"))
	}
	for i, c := range greedy {
		if c.closed() != (i < 3) {
			t.Errorf("connection %d: closed is %t", i, c.closed())
		}
	}
	for i := 3; l.open < maxConns; i++ {
		l.addTest(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}).String())
	}
	late := l.addTest("203.0.113.1")
	if late.closed() || modest.closed() || !greedy[3].closed() || l.open != maxConns {
		t.Errorf("late %t, modest %t, greedy %t closed, %d open", late.closed(), modest.closed(), greedy[3].closed(), l.open)
	}
	total := 0
	for _, site := range l.sites {
		for _, conns := range site.sources {
			for _, c := range conns {
				total++
				if c.closed() {
					t.Error("a closed connection is on the books")
				}
			}
		}
	}
	if total != l.open {
		t.Errorf("%d on the books, %d counted", total, l.open)
	}
	for _, c := range append(greedy, modest, late) {
		c.Close()
		c.Close()
	}
	if l.open != maxConns-(maxSourceConns-1)-2 {
		t.Errorf("%d open after closing", l.open)
	}
}

// TestListenerCountsASiteOfManySources: a /48 has 65,536 networks of /64, and gets no more room than a few of them.
func TestListenerCountsASiteOfManySources(t *testing.T) {
	l := NewListener(nil)
	modest, neighbour := l.addTest("192.0.2.1"), l.addTest("2001:db8:2::1")
	var many []*boundConn
	for i := range 4 * maxConns {
		many = append(many, l.addTest(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 1, byte(i >> 8), byte(i), 15: 1}).String()))
	}
	if modest.closed() || neighbour.closed() {
		t.Error("others lost their connections")
	}
	if l.open != maxSiteConns+2 || many[len(many)-1].closed() {
		t.Errorf("%d open, the last closed %t", l.open, many[len(many)-1].closed())
	}
	for _, c := range append(many, modest, neighbour) {
		c.Close()
	}
	if l.open != 0 || len(l.sites) != 0 {
		t.Errorf("%d open, %d sites after all closed", l.open, len(l.sites))
	}
}
