package rig

import (
	"fmt"
	"net"
)

// freeAddress asks the kernel for a free port on loopback. Another process may take it before ours binds it, so
// starters try again.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("cannot find a free port: %w", err)
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// concrete gives an address with port 0, or none at all, a free port on loopback.
func concrete(addr string) (string, error) {
	if addr == "" {
		return freeAddress()
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("cannot use the address %q: %w", addr, err)
	}
	if port != "0" {
		return addr, nil
	}
	free, err := freeAddress()
	if err != nil {
		return "", err
	}
	_, port, _ = net.SplitHostPort(free)
	return net.JoinHostPort(host, port), nil
}

// reachable is the address under which a local client reaches a listener: one on all interfaces is on loopback too.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
