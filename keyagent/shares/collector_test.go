package shares

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// timers is a clock that stands until it is moved.
type timers struct {
	mu      sync.Mutex
	now     time.Time
	pending map[int]timer
	next    int
}

type timer struct {
	at time.Time
	f  func()
}

func newTimers() *timers {
	return &timers{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), pending: map[int]timer{}}
}

func (c *timers) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *timers) AfterFunc(d time.Duration, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.next
	c.next++
	c.pending[id] = timer{c.now.Add(d), f}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, there := c.pending[id]
		delete(c.pending, id)
		return there
	}
}

// Advance moves the clock and runs what is due.
func (c *timers) Advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []func()
	for id, t := range c.pending {
		if !t.at.After(c.now) {
			delete(c.pending, id)
			due = append(due, t.f)
		}
	}
	c.mu.Unlock()
	for _, f := range due {
		f()
	}
}

func (c *timers) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

// desk is a collector with its clock and what it told of time-outs.
type desk struct {
	*Collector
	clock   *timers
	expired []Expiry
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{clock: newTimers()}
	c, err := New(Config{AfterFunc: d.clock.AfterFunc, Expired: func(e Expiry) { d.expired = append(d.expired, e) }})
	if err != nil {
		t.Fatal(err)
	}
	d.Collector = c
	t.Cleanup(c.Close)
	return d
}

func admin(i int) [32]byte { return [32]byte{byte(i), byte(i >> 8), 1} }

// give has admin number i deliver s.
func (d *desk) give(t testing.TB, i int, s *Share) (have, need int, done *Keyring, err error) {
	t.Helper()
	b := wire(t, s)
	in := bytes.Clone(b)
	have, need, done, err = d.Add(admin(i), in, d.clock.Now())
	if !bytes.Equal(in, b) {
		t.Error("Add changed its input")
	}
	return have, need, done, err
}

// want gives and demands "have of need", no keyring, no error.
func (d *desk) want(t testing.TB, i int, s *Share, have int) {
	t.Helper()
	h, n, done, err := d.give(t, i, s)
	if h != have || n != s.k || done != nil || err != nil {
		t.Fatalf("admin %d, %v: %d of %d, %v, %v; want %d of %d", i, s, h, n, done, err, have, s.k)
	}
}

// finish gives and demands the keyring.
func (d *desk) finish(t testing.TB, i int, s *Share, ring *Keyring) {
	t.Helper()
	h, n, done, err := d.give(t, i, s)
	if h != s.k || n != s.k || done == nil || err != nil {
		t.Fatalf("admin %d, %v: %d of %d, %v, %v; want the keyring", i, s, h, n, done, err)
	}
	sameRing(t, done, ring)
	done.Wipe()
}

// refuse gives and demands a ShareError that names admin, index and why.
func (d *desk) refuse(t testing.TB, i int, share []byte, index int, why error) {
	t.Helper()
	before := d.Pending()
	h, n, done, err := d.Add(admin(i), share, d.clock.Now())
	var fault *ShareError
	if h != 0 || n != 0 || done != nil || !errors.Is(err, why) || !errors.As(err, &fault) {
		t.Fatalf("admin %d: %d of %d, %v, %v; want %v", i, h, n, done, err, why)
	}
	if fault.Admin != admin(i) || fault.Index != index {
		t.Errorf("the error blames admin %x, share %d; want %x, %d", fault.Admin, fault.Index, admin(i), index)
	}
	if index > 0 && !strings.Contains(err.Error(), fmt.Sprintf("share %d of set", index)) || !strings.Contains(err.Error(), fmt.Sprintf("%x", fault.Admin[:8])) {
		t.Errorf("the text names neither: %v", err)
	}
	if d.Pending() != before {
		t.Errorf("a refused share changed what is held: %d, was %d", d.Pending(), before)
	}
}

// secrets returns the handles of what is held now.
func (d *desk) secrets() (out []*keyagent.Secret) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.held {
		out = append(out, h.share.scalar)
	}
	return out
}

