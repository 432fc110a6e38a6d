package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/shares"
)

// A Log is where decisions are recorded: an *audit.Log.
type Log interface {
	Append(audit.Entry) (seq uint64, head [32]byte, err error)
}

// Config is all that a Vault needs.
type Config struct {
	Holder       *keyagent.Holder // gets the keys; nobody else may load it
	PinsPath     string           // absolute; its directory exists
	EnrollQuorum int              // admins that must send the same enrolment: 1 (also if 0) or 2
	Audit        Log
	BootID       [16]byte // of this run, for the log

	// Logf gets what has no other place: an audit line that could not be written when keys were cleared, pins in doubt.
	// Nil means no log. Never key bytes.
	Logf func(format string, args ...any)

	Now func() time.Time // nil = time.Now
}

func (c *Config) check() error {
	switch {
	case c.Holder == nil:
		return errors.New("the field Holder is nil")
	case !filepath.IsAbs(c.PinsPath):
		return fmt.Errorf("PinsPath %q is not absolute", c.PinsPath)
	case c.EnrollQuorum < 0 || c.EnrollQuorum > 2:
		return fmt.Errorf("EnrollQuorum is %d, want 1 or 2", c.EnrollQuorum)
	case c.Audit == nil:
		return errors.New("the field Audit is nil")
	}
	if c.Logf == nil {
		c.Logf = func(string, ...any) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

// A Vault decides what a verified package may do. All methods are safe for concurrent use.
type Vault struct {
	config Config
	file   pinsFile
	lock   *os.File

	// change is a token: who has it may write pins and load the holder. Clear does not need it: it never waits for a disk.
	change chan struct{}
	doubt  error // under change: why no pins can be written any more

	waiting sync.Mutex // guards the two below; held for memory work only
	quorum  quorum
	forgets uint64 // how often what waits was dropped
	shares  *shares.Collector

	ring ring
}

// Open reads the pins and locks them against another agent. A damaged pins file is an error: an agent that does not know
// what is pinned must not take keys.
func Open(config Config) (*Vault, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("cannot open the vault: %w", err)
	}
	lock, err := lockFile(config.PinsPath + ".lock")
	if err != nil {
		return nil, fmt.Errorf("cannot lock the pins %q: %w", config.PinsPath, err)
	}
	_ = os.Remove(config.PinsPath + ".new") // of an agent that died while it wrote; the next write would do it too
	pins, err := ReadPins(config.PinsPath)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &Vault{
		config: config,
		file:   pinsFile{path: config.PinsPath, storage: disk{}},
		lock:   lock,
		change: make(chan struct{}, 1),
		shares: newCollector(config.Logf),
		ring:   ring{holder: config.Holder, pins: pins},
	}, nil
}

// Close wipes the keys and all that waits, and gives the lock on the pins back. Nothing that is still running loads a key
// after it. It comes when the holder's clients are gone already: for them, keys that are wiped are keys that were cleared.
func (v *Vault) Close() error {
	v.ring.close()
	if v.take(context.Background()) == nil { // a change that is under way ends first: it writes the pins
		defer v.give()
	}
	v.waiting.Lock()
	defer v.waiting.Unlock()
	v.quorum.clear()
	v.shares.Close()
	return v.lock.Close()
}

// Pins returns what is pinned.
func (v *Vault) Pins() Pins {
	pins, _ := v.ring.view()
	return pins
}

// Loaded tells whether the keys are in memory. It is cheap: strangers may ask.
func (v *Vault) Loaded() bool {
	_, loaded := v.ring.view()
	return loaded
}

// State returns what M2 tells an admin: the names of the keys in memory, and generation and digest of the pins.
func (v *Vault) State() memkey.State {
	pins, loaded := v.ring.view()
	s := memkey.State{Generation: pins.Generation, PinsDigest: pins.digest(), Loaded: loaded}
	if loaded {
		s.Active, s.Keys = pins.Active(), keyStates(pins)
	}
	return s
}

func keyStates(p Pins) []memkey.KeyState {
	keys := make([]memkey.KeyState, len(p.Keys))
	for i, k := range p.Keys {
		keys[i] = memkey.KeyState{ID: k.ID, KVT: k.KVT, Active: k.Active}
	}
	return keys
}

// take gets the right to change pins and ring, unless ctx or changeWait ends before.
func (v *Vault) take(ctx context.Context) *memkey.Refusal {
	ctx, cancel := context.WithTimeout(ctx, changeWait)
	defer cancel()
	select {
	case v.change <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &memkey.Refusal{Status: memkey.StatusBusy, Detail: "another change was not done in time", RetryAfter: time.Second}
	}
}

func (v *Vault) give() { <-v.change }
