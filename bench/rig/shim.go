package rig

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Fault is what a shim does to one connection. The zero value relays faithfully.
type Fault struct {
	Latency        time.Duration // before each piece, in both directions
	BytesPerSecond int64         // in each direction; 0 = no limit
	ResetUp        int64         // reset both sides after this many bytes towards the target; 0 = never
	ResetDown      int64         // the same, towards the client
	HalfClose      int64         // after this many bytes towards the target, tell it that no more come; 0 = never
	Blackhole      bool          // accept, read, and pass nothing on
}

// Shim is a TCP relay with faults.
type Shim struct {
	Address string // where it listens

	ln     net.Listener
	target string
	plan   atomic.Pointer[func(n int) Fault]
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	conns  atomic.Int64
	up     atomic.Int64
	down   atomic.Int64
	faults atomic.Int64

	mu   sync.Mutex
	live map[net.Conn]bool
}

// StartShim relays a free port on loopback to target. plan gives the fault of the n-th connection, n from 0; nil means
// none.
func StartShim(target string, plan func(n int) Fault) (*Shim, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Shim{Address: ln.Addr().String(), ln: ln, target: target, live: map[net.Conn]bool{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.Plan(plan)
	s.wg.Go(s.accept)
	return s, nil
}

// Plan changes the faults of later connections.
func (s *Shim) Plan(plan func(n int) Fault) {
	if plan == nil {
		plan = func(int) Fault { return Fault{} }
	}
	s.plan.Store(&plan)
}

// RandomResets plans, from a seed, one reset per connection, after up to max bytes in one of the two directions.
func RandomResets(seed uint64, max int64) func(n int) Fault {
	return func(n int) Fault {
		rng := rand.New(rand.NewPCG(seed, uint64(n)))
		k := 1 + rng.Int64N(max)
		if rng.IntN(2) == 0 {
			return Fault{ResetUp: k}
		}
		return Fault{ResetDown: k}
	}
}

// Connections is how many were accepted so far.
func (s *Shim) Connections() int { return int(s.conns.Load()) }

// Faults is how many resets and half-closes happened so far.
func (s *Shim) Faults() int { return int(s.faults.Load()) }

// Bytes is what was relayed so far, towards the target and back.
func (s *Shim) Bytes() (up, down int64) { return s.up.Load(), s.down.Load() }

// ResetAll resets every connection there is now.
func (s *Shim) ResetAll() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.live {
		reset(c)
	}
	return len(s.live)
}

// Close ends the shim and every connection through it.
func (s *Shim) Close() {
	s.cancel()
	s.ln.Close()
	s.ResetAll()
	s.wg.Wait()
}

func (s *Shim) accept() {
	for n := 0; ; n++ {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.conns.Add(1)
		f := (*s.plan.Load())(n)
		s.wg.Go(func() { s.relay(c, f) })
	}
}

func (s *Shim) relay(client net.Conn, f Fault) {
	s.hold(client)
	defer s.drop(client)
	if f.Blackhole {
		io.Copy(io.Discard, client)
		return
	}
	var d net.Dialer
	server, err := d.DialContext(s.ctx, "tcp", s.target)
	if err != nil {
		reset(client)
		return
	}
	s.hold(server)
	defer s.drop(server)
	both := func() { reset(client); reset(server) }
	var wg sync.WaitGroup
	wg.Go(func() { s.pump(server, client, f, f.ResetUp, f.HalfClose, &s.up, both) })
	wg.Go(func() { s.pump(client, server, f, f.ResetDown, 0, &s.down, both) })
	wg.Wait()
}

// pump copies one direction until its end, its fault, or the shim's end. An end is passed on as an end and a reset as a
// reset: to a server that takes an early end for the whole body they are not the same.
func (s *Shim) pump(dst, src net.Conn, f Fault, resetAt, closeAt int64, count *atomic.Int64, reset func()) {
	buf := make([]byte, shimBuffer)
	var sent int64
	for {
		limit := int64(len(buf))
		for _, at := range []int64{resetAt, closeAt} {
			if at > 0 {
				limit = min(limit, at-sent)
			}
		}
		n, err := src.Read(buf[:limit])
		if n > 0 {
			if !s.pause(f, n) {
				return
			}
			if _, werr := dst.Write(buf[:n]); werr != nil {
				reset()
				return
			}
			sent += int64(n)
			count.Add(int64(n))
		}
		switch {
		case resetAt > 0 && sent == resetAt:
			s.faults.Add(1)
			reset()
			return
		case closeAt > 0 && sent == closeAt:
			s.faults.Add(1)
			closeWrite(dst)
			io.Copy(io.Discard, src)
			return
		case errors.Is(err, io.EOF):
			closeWrite(dst)
			return
		case err != nil:
			reset()
			return
		}
	}
}

// pause waits as the fault's latency and bandwidth say; false when the shim ends.
func (s *Shim) pause(f Fault, n int) bool {
	wait := f.Latency
	if f.BytesPerSecond > 0 {
		wait += time.Duration(n) * time.Second / time.Duration(f.BytesPerSecond)
	}
	if wait <= 0 {
		return true
	}
	select {
	case <-time.After(wait):
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (s *Shim) hold(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[c] = true
	if s.ctx.Err() != nil {
		reset(c)
	}
}

func (s *Shim) drop(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, c)
	c.Close()
}

// reset closes a connection so that the other side sees a reset, not an end.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}

func closeWrite(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.CloseWrite()
	}
}
