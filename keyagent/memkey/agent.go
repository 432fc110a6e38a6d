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
	cfg       AgentConfig
	public    ed25519.PublicKey
	self      Fingerprint
	throttle  *throttle
	strangers strangers
	sessions  *sessions
	readTime  time.Duration // for the body of a request

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
		throttle: newThrottle(&c), strangers: strangers{now: c.Now, began: c.Now(), sources: make(map[netip.Prefix]*stranger)},
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

// auditStranger records a refusal that needed no key to cause, or counts it.
func (a *Agent) auditStranger(e Event) { a.audit(a.strangers.note(e)) }

// FlushStrangers records the refusals that were only counted so far. They are recorded with the first refusal of a later
// minute anyway; who wants them when nobody comes any more calls this from time to time, and in the end.
func (a *Agent) FlushStrangers() { a.audit(a.strangers.flush()) }

func (a *Agent) audit(events []Event) {
	for _, e := range events {
		a.cfg.Audit(e)
	}
}

func keyIDs(p *Package) []format.KeyID {
	var ids []format.KeyID
	for _, k := range p.Keys {
		ids = append(ids, k.ID)
	}
	return ids
}
