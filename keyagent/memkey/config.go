package memkey

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// An Admin is one line of the allow-list.
type Admin struct {
	Public ed25519.PublicKey
	Roles  Roles
	Name   string // for people
}

// A Request is a verified package: its admin signed it for this session and had the role for its op when it arrived.
type Request struct {
	Admin       Admin
	Fingerprint Fingerprint // AdminFingerprint(Admin.Public)
	Source      netip.Addr
	Package     *Package // the callee's once it returns nil; wiped by the agent otherwise
}

// An Event is one decision of the agent, for the audit log. It has no key material.
type Event struct {
	Op         Op           // zero where the message did not tell
	Admin      *Fingerprint // nil where nobody proved to be an admin
	Source     netip.Addr
	Status     Status
	Detail     string // one line
	Generation uint64 // of the package, if one was opened
	Keys       []format.KeyID
}

// An AgentConfig is all that an Agent needs. Every func is called from several goroutines.
type AgentConfig struct {
	Identity Signer
	BootID   [16]byte                                        // of this life of the host or agent; not all zero
	Admins   func() []Admin                                  // the allow-list now; at most MaxAdmins count; not kept
	State    func() State                                    // what M2 tells
	Apply    func(context.Context, Request) (Receipt, error) // carries out; a *Refusal chooses the status, another error is StatusFailed

	// Audit gets every decision but one: what Apply did without error is Apply's to record, since its receipt has the
	// head of the log with that record in it. Refusals that needed no key to cause are thinned out.
	Audit func(Event)

	SessionLife  time.Duration    // M2 to M3; zero is DefaultSessionLife
	MaxClockSkew time.Duration    // of M1's time; zero is DefaultMaxClockSkew
	NoClock      bool             // any time in M1 will do: for hosts without a clock at boot
	MaxFailed    int              // refusals until a source is locked out; zero is DefaultMaxFailed
	Lockout      time.Duration    // for that long; zero is DefaultLockout
	Now          func() time.Time // nil is time.Now
	Rand         io.Reader        // nil is crypto/rand; anything else is for test vectors
}

// check names the first bad field and fills in the defaults.
func (c *AgentConfig) check() error {
	switch {
	case c.Identity == nil || len(c.Identity.Public()) != ed25519.PublicKeySize:
		return errors.New("field Identity is not an Ed25519 identity")
	case c.BootID == [16]byte{}:
		return errors.New("field BootID is zero")
	case c.Admins == nil:
		return errors.New("field Admins is nil")
	case c.State == nil:
		return errors.New("field State is nil")
	case c.Apply == nil:
		return errors.New("field Apply is nil")
	case c.Audit == nil:
		return errors.New("field Audit is nil")
	case c.SessionLife < 0 || c.SessionLife > maxSessionLife:
		return fmt.Errorf("field SessionLife is %s, want up to %s", c.SessionLife, maxSessionLife)
	case c.MaxClockSkew < 0:
		return fmt.Errorf("field MaxClockSkew is %s, want zero or more", c.MaxClockSkew)
	case c.MaxFailed < 0:
		return fmt.Errorf("field MaxFailed is %d, want zero or more", c.MaxFailed)
	case c.Lockout < 0:
		return fmt.Errorf("field Lockout is %s, want zero or more", c.Lockout)
	}
	if c.SessionLife == 0 {
		c.SessionLife = DefaultSessionLife
	}
	if c.MaxClockSkew == 0 {
		c.MaxClockSkew = DefaultMaxClockSkew
	}
	if c.MaxFailed == 0 {
		c.MaxFailed = DefaultMaxFailed
	}
	if c.Lockout == 0 {
		c.Lockout = DefaultLockout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}
