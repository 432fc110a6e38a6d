package rig

import (
	"net"
	"testing"
)

// TestHeldPortIsForItsServerAlone: who calls it while no server runs is refused, a
// server starts there as often as it likes, and the system gives the port to
// nothing else.
func TestHeldPortIsForItsServerAlone(t *testing.T) {
	address, release, err := HoldPort()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for range 3 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			t.Fatal("a port without a server answers")
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		served, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		served.Close() // first, so that it is the server's side that lingers
		c.Close()
		l.Close()
	}
	for range 200 {
		other, free, err := HoldPort()
		if err != nil {
			t.Fatal(err)
		}
		defer free()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if other == address || l.Addr().String() == address {
			t.Fatal("the port was given away")
		}
	}
}