func allWiped(t testing.TB, secrets []*keyagent.Secret, n int) {
	t.Helper()
	if len(secrets) != n {
		t.Fatalf("%d secrets were held, want %d", len(secrets), n)
	}
	for _, s := range secrets {
		if !wiped(s) {
			t.Error("a secret is still there")
		}
	}
}

func TestEverySubsetOfKIsCollected(t *testing.T) {
	ring := testRing(t)
	all := testSplit(t, ring, 5, 3)
	d := newDesk(t)
	for _, set := range subsets(all, 3) {
		d.want(t, 1, set[2], 1)
		d.want(t, 2, set[0], 2)
		d.finish(t, 3, set[1], ring)
		if d.Pending() != 0 || d.clock.Pending() != 0 {
			t.Fatalf("%d shares and %d timers are left", d.Pending(), d.clock.Pending())
		}
	}
}

func TestBadShareIsRefusedAlone(t *testing.T) {
	ring := testRing(t)
	all := testSplit(t, ring, 5, 3)
	d := newDesk(t)
	d.want(t, 1, all[0], 1)
	flipped := wire(t, all[1])
	flipped[30] ^= 4
	d.refuse(t, 2, flipped, 0, ErrFormat)
	d.refuse(t, 2, nil, 0, ErrFormat)
	d.refuse(t, 2, make([]byte, 1<<20), 0, ErrFormat)
	forged := *all[1]
	forged.scalar = all[2].scalar
	d.refuse(t, 2, wire(t, &forged), 2, ErrCommitment)
	d.refuse(t, 1, wire(t, &forged), 2, ErrCommitment) // an admin whose good share is there keeps it
	d.want(t, 2, all[1], 2)
	d.refuse(t, 3, wire(t, &forged), 2, ErrCommitment)
	d.finish(t, 3, all[2], ring)
}

func TestOnePersonIsNotTwo(t *testing.T) {
	ring := testRing(t)
	all := testSplit(t, ring, 5, 3)
	d := newDesk(t)
	d.want(t, 1, all[0], 1)
	d.refuse(t, 1, wire(t, all[1]), 2, ErrSameAdmin)
	d.refuse(t, 1, wire(t, all[2]), 3, ErrSameAdmin)
	d.want(t, 2, all[1], 2)
	d.refuse(t, 1, wire(t, all[2]), 3, ErrSameAdmin)
	d.refuse(t, 2, wire(t, all[2]), 3, ErrSameAdmin)
	d.finish(t, 3, all[2], ring)
	if _, _, done, err := d.Add([32]byte{}, wire(t, all[0]), d.clock.Now()); err == nil || done != nil {
		t.Error("nobody gave a share")
	}
}

func TestReplayCountsOnce(t *testing.T) {
	ring := testRing(t)
	all := testSplit(t, ring, 5, 3)
	d := newDesk(t)
	for range 5 {
		d.want(t, 1, all[0], 1) // the same again
		d.want(t, 2, all[0], 1) // the same share by somebody else
	}
	if d.Pending() != 2 || d.clock.Pending() != 2 {
		t.Errorf("%d shares, %d timers; want 2", d.Pending(), d.clock.Pending())
	}
	d.want(t, 3, all[1], 2)
	d.want(t, 3, all[1], 2)
	d.want(t, 4, all[1], 2)
	d.finish(t, 5, all[2], ring)
	// After success nothing is left to build on: the same two shares are two of three again.
	d.want(t, 1, all[0], 1)
	d.want(t, 3, all[1], 2)
}

func TestForeignSetsBlockNobody(t *testing.T) {
	ring := testRing(t)
	good := testSplit(t, ring, 3, 2)
	d := newDesk(t)
	d.want(t, 1, good[0], 1)
	for i := range 30 { // one admin with set after set of their own
		d.want(t, 9, testSplit(t, ring, 3, 2)[i%3], 1)
		if d.Pending() != 2 {
			t.Fatalf("%d shares are held, want 2", d.Pending())
		}
	}
	d.finish(t, 2, good[1], ring)
	if d.Pending() != 1 {
		t.Errorf("%d shares are held: success of one set touched another", d.Pending())
	}
}

