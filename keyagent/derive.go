package keyagent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// What a derivation failed for, on the client's side.
var (
	// ErrUnknownKey says that the agent has no key of that id now.
	ErrUnknownKey = errors.New("the key agent does not have this key")
	// ErrUnavailable says that the agent could not be asked, or not in time. Nothing was derived; try again.
	ErrUnavailable = errors.New("the key agent cannot be asked")
	// ErrBadRequest says that the agent did not understand the request.
	ErrBadRequest = errors.New("the key agent refuses the request")
)

// Status of a DERIVED (LOCAL.md 4.8).
const (
	derivedOK      = 0
	derivedUnknown = 1
	derivedBad     = 2
	derivedBusy    = 3
)

// derive answers DERIVE after DERIVE until the client goes; one at a time, so answers cannot be mixed up.
func (s *session) derive(ctx context.Context, body []byte) error {
	for {
		status, answer, err := s.deriveOne(body)
		s.derived(s.peer, err)
		frame := appendFrame(nil, msgDerived, append([]byte{status}, answer...)...)
		clear(answer)
		err = writeFrames(s.uc, frame)
		clear(frame)
		if err != nil {
			return err
		}
		if err := s.uc.SetReadDeadline(time.Time{}); err != nil {
			return err
		}
		var msg byte
		if msg, body, err = readFrame(s.uc, maxDeriveFrame, func() { _ = s.uc.SetReadDeadline(time.Now().Add(frameTime)) }); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if msg != msgDerive {
			return fmt.Errorf("message %d instead of DERIVE: %w", msg, ErrProtocol)
		}
	}
}

// deriveOne answers one request under the holder's lock, so under one whole ring.
func (s *session) deriveOne(body []byte) (status byte, answer []byte, err error) {
	if s.deriver == nil {
		return derivedBad, nil, errMode
	}
	if len(body) < nameIDSize {
		return derivedBad, nil, fmt.Errorf("DERIVE of %d bytes: %w", len(body), ErrProtocol)
	}
	if !s.rate.take(time.Now()) {
		return derivedBusy, nil, errors.New("too many derivations a second")
	}
	id := [nameIDSize]byte(body)
	status = derivedUnknown
	_, _, err = s.holder.tryTake(0, func(generation uint64, keys []Key) error {
		i, err := s.names.find(s.deriver, generation, keys, id)
		if err != nil || i < 0 {
			return err
		}
		useErr := keys[i].Master.Use(func(master []byte) { answer, err = s.deriver.Derive(master, body[nameIDSize:]) })
		switch {
		case useErr != nil:
			return useErr
		case err != nil || len(answer) > MaxAnswer:
			status, answer = derivedBad, nil
			return err
		}
		status = derivedOK
		return nil
	})
	if status == derivedUnknown && err == nil {
		err = ErrUnknownKey
	}
	return status, answer, err
}

// Derive asks the agent to derive from the key with an id. The answer is the caller's, who clears it. Errors are
// ErrUnknownKey, ErrBadRequest and ErrUnavailable; an answer is never that of another request, because a connection has
// one request under way, and one that failed is closed. Safe for concurrent use.
func (c *Client) Derive(id [nameIDSize]byte, request []byte) ([]byte, error) {
	if len(request) > MaxRequest {
		return nil, fmt.Errorf("cannot derive: request of %d bytes: %w", len(request), ErrBadRequest)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deriveTime)
	defer cancel()
	select {
	case c.derivers.slots <- struct{}{}:
		defer func() { <-c.derivers.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot derive: all connections are busy: %w", ErrUnavailable)
	}
	frame := appendFrame(nil, msgDerive, append(id[:], request...)...)
	if conn := c.derivers.take(); conn != nil {
		answer, err := c.deriveOn(ctx, conn, frame)
		if !errors.Is(err, ErrUnavailable) {
			return answer, err
		}
		// It was idle and the agent may have restarted since. To ask twice does no harm.
	}
	conn, err := c.dial(ctx)
	if err == nil {
		agent := &agentReader{uc: conn}
		if err = c.hello(agent); err != nil {
			conn.Close()
		} else {
			return c.deriveOn(ctx, conn, frame)
		}
	}
	return nil, fmt.Errorf("cannot derive: %w: %w", err, ErrUnavailable)
}

// deriveOn has one exchange, and keeps the connection if it is good for another.
func (c *Client) deriveOn(ctx context.Context, conn *net.UnixConn, frame []byte) (answer []byte, err error) {
	deadline, _ := ctx.Deadline()
	defer func() {
		if errors.Is(err, ErrUnavailable) {
			conn.Close()
			return
		}
		c.derivers.put(conn)
	}()
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("cannot derive: %w: %w", err, ErrUnavailable)
	}
	if err := writeFrames(conn, frame); err != nil {
		return fail(err)
	}
	msg, body, fd, err := (&agentReader{uc: conn}).next(deadline)
	switch {
	case err != nil:
		return fail(err)
	case fd >= 0:
		closeFD(fd)
		return fail(fmt.Errorf("descriptor with message %d: %w", msg, ErrProtocol))
	case msg == msgRefused:
		return fail(refusalError(body))
	case msg != msgDerived || len(body) < 1 || len(body) > 1+MaxAnswer || body[0] != derivedOK && len(body) > 1:
		return fail(fmt.Errorf("message %d of %d bytes instead of DERIVED: %w", msg, len(body), ErrProtocol))
	}
	switch body[0] {
	case derivedOK:
		return body[1:], nil
	case derivedUnknown:
		return nil, fmt.Errorf("cannot derive: %w", ErrUnknownKey)
	case derivedBusy:
		return fail(errors.New("too many derivations a second"))
	default:
		return nil, fmt.Errorf("cannot derive: %w", ErrBadRequest)
	}
}

// CloseIdle closes the connections that no derivation is using.
func (c *Client) CloseIdle() {
	for conn := c.derivers.take(); conn != nil; conn = c.derivers.take() {
		conn.Close()
	}
}

// deriveConns are a client's idle connections for derivations, the last used first, and the bound of all.
type deriveConns struct {
	slots chan struct{}
	mu    sync.Mutex
	idle  []*net.UnixConn
}

func newDeriveConns() *deriveConns { return &deriveConns{slots: make(chan struct{}, maxDeriveConns)} }

func (d *deriveConns) take() *net.UnixConn {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.idle)
	if n == 0 {
		return nil
	}
	conn := d.idle[n-1]
	d.idle = d.idle[:n-1]
	return conn
}

func (d *deriveConns) put(conn *net.UnixConn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle = append(d.idle, conn)
}
