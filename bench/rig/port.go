package rig

import (
	"fmt"
	"net"
)

// concrete gives every address with port 0, and every empty one (loopback), a free port: different ones, because all
// are held until the last is found. Another process may take one before ours binds it, so starters try again.
func concrete(addresses ...*string) error {
	for _, a := range addresses {
		if *a == "" {
			*a = "127.0.0.1:0"
		}
		host, port, err := net.SplitHostPort(*a)
		if err != nil {
			return fmt.Errorf("cannot use the address %q: %w", *a, err)
		}
		if port != "0" {
			continue
		}
		ln, err := net.Listen("tcp", *a)
		if err != nil {
			return fmt.Errorf("cannot find a free port: %w", err)
		}
		defer ln.Close()
		_, port, _ = net.SplitHostPort(ln.Addr().String())
		*a = net.JoinHostPort(host, port)
	}
	return nil
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