// TestAForgerWhoIsFirstBlocksNobody: shares under the id, n and k of the good set, made by somebody else and there first.
func TestAForgerWhoIsFirstBlocksNobody(t *testing.T) {
	ring := testRing(t)
	good, evil := knownSplit(t, "good", ring, 3, 2), knownSplit(t, "evil", ring, 3, 2)
	for _, s := range evil {
		s.head = appendHead(nil, good[0].set, 3, 2, s.public)
		s.set = good[0].set
	}
	d := newDesk(t)
	d.want(t, 8, evil[0], 1)
	d.want(t, 1, good[0], 1)
	if _, _, done, err := d.give(t, 7, evil[1]); done != nil || !errors.Is(err, ErrSet) {
		t.Fatalf("a set under a foreign id: %v, %v", done, err)
	}
	d.want(t, 8, evil[2], 1)
	d.finish(t, 2, good[1], ring)
}

func TestAStandInBlocksNobody(t *testing.T) {
	ring := testRing(t)
	all := testSplit(t, ring, 3, 3)
	d := newDesk(t)
	d.want(t, 9, all[0], 1) // somebody has a copy of share 1, gives it first …
	d.clock.Advance(6 * time.Minute)
	d.want(t, 1, all[0], 1) // … then its keeper does …
	d.clock.Advance(5 * time.Minute)
	if d.Pending() != 1 {
		t.Fatalf("%d shares are held, want the keeper's", d.Pending())
	}
	d.want(t, 2, all[1], 2) // … and that one counts after the copy is gone,
	other := testSplit(t, ring, 2, 2)
	d.want(t, 9, all[0], 2)
	d.want(t, 9, other[0], 1) // or withdrawn.
	d.finish(t, 3, all[2], ring)
}

func TestEveryAdminHasAPlace(t *testing.T) {
	ring := testRing(t)
	good := testSplit(t, ring, MaxN, 3)
	d := newDesk(t)
	for i := range MaxAdmins - 3 {
		d.want(t, 100+i, testSplit(t, ring, 2, 2)[0], 1)
	}
	d.want(t, 1, good[0], 1)
	d.want(t, 2, good[1], 2)
	d.want(t, 99, testSplit(t, ring, 2, 2)[0], 1)
	if d.Pending() != MaxAdmins {
		t.Fatalf("%d shares are held", d.Pending())
	}
	d.refuse(t, 98, wire(t, good[5]), 6, ErrBusy) // more admins than any allow-list has
	d.finish(t, 99, good[2], ring)                // who is there can still change their mind
}

func TestReplacedShareIsWiped(t *testing.T) {
	ring := testRing(t)
	a, b := testSplit(t, ring, 2, 2), testSplit(t, ring, 2, 2)
	d := newDesk(t)
	d.want(t, 1, a[0], 1)
	first := d.secrets()
	d.want(t, 1, b[0], 1)
	allWiped(t, first, 1)
	if d.Pending() != 1 || d.clock.Pending() != 1 {
		t.Errorf("%d shares and %d timers", d.Pending(), d.clock.Pending())
	}
	d.want(t, 2, a[1], 1)
	d.finish(t, 3, b[1], ring)
}

func TestSuccessWipes(t *testing.T) {
	ring := testRing(t)
	all := testSplit(t, ring, 5, 3)
	d := newDesk(t)
	d.want(t, 1, all[0], 1)
	d.want(t, 2, all[1], 2)
	d.want(t, 4, all[1], 2)
	held := d.secrets()
	d.finish(t, 3, all[2], ring)
	allWiped(t, held, 3)
	if len(d.expired) != 0 {
		t.Errorf("success was told as a time-out: %v", d.expired)
	}
}

