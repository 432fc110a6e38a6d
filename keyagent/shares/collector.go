package shares

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Config configures a Collector. Zero values mean the defaults.
type Config struct {
	// Window is how long a share is kept, at most an hour; 0 = DefaultWindow.
	Window time.Duration

	// AfterFunc calls f once after d unless stop was called before; nil = time.AfterFunc. A clock for tests has to call
	// f on a goroutine of its own or from outside the collector's methods.
	AfterFunc func(d time.Duration, f func()) (stop func() bool)

	// Expired, if not nil, is told of each share that timed out, after it was wiped, on the goroutine that found it. It
	// must not call the collector.
	Expired func(Expiry)
}

// An Expiry names a share that timed out; nothing of it is secret.
type Expiry struct {
	Admin [32]byte
	Set   SetID
	Index int
}

// A Collector keeps the shares that administrators deliver until k of one set are there (doc.go). Safe for concurrent
// use. Close it.
type Collector struct {
	config Config

	mu     sync.Mutex
	held   map[[32]byte]*held // by administrator: at most one share each
	closed bool
}

// held is one administrator's share.
type held struct {
	admin   [32]byte
	share   *Share
	digest  [32]byte
	expires time.Time
	stop    func() bool
}

// New makes an empty collector.
func New(config Config) (*Collector, error) {
	if config.Window == 0 {
		config.Window = DefaultWindow
	}
	if config.Window < 0 || config.Window > maxWindow {
		return nil, fmt.Errorf("cannot collect shares: Window is %v, want more than 0 and at most %v", config.Window, maxWindow)
	}
	if config.AfterFunc == nil {
		config.AfterFunc = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	return &Collector{config: config, held: make(map[[32]byte]*held)}, nil
}

// Add takes the share that admin (the fingerprint, not zero) delivered at now. share is the wire form; it stays the
// caller's, who clears it. have of need different shares of its set are there now. With the last one, done is the
// keyring, which the caller owns, and the set is forgotten.
//
// A share that is not taken changes nothing for anybody, and the error is a *ShareError: ErrFormat, ErrCommitment,
// ErrSameAdmin, ErrBusy. have and need are then 0. ErrSet says that the k shares were good and their keyring is not; the
// set is forgotten, and the error blames no share. ErrClosed after Close.
func (c *Collector) Add(admin [32]byte, share []byte, now time.Time) (have, need int, done *Keyring, err error) {
	if admin == [32]byte{} {
		return 0, 0, nil, errors.New("cannot take a share: no administrator is named")
	}
	s, err := Parse(share)
	if err != nil {
		return 0, 0, nil, &ShareError{Admin: admin, Err: err}
	}
	if err := s.Verify(); err != nil {
		s.Wipe()
		return 0, 0, nil, blame(admin, s, err)
	}
	// Out of the lock until here: verifying is the cost, and everybody can cause it at the same time.
	c.mu.Lock()
	expired := c.expire(now)
	have, need, done, err = c.add(admin, s, now)
	c.mu.Unlock()
	c.report(expired)
	return have, need, done, err
}

func blame(admin [32]byte, s *Share, err error) error {
	var fault *ShareError
	if errors.As(err, &fault) {
		err = fault.Err
	}
	return &ShareError{Index: s.index, Set: s.set, Admin: admin, Err: err}
}

// add owns s. c.mu is held.
func (c *Collector) add(admin [32]byte, s *Share, now time.Time) (have, need int, done *Keyring, err error) {
	if c.closed {
		s.Wipe()
		return 0, 0, nil, ErrClosed
	}
	digest := s.digest()
	old := c.held[admin]
	switch {
	case old == nil && len(c.held) >= MaxAdmins:
		s.Wipe()
		return 0, 0, nil, blame(admin, s, ErrBusy)
	case old != nil && old.digest == digest && old.share.index != s.index:
		s.Wipe()
		return 0, 0, nil, blame(admin, s, fmt.Errorf("%w: share %d", ErrSameAdmin, old.share.index))
	case old != nil:
		c.forget(old)
	}
	h := &held{admin: admin, share: s, digest: digest, expires: now.Add(c.config.Window)}
	h.stop = c.config.AfterFunc(c.config.Window, func() { c.timeOut(h) })
	c.held[admin] = h

	set := c.set(digest)
	if len(set) < s.k {
		return len(set), s.k, nil, nil
	}
	done, err = combine(set[:s.k])
	for _, h := range c.held {
		if h.digest == digest {
			c.forget(h)
		}
	}
	if err != nil {
		return 0, 0, nil, fmt.Errorf("cannot open the keyring of set %v: %w", s.set, err)
	}
	return s.k, s.k, done, nil
}

// set returns the different shares of one set. Each administrator has one share, so different shares are different
// administrators.
func (c *Collector) set(digest [32]byte) []*Share {
	var out []*Share
	var seen [MaxN + 1]bool
	for _, h := range c.held {
		if h.digest == digest && !seen[h.share.index] {
			seen[h.share.index] = true
			out = append(out, h.share)
		}
	}
	return out
}

// forget wipes one share and stops its timer. c.mu is held.
func (c *Collector) forget(h *held) {
	h.stop()
	h.share.Wipe()
	if c.held[h.admin] == h {
		delete(c.held, h.admin)
	}
}

// timeOut is what the timer of h calls.
func (c *Collector) timeOut(h *held) {
	c.mu.Lock()
	mine := c.held[h.admin] == h
	if mine {
		c.forget(h)
	}
	c.mu.Unlock()
	if mine {
		c.report([]Expiry{h.expiry()})
	}
}

func (h *held) expiry() Expiry { return Expiry{Admin: h.admin, Set: h.share.set, Index: h.share.index} }

func (c *Collector) report(expired []Expiry) {
	if c.config.Expired == nil {
		return
	}
	for _, e := range expired {
		c.config.Expired(e)
	}
}

// Expire wipes the shares whose window is over at now. Add and the timers do the same; it is there for callers with a
// clock of their own.
func (c *Collector) Expire(now time.Time) {
	c.mu.Lock()
	expired := c.expire(now)
	c.mu.Unlock()
	c.report(expired)
}

func (c *Collector) expire(now time.Time) (out []Expiry) {
	for _, h := range c.held {
		if !now.Before(h.expires) {
			c.forget(h)
			out = append(out, h.expiry())
		}
	}
	return out
}

// Pending tells how many shares are held, of all sets.
func (c *Collector) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held)
}

// Close wipes every share and stops all timers. Idempotent.
func (c *Collector) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, h := range c.held {
		c.forget(h)
	}
}
