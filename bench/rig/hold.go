package rig

import (
	"fmt"
	"net"
	"syscall"
)

// HoldPort reserves a free TCP port on loopback, for a server that starts there
// later, or again and again: nothing else gets the port, neither for a listener
// nor for a connection of its own, and who calls it meanwhile is refused. The
// server's own socket must have SO_REUSEADDR, as all of net.Listen have. release
// gives the port back; the servers' sockets are their own.
func HoldPort() (address string, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("cannot hold a port: %w", err)
	}
	release = func() { _ = syscall.Close(fd) } // it was never connected
	if err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}) // bound, and never listening
	}
	var at syscall.Sockaddr
	if err == nil {
		at, err = syscall.Getsockname(fd)
	}
	in, ok := at.(*syscall.SockaddrInet4)
	if err != nil || !ok {
		release()
		return "", nil, fmt.Errorf("cannot hold a port: %w", err)
	}
	return fmt.Sprintf("%s:%d", net.IP(in.Addr[:]), in.Port), release, nil
}
