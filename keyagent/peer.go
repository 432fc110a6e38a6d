package keyagent

import "fmt"

// A Peer is the process at the other end of a Unix socket as the kernel vouches for it: on the agent's side the one that
// connected, on the client's side the one that listens (under systemd socket activation that is pid 1, root).
type Peer struct {
	UID, GID, PID int
	Pinned        bool // the PID was confirmed through a pidfd (SO_PEERPIDFD, Linux 6.5), so it is not a recycled number
}

// String names the peer for logs.
func (p Peer) String() string {
	if p.Pinned {
		return fmt.Sprintf("uid %d pid %d (pidfd)", p.UID, p.PID)
	}
	return fmt.Sprintf("uid %d pid %d", p.UID, p.PID)
}
