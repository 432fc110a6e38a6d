package keyagent

import (
	"fmt"
	"net"
	"time"
)

// agentReader reads what an agent sends and collects the descriptors that come along. The kernel delivers a descriptor
// with the first byte of the write that carried it, so after readFrame, which never reads past its frame, fds holds
// those of that frame.
type agentReader struct {
	uc  *net.UnixConn
	fds []int
	err error // the first error; kept here because io.ReadFull drops one that comes with enough bytes
}

func (r *agentReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, fds, err := readWithFDs(r.uc, p)
	r.fds = append(r.fds, fds...)
	if len(r.fds) > 1 && err == nil {
		err = fmt.Errorf("more descriptors than one: %w", ErrProtocol)
	}
	r.err = err
	return n, err
}

// next reads one frame and its descriptor, -1 if there is none, which is the caller's to close. After an error there is
// no next. idle bounds the wait for the first byte (zero: for ever), frameTime the rest.
func (r *agentReader) next(idle time.Time) (msg byte, body []byte, fd int, err error) {
	if err := r.uc.SetReadDeadline(idle); err != nil {
		return 0, nil, -1, err
	}
	msg, body, err = readFrame(r, maxAgentFrame, func() { _ = r.uc.SetReadDeadline(time.Now().Add(frameTime)) })
	if err == nil {
		err = r.err
	}
	if err != nil {
		r.closeFDs()
		return 0, nil, -1, err
	}
	if len(r.fds) == 0 {
		return msg, body, -1, nil
	}
	fd = r.fds[0]
	r.fds = nil
	return msg, body, fd, nil
}

func (r *agentReader) closeFDs() {
	for _, fd := range r.fds {
		closeFD(fd)
	}
	r.fds = nil
}

// writeFrames writes whole frames within frameTime.
func writeFrames(uc *net.UnixConn, b []byte) error {
	if err := uc.SetWriteDeadline(time.Now().Add(frameTime)); err != nil {
		return err
	}
	_, err := uc.Write(b)
	return err
}
