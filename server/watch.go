package server

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watchClient calls gone once when the client's socket closed while its request
// is still being served: a write that is only being retried at the backend for a
// client who left, and who may have written anew through another proxy, must not
// land late. The first look is after watchAfter, so short requests pay one timer.
//
// The socket is peeked at, never read: what waits there is the next request.
// stop ends the watch and returns when no look is running any more.
func watchClient(conn net.Conn, gone func()) (stop func()) {
	raw := rawConn(conn)
	if raw == nil {
		return func() {}
	}
	ended, joined := make(chan struct{}), make(chan struct{})
	timer := time.AfterFunc(watchAfter, func() {
		defer close(joined)
		tick := time.NewTicker(watchAfter)
		defer tick.Stop()
		for !closedByPeer(raw) {
			select {
			case <-tick.C:
			case <-ended:
				return
			}
		}
		gone()
	})
	return func() {
		close(ended)
		if !timer.Stop() {
			<-joined
		}
	}
}

// rawConn finds the socket below TLS and our own wrappers.
func rawConn(conn net.Conn) syscall.RawConn {
	for conn != nil {
		if sc, ok := conn.(syscall.Conn); ok {
			if raw, err := sc.SyscallConn(); err == nil {
				return raw
			}
			return nil
		}
		below, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = below.NetConn()
	}
	return nil
}

// closedByPeer peeks one byte: nothing to come is the end, nothing yet is not.
func closedByPeer(raw syscall.RawConn) (closed bool) {
	err := raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		closed = n == 0 && err == nil || err != nil && err != unix.EAGAIN && err != unix.EINTR
	})
	return closed || err != nil
}
