package keyagent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A Policy says who may have the keys. It must not be changed while Serve runs.
type Policy struct {
	// UIDs are the user ids that may connect, as the kernel reports them (SO_PEERCRED). Nil means the agent's own user
	// only. Root is not implied: it can take the keys anyway, but a process that runs as root by accident should not.
	UIDs []int

	// MaxConns bounds the connections; 0 means 256. One more is refused, the existing ones stay.
	MaxConns int

	// Deriver, if set, answers clients that never hold a master (mode agent). Nil refuses them.
	Deriver Deriver

	// AgentOnlyUIDs are user ids that get no masters, only derivations.
	AgentOnlyUIDs []int

	// DeriveRate bounds the derivations a second, all clients together; 0 means 100,000. Beyond it they are refused.
	DeriveRate int

	// Derived, if set, is called after each derivation with its error, for counters. It must be quick.
	Derived func(peer Peer, err error)

	// Logf gets one line per connection, end and refusal; never key bytes. Nil means no log. It is called from several
	// goroutines at once.
	Logf func(format string, args ...any)
}

// Serve hands the ring of holder, and every later change of it, to the clients that connect to ln and that policy allows
// (LOCAL.md), until ctx ends, which is a nil error, or ln fails. It owns ln and closes it. When it returns, all
// connections are closed and no goroutine of it is left; the holder and its keys are untouched.
//
// Goroutines: one accepts; each connection has one that waits for changes and writes, and one that reads.
func Serve(ctx context.Context, ln net.Listener, holder *Holder, policy Policy) error {
	s, err := newServer(holder, policy)
	if err != nil {
		ln.Close()
		return err
	}
	return s.serve(ctx, ln)
}

type server struct {
	holder    *Holder
	uids      []int
	slots     chan struct{} // a token per connection
	logf      func(format string, args ...any)
	newRegion func(size int, fill func(b []byte) error) (int, error)
	deriver   Deriver
	noExport  []int
	derived   func(Peer, error)
	rate      *rate
	names     nameCache

	// Only the accepting goroutine uses these: when it last logged a refusal, and how many it kept quiet since.
	refusalLogged time.Time
	refusalsQuiet int
}

func newServer(holder *Holder, policy Policy) (*server, error) {
	if holder == nil {
		return nil, errors.New("cannot serve keys: no holder")
	}
	if policy.MaxConns < 0 {
		return nil, fmt.Errorf("cannot serve keys: MaxConns is %d", policy.MaxConns)
	}
	if policy.DeriveRate < 0 {
		return nil, fmt.Errorf("cannot serve keys: DeriveRate is %d", policy.DeriveRate)
	}
	if policy.DeriveRate == 0 {
		policy.DeriveRate = defaultDeriveRate
	}
	s := &server{holder: holder, uids: policy.UIDs, logf: policy.Logf, newRegion: newRegion,
		deriver: policy.Deriver, noExport: policy.AgentOnlyUIDs, derived: policy.Derived, rate: newRate(policy.DeriveRate)}
	if s.derived == nil {
		s.derived = func(Peer, error) {}
	}
	if s.uids == nil {
		s.uids = []int{os.Geteuid()}
	}
	for _, uid := range s.uids {
		if uid < 0 {
			return nil, fmt.Errorf("cannot serve keys: UIDs has %d", uid)
		}
	}
	if s.logf == nil {
		s.logf = func(string, ...any) {}
	}
	if policy.MaxConns == 0 {
		policy.MaxConns = defaultMaxConns
	}
	s.slots = make(chan struct{}, policy.MaxConns)
	return s, nil
}

func (s *server) serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var conns sync.WaitGroup
	defer conns.Wait()
	defer cancel()
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(closed)
		ln.Close()
	})
	defer func() { cancel(); <-closed }()
	for {
		c, err := ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		}
		if err != nil {
			if !passing(err) {
				return fmt.Errorf("cannot accept on the key socket: %w", err)
			}
			s.logRefusal("key socket: cannot accept: %v", err)
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
			continue
		}
		uc, ok := c.(*net.UnixConn)
		if !ok {
			c.Close()
			return fmt.Errorf("cannot serve keys on a %T: want a Unix socket", ln)
		}
		peer, ok := s.admit(uc)
		if !ok {
			uc.Close()
			continue
		}
		conns.Go(func() {
			defer func() { <-s.slots }()
			(&session{server: s, uc: uc, peer: peer}).run(ctx)
		})
	}
}

// passing tells whether a failed accept may succeed later: resources ran out, or the client was quicker.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// admit checks the peer and takes a slot. Strangers are refused before they can take one.
func (s *server) admit(uc *net.UnixConn) (Peer, bool) {
	peer, err := peerOf(uc)
	if err != nil {
		s.logRefusal("key socket: %v", err)
		return peer, false
	}
	if !slices.Contains(s.uids, peer.UID) {
		refuse(uc, refusedUser)
		s.logRefusal("key socket: refused %v: the uid is not allowed", peer)
		return peer, false
	}
	select {
	case s.slots <- struct{}{}:
		return peer, true
	default:
		refuse(uc, refusedBusy)
		s.logRefusal("key socket: refused %v: %d connections already", peer, cap(s.slots))
		return peer, false
	}
}

// refuse tells the reason; the few bytes fit the socket's buffer, so this does not block.
func refuse(uc *net.UnixConn, reason refusal) {
	_ = writeFrames(uc, appendRefused(nil, reason)) // the connection is closed next, whatever came of it
}

func (s *server) logRefusal(format string, args ...any) {
	if time.Since(s.refusalLogged) < refusalLogEvery {
		s.refusalsQuiet++
		return
	}
	if s.refusalsQuiet > 0 {
		s.logf("key socket: %d more refusals", s.refusalsQuiet)
	}
	s.refusalLogged, s.refusalsQuiet = time.Now(), 0
	s.logf(format, args...)
}
