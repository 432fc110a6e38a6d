package memkey

import (
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// An Agent is the server's side of the protocol. Safe for concurrent use.
type Agent struct {
	cfg      AgentConfig
	public   ed25519.PublicKey
	self     Fingerprint
	throttle *throttle
	gate     *eventGate
	sessions *sessions
	readTime time.Duration // for the body of a request

	mu           sync.Mutex
	fingerprints map[[ed25519.PublicKeySize]byte]Fingerprint // of listed admins, computed once
}

// NewAgent checks every field of the configuration and names a bad one.
func NewAgent(c AgentConfig) (*Agent, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("cannot start the key protocol: %w", err)
	}
	public := c.Identity.Public()
	return &Agent{
		cfg: c, public: public, self: ServerFingerprint(public),
		throttle: newThrottle(&c), gate: &eventGate{now: c.Now, tokens: preAuthBurst, at: c.Now()},
		sessions: newSessions(), readTime: readTime, fingerprints: make(map[[ed25519.PublicKeySize]byte]Fingerprint),
	}, nil
}

// Fingerprint is what admins have to know of this agent.
func (a *Agent) Fingerprint() Fingerprint { return a.self }

// admin looks fp up in the allow-list as it is now.
func (a *Agent) admin(fp Fingerprint) (Admin, bool) {
	list := a.cfg.Admins()
	if len(list) > MaxAdmins {
		list = list[:MaxAdmins]
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.fingerprints) > 4*MaxAdmins { // the list changed many times
		clear(a.fingerprints)
	}
	for _, admin := range list {
		if len(admin.Public) != ed25519.PublicKeySize {
			continue
		}
		key := [ed25519.PublicKeySize]byte(admin.Public)
		have, ok := a.fingerprints[key]
		if !ok {
			have = AdminFingerprint(admin.Public)
			a.fingerprints[key] = have
		}
		if have == fp {
			return admin, true
		}
	}
	return Admin{}, false
}

// random fills b.
func (a *Agent) random(b []byte) error { return readRandom(a.cfg.Rand, b) }

func readRandom(r io.Reader, b []byte) error {
	if r == nil {
		_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
		return nil
	}
	if _, err := io.ReadFull(r, b); err != nil {
		return fmt.Errorf("cannot get randomness: %w", err)
	}
	return nil
}

// ephemeral makes the key pair of one session.
func (a *Agent) ephemeral() (hpke.PrivateKey, error) {
	var seed [kemSeedSize]byte
	defer clear(seed[:])
	if err := a.random(seed[:]); err != nil {
		return nil, err
	}
	key, err := hpke.MLKEM768X25519().NewPrivateKey(seed[:])
	if err != nil {
		return nil, fmt.Errorf("cannot make an ephemeral key: %w", err)
	}
	return key, nil
}

// denied is the answer to everything that is refused before the admin is known: one of two refusals, whatever the reason.
func (a *Agent) denied(source netip.Addr, op Op, detail string) *Refusal {
	r := &Refusal{Status: StatusDenied, Detail: detail}
	if left := a.throttle.failed(source); left > 0 {
		r = &Refusal{Status: StatusBusy, Detail: detail, RetryAfter: left}
	}
	a.auditStranger(Event{Op: op, Source: source, Status: r.Status, Detail: detail})
	return r
}

// auditStranger records a refusal that needed no key to cause, or leaves it out and counts it.
func (a *Agent) auditStranger(e Event) {
	ok, missed := a.gate.pass()
	if !ok {
		return
	}
	if missed > 0 {
		e.Detail = fmt.Sprintf("%s (and %d refusals before that were not recorded)", e.Detail, missed)
	}
	a.cfg.Audit(e)
}

func keyIDs(p *Package) []format.KeyID {
	var ids []format.KeyID
	for _, k := range p.Keys {
		ids = append(ids, k.ID)
	}
	return ids
}
