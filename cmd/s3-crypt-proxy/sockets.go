package main

import (
	"fmt"
	"net"
	"os"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/internal/systemd"
)

// What systemd's socket units call our two listeners (FileDescriptorName=).
const (
	clientsSocket = "clients"
	adminSocket   = "admin"
)

// listeners are systemd's sockets where it opened some, else our own. On an error
// none is open.
func (p *proxy) listeners() (clients, admins net.Listener, err error) {
	given, err := systemd.Sockets(os.Getenv, clientsSocket, adminSocket)
	if err != nil {
		return nil, nil, err
	}
	for name := range given {
		p.log.Info().Str("socket", name).Msg("listening on a socket of systemd; its unit says where")
	}
	clients, admins = given[clientsSocket], given[adminSocket]
	if clients == nil {
		if clients, err = net.Listen("tcp", p.cfg.ListenAddr); err != nil {
			err = fmt.Errorf("cannot listen for clients (listen_addr): %w", err)
		}
	}
	if admins == nil && err == nil {
		if admins, err = net.Listen("tcp", p.cfg.AdminListenAddr); err != nil {
			err = fmt.Errorf("cannot listen for operators (admin_listen_addr): %w", err)
		}
	}
	if err == nil {
		return clients, admins, nil
	}
	for _, l := range []net.Listener{clients, admins} {
		if l != nil {
			l.Close()
		}
	}
	return nil, nil, err
}

// alive comes back unless what every request needs hangs: the watchdog asks it.
func (p *proxy) alive() {
	_, _ = p.keys.Ring() // having none is no fault
	if share, ok := p.engine.TryReserve(0); ok {
		share.Release()
	}
}
