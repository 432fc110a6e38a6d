package main

import (
	"net"
	"os"
)

// advertised is an address that another machine could use, for the line that says what to type there.
func advertised(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			host = "THIS-HOST"
		}
	}
	return net.JoinHostPort(host, port)
}