func TestTimeOutWipes(t *testing.T) {
	all := testSplit(t, testRing(t), 3, 3)
	for name, expire := range map[string]func(d *desk){
		"by the timers": func(d *desk) { d.clock.Advance(time.Second) },
		"by Expire":     func(d *desk) { d.Expire(d.clock.Now().Add(time.Second)) },
		"by the next Add": func(d *desk) {
			flipped := wire(t, all[2])
			if _, _, _, err := d.Add(admin(3), flipped, d.clock.Now().Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			d.mu.Lock()
			d.forget(d.held[admin(3)])
			d.mu.Unlock()
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.want(t, 1, all[0], 1)
			d.want(t, 2, all[1], 2)
			held := d.secrets()
			d.clock.Advance(DefaultWindow - time.Second)
			d.Expire(d.clock.Now())
			if d.Pending() != 2 || wiped(held[0]) {
				t.Fatal("timed out too early")
			}
			expire(d)
			allWiped(t, held, 2)
			if d.Pending() != 0 || d.clock.Pending() != 0 {
				t.Errorf("%d shares and %d timers are left", d.Pending(), d.clock.Pending())
			}
			if len(d.expired) != 2 || d.expired[0].Set != all[0].set || d.expired[0].Index+d.expired[1].Index != 3 || d.expired[0].Admin == d.expired[1].Admin {
				t.Errorf("told of %v", d.expired)
			}
		})
	}
}

func TestTheWindowIsPerShare(t *testing.T) {
	ring := testRing(t)
	all := testSplit(t, ring, 3, 3)
	d := newDesk(t)
	d.want(t, 1, all[0], 1)
	d.clock.Advance(9 * time.Minute)
	d.want(t, 2, all[1], 2)
	d.clock.Advance(2 * time.Minute)
	d.want(t, 3, all[2], 2) // the first is gone
	d.clock.Advance(7 * time.Minute)
	d.want(t, 2, all[1], 2) // renews
	d.clock.Advance(2 * time.Minute)
	d.finish(t, 1, all[0], ring)
}

func TestABrokenSetIsForgotten(t *testing.T) {
	ring := testRing(t)
	broken := testSplit(t, ring, 2, 2)
	for _, s := range broken {
		s.sealed = bytes.Clone(s.sealed)
		s.sealed[0] ^= 1
	}
	d := newDesk(t)
	d.want(t, 1, broken[0], 1)
	held := d.secrets()
	_, _, done, err := d.give(t, 2, broken[1])
	var fault *ShareError
	if done != nil || !errors.Is(err, ErrSet) || errors.As(err, &fault) {
		t.Fatalf("%v, %v; want ErrSet without blame", done, err)
	}
	allWiped(t, held, 1)
	if d.Pending() != 0 {
		t.Errorf("%d shares of a broken set are held", d.Pending())
	}
}

func TestCloseWipesEverythingAndStopsTheTimers(t *testing.T) {
	all := testSplit(t, testRing(t), 3, 3)
	d := newDesk(t)
	d.want(t, 1, all[0], 1)
	d.want(t, 2, all[1], 2)
	held := d.secrets()
	d.Close()
	allWiped(t, held, 2)
	if d.Pending() != 0 || d.clock.Pending() != 0 {
		t.Errorf("%d shares and %d timers are left", d.Pending(), d.clock.Pending())
	}
	if _, _, _, err := d.give(t, 3, all[2]); !errors.Is(err, ErrClosed) {
		t.Errorf("Add after Close: %v", err)
	}
	d.Close()

	before := runtime.NumGoroutine()
	real, err := New(Config{Window: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := real.Add(admin(1), wire(t, all[0]), time.Now()); err != nil {
		t.Fatal(err)
	}
	real.Close()
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

func TestRealTimersTimeOut(t *testing.T) {
	all := testSplit(t, testRing(t), 3, 3)
	told := make(chan Expiry, 1)
	c, err := New(Config{Window: 20 * time.Millisecond, Expired: func(e Expiry) { told <- e }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, _, err := c.Add(admin(1), wire(t, all[0]), time.Now()); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-told:
		if e != (Expiry{admin(1), all[0].set, 1}) || c.Pending() != 0 {
			t.Errorf("told of %v, %d pending", e, c.Pending())
		}
	case <-time.After(20 * time.Second):
		t.Error("no time-out")
	}
}

func TestNewNamesTheBadField(t *testing.T) {
	for _, w := range []time.Duration{-1, maxWindow + 1} {
		if c, err := New(Config{Window: w}); err == nil || c != nil || !strings.Contains(err.Error(), "Window") {
			t.Errorf("Window %v: %v", w, err)
		}
	}
}
