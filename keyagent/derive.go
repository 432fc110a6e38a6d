package keyagent

import (
	"context"
	"encoding/binary"
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
	// ErrBadRequest says that the agent did not understand the request, or derives nothing.
	ErrBadRequest = errors.New("the key agent refuses the request")
	// ErrBusy says that there are more derivations than the agent allows in a second. Nothing was derived; try again.
	ErrBusy = errors.New("the key agent derives no more keys this second")
)

// Status of a DERIVED (LOCAL.md 4.8).
const (
	derivedOK      = 0
	derivedUnknown = 1
	derivedBad     = 2
	derivedBusy    = 3
)

// appendDerive and appendDerived write their frame with no copy in between: an answer is secret.
func appendDerive(dst []byte, id [nameIDSize]byte, request []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(1+len(id)+len(request)))
	return append(append(append(dst, msgDerive), id[:]...), request...)
}

func appendDerived(dst []byte, status byte, answer []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(1+1+len(answer)))
	return append(append(dst, msgDerived, status), answer...)
}

// derive answers DERIVE after DERIVE until the client goes; one at a time, so answers cannot be mixed up.
func (s *session) derive(ctx context.Context, body []byte) error {
	frame := make([]byte, 0, 4+1+1+MaxAnswer) // never moved, so that no copy stays behind
	for {
		status, answer, err := s.deriveOne(body)
		s.derived(s.peer, err)
		frame = appendDerived(frame[:0], status, answer)
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
		return derivedBusy, nil, ErrBusy
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
		case len(answer) > MaxAnswer:
			panic(fmt.Sprintf("BUG: a Deriver gave %d bytes", len(answer)))
		case err != nil:
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
// ErrUnknownKey, ErrBadRequest, ErrBusy and ErrUnavailable, the last after 5 s at most. An answer is never that of another
// request, because a connection has one request under way, and one that failed or was given up is closed. Safe for
// concurrent use.
func (c *Client) Derive(id [nameIDSize]byte, request []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deriveTime)
	defer cancel()
	answer, err := c.derive(ctx, id, request)
	if err != nil {
		return nil, fmt.Errorf("cannot derive: %w", err)
	}
	return answer, nil
}

// derive is Derive until ctx ends.
func (c *Client) derive(ctx context.Context, id [nameIDSize]byte, request []byte) ([]byte, error) {
	if len(request) > MaxRequest {
		return nil, fmt.Errorf("request of %d bytes, at most %d: %w", len(request), MaxRequest, ErrBadRequest)
	}
	select {
	case c.derivers.slots <- struct{}{}:
		defer func() { <-c.derivers.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: all connections are busy", ErrUnavailable)
	}
	var room [4 + 1 + nameIDSize + 256]byte // of most requests
	frame := appendDerive(room[:0], id, request)
	if conn := c.derivers.take(); conn != nil {
		status, answer, err := c.exchange(ctx, conn, frame)
		if err == nil {
			return answer, statusError(status)
		}
		// It was idle and the agent may have restarted since. To ask twice does no harm.
	}
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err := c.hello(&agentReader{uc: conn}); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	status, answer, err := c.exchange(ctx, conn, frame)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return answer, statusError(status)
}

// statusError is nil for derivedOK.
func statusError(status byte) error {
	switch status {
	case derivedOK:
		return nil
	case derivedUnknown:
		return ErrUnknownKey
	case derivedBusy:
		return ErrBusy
	}
	return ErrBadRequest
}

// exchange sends one DERIVE and reads its DERIVED. After an error the connection is closed; else it is kept for the next.
func (c *Client) exchange(ctx context.Context, conn *net.UnixConn, frame []byte) (status byte, answer []byte, err error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // frees a blocked read or write
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err() // the answer came, but the connection is closed
		}
		if err != nil {
			conn.Close()
			clear(answer)
			status, answer = 0, nil
			return
		}
		c.derivers.put(conn)
	}()
	if err := writeFrames(conn, frame); err != nil {
		return 0, nil, err
	}
	msg, body, fd, err := (&agentReader{uc: conn}).next(time.Time{}) // ctx ends the wait
	switch {
	case err != nil:
		return 0, nil, err
	case fd >= 0:
		closeFD(fd)
		return 0, nil, fmt.Errorf("descriptor with message %d: %w", msg, ErrProtocol)
	case msg == msgRefused:
		return 0, nil, refusalError(body)
	case msg != msgDerived || len(body) < 1 || len(body) > 1+MaxAnswer || body[0] != derivedOK && len(body) > 1:
		return 0, nil, fmt.Errorf("message %d of %d bytes instead of DERIVED: %w", msg, len(body), ErrProtocol)
	}
	return body[0], body[1:], nil
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
