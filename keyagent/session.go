package keyagent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"
)

// A session is one admitted connection on the agent's side. run uses two goroutines: its own answers, the other reads,
// so that the end of the client is seen while nothing changes.
type session struct {
	*server
	uc   *net.UnixConn
	peer Peer

	// The reader sets waiting before it sends to waits, the answerer clears it after it received: so waits, of capacity
	// one, is never full, and a client that sends a WAIT before it has its answer is noticed.
	waiting atomic.Bool
	waits   chan uint64
	wait    byte // the type of the waits: msgWait or msgWatch
}

// run returns when the client is gone, breaks the protocol, or ctx ends. It closes the connection.
func (s *session) run(ctx context.Context) {
	defer s.uc.Close()
	stop := context.AfterFunc(ctx, func() { s.uc.Close() }) // frees a blocked read or write
	defer stop()
	name, err := s.hello()
	if err == nil {
		s.logf("key socket: %v connected as %q", s.peer, name)
		err = s.serveFirst(ctx)
	}
	switch {
	case ctx.Err() != nil: // the agent stops
	case errors.Is(err, errVersion):
		refuse(s.uc, refusedVersion)
	case errors.Is(err, errMode):
		refuse(s.uc, refusedMode)
	case errors.Is(err, ErrProtocol):
		refuse(s.uc, refusedProtocol)
	}
	s.logf("key socket: %v is gone: %v", s.peer, err)
}

func (s *session) hello() (name string, err error) {
	if err := writeFrames(s.uc, appendAgentHello(nil)); err != nil {
		return "", err
	}
	if err := s.uc.SetReadDeadline(time.Now().Add(frameTime)); err != nil {
		return "", err
	}
	// A plain Read leaves no room for control data: the kernel closes any descriptor that a client sends.
	msg, body, err := readFrame(s.uc, maxClientFrame, func() {})
	if err != nil {
		return "", err
	}
	if msg != msgHello {
		return "", fmt.Errorf("message %d instead of HELLO: %w", msg, ErrProtocol)
	}
	return parseClientHello(body)
}

// errMode says that policy does not allow what a connection asks for.
var errMode = errors.New("this way of using the keys is not allowed")

// serveFirst reads the first message, which says what the connection is for (LOCAL.md 4).
func (s *session) serveFirst(ctx context.Context) error {
	msg, body, err := readFrame(s.uc, maxDeriveFrame, func() {})
	if err != nil {
		return err
	}
	switch {
	case msg == msgDerive:
		return s.derive(ctx, body)
	case msg == msgWatch && s.deriver == nil:
		return errMode
	case msg == msgWait && slices.Contains(s.noExport, s.peer.UID):
		return errMode
	case msg != msgWait && msg != msgWatch:
		return fmt.Errorf("message %d instead of WAIT, WATCH or DERIVE: %w", msg, ErrProtocol)
	}
	after, err := parseWait(body)
	if err != nil {
		return err
	}
	s.wait = msg
	return s.push(ctx, after)
}

// push runs reader and answerer, beginning with the wait that was read already. When one ends it ends the other, and its
// error is the result.
func (s *session) push(ctx context.Context, first uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.waits = make(chan uint64, 1)
	s.waiting.Store(true)
	s.waits <- first
	readerDone := make(chan error, 1)
	go func() {
		err := s.read()
		cancel()
		readerDone <- err
	}()
	err := s.answer(ctx)
	if ctx.Err() != nil { // the reader ended, or ends because the connection is closed from above
		return <-readerDone
	}
	_ = s.uc.CloseRead() // unlike a deadline, the reader cannot undo it; and it leaves the way for a refusal open
	<-readerDone
	return err
}

func (s *session) read() error {
	for {
		if err := s.uc.SetReadDeadline(time.Time{}); err != nil {
			return err
		}
		msg, body, err := readFrame(s.uc, maxClientFrame, func() { _ = s.uc.SetReadDeadline(time.Now().Add(frameTime)) })
		if err != nil {
			return err
		}
		if msg != s.wait {
			return fmt.Errorf("message %d instead of %d: %w", msg, s.wait, ErrProtocol)
		}
		after, err := parseWait(body)
		if err != nil {
			return err
		}
		if !s.waiting.CompareAndSwap(false, true) {
			return fmt.Errorf("second WAIT before the answer: %w", ErrProtocol)
		}
		s.waits <- after
	}
}

// answer sends one RING per WAIT, as soon as there is a generation above the one that it names.
func (s *session) answer(ctx context.Context) error {
	sent := uint64(0)
	for {
		var after uint64
		select {
		case after = <-s.waits:
		case <-ctx.Done():
			return ctx.Err()
		}
		if after != sent {
			return fmt.Errorf("WAIT after generation %d, the last one sent is %d: %w", after, sent, ErrProtocol)
		}
		if s.wait == msgWatch {
			names, err := s.nameKeys(ctx, after)
			if err != nil {
				return err
			}
			s.waiting.Store(false)
			if err := writeFrames(s.uc, appendNames(nil, names)); err != nil {
				return err
			}
			sent = names.Generation
			s.logf("key socket: %v knows generation %d with %d keys", s.peer, sent, len(names.Keys))
			continue
		}
		head, fd, err := s.export(ctx, after)
		if err != nil {
			return err
		}
		s.waiting.Store(false) // before the client can have the answer
		if err := sendRing(s.uc, head, fd); err != nil {
			return err
		}
		sent = head.generation
		s.logf("key socket: %v has generation %d with %d keys", s.peer, sent, len(head.labels))
	}
}

// export waits for a generation above after and puts its masters into a new region; fd is the caller's to close, -1 for
// a cleared ring.
func (s *session) export(ctx context.Context, after uint64) (head ringHead, fd int, err error) {
	fd = -1
	err = s.holder.await(ctx, after, func(generation uint64, keys []Key) (err error) {
		head = headOf(generation, keys)
		if len(keys) == 0 {
			return nil
		}
		fd, err = s.newRegion(regionSize(len(keys)), func(b []byte) error { return fillRegion(b, generation, keys) })
		return err
	})
	if err != nil && ctx.Err() == nil {
		refuse(s.uc, refusedMemory)
		err = fmt.Errorf("cannot hand over the ring: %w", err)
	}
	return head, fd, err
}

// sendRing closes fd.
func sendRing(uc *net.UnixConn, head ringHead, fd int) error {
	frame := appendRing(nil, head)
	if fd < 0 {
		return writeFrames(uc, frame)
	}
	defer closeFD(fd)
	if err := uc.SetWriteDeadline(time.Now().Add(frameTime)); err != nil {
		return err
	}
	return writeWithFD(uc, frame, fd)
}
