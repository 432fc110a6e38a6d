package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
)

// countTime is how often derivations are written down: each is an object of a client, far too many for a line each.
const countTime = time.Minute

// derivations counts what proxies in mode agent asked for, by user: those of the settings and no others.
type derivations struct {
	mu    sync.Mutex
	users map[int]*derived
}

// derived is the count of one user.
type derived struct{ done, refused uint64 }

// count is keyagent.Policy.Derived.
func (d *derivations) count(peer keyagent.Peer, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users == nil {
		d.users = make(map[int]*derived)
	}
	u := d.users[peer.UID]
	if u == nil {
		u = new(derived)
		d.users[peer.UID] = u
	}
	if err != nil {
		u.refused++
		return
	}
	u.done++
}

// take returns the counts and begins anew.
func (d *derivations) take() map[int]*derived {
	d.mu.Lock()
	defer d.mu.Unlock()
	users := d.users
	d.users = nil
	return users
}

// recordDerivations writes a line for each user that asked since the last time.
func (a *agent) recordDerivations() {
	for uid, u := range a.derivations.take() {
		e := audit.Entry{Boot: a.boot, Op: "derive", Generation: a.vault.Pins().Generation, Result: "ok", Detail: fmt.Sprintf("uid %d: %d derivations, %d refused", uid, u.done, u.refused)}
		a.log.Info().Int("uid", uid).Uint64("derivations", u.done).Uint64("refused", u.refused).Msg("derivations")
		if _, _, err := a.audit.Append(e); err != nil {
			a.log.Error().Err(err).Msg("derivations are not in the audit log")
		}
	}
}

// recordOften writes counts until stop, and then what is left.
func (a *agent) recordOften(stop <-chan struct{}) {
	tick := time.NewTicker(countTime)
	defer tick.Stop()
	defer a.recordDerivations()
	for {
		select {
		case <-tick.C:
			a.recordDerivations()
			a.protocol.FlushStrangers()
		case <-stop:
			return
		}
	}
}
