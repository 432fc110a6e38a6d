package backend

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

var (
	errShortSource = errors.New("body is shorter than declared")
	errLongSource  = errors.New("body is longer than declared")
)

// outgoing is the body of one upload attempt: exactly size bytes of src. The bytes that complete it are
// given out only after src has reported io.EOF, so that a source that fails, or goes on, leaves the
// request incomplete and no object behind.
//
// net/http reads it on a goroutine of its own, but never after the attempt: sendingBody ends late reads. The
// fields below are therefore safe to look at afterwards.
type outgoing struct {
	src  io.Reader
	size int64
	left atomic.Int64
	fail error // what src did wrong
	// seekable sources live in memory and never block.
	seekable bool
	stopped  atomic.Bool
}

func newOutgoing(src io.Reader, size int64, seekable bool) *outgoing {
	o := &outgoing{src: src, size: size, seekable: seekable}
	o.left.Store(size)
	return o
}

// Read reads from src.
func (o *outgoing) Read(p []byte) (int, error) {
	if o.fail != nil {
		return 0, o.fail
	}
	left := o.left.Load()
	if left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > left {
		p = p[:left]
	}
	n, err := o.src.Read(p)
	if n < 0 || n > len(p) {
		panic("BUG: Read returned an impossible count")
	}
	if int64(n) < left {
		if err == io.EOF {
			err = fmt.Errorf("%w: %d of %d bytes missing", errShortSource, left-int64(n), o.size)
		}
		o.left.Store(left - int64(n))
		o.fail = err
		return n, err
	}
	if err == nil {
		err = demandEOF(o.src)
	}
	if err != io.EOF {
		o.fail = err
		return 0, err
	}
	o.left.Store(0)
	return n, nil
}

// demandEOF returns io.EOF if r ends here.
func demandEOF(r io.Reader) error {
	var one [1]byte
	for range 100 {
		n, err := r.Read(one[:])
		if n > 0 {
			return errLongSource
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// stop ends a Read that waits for a source that may never deliver: the attempt is over, and
// sendingBody is going to wait for the reader.
func (o *outgoing) stop() {
	if o.seekable || o.left.Load() == 0 || o.stopped.Swap(true) {
		return
	}
	if c, ok := o.src.(io.Closer); ok {
		c.Close()
	}
}

// rest returns how many bytes src has left, and where it stands.
func rest(src io.Seeker) (here, left int64, err error) {
	if here, err = src.Seek(0, io.SeekCurrent); err != nil {
		return 0, 0, err
	}
	end, err := src.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, 0, err
	}
	_, err = src.Seek(here, io.SeekStart)
	return here, end - here, err
}

// sendingBody is an outgoing while it is being sent. net/http closes a body when it likes, perhaps long after it has
// given the answer; Close waits for a Read or a write that goes on, and no later one reaches the source.
type sendingBody struct {
	mu   sync.Mutex
	body *outgoing // nil: closed

	closing atomic.Bool              // no further byte is wanted
	lentTo  atomic.Pointer[net.Conn] // nil: the body is not being lent
}

// Read reads from the body, or ends if it is closed.
func (s *sendingBody) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body == nil {
		return 0, io.EOF
	}
	return s.body.Read(p)
}

// Close takes the body away.
func (s *sendingBody) Close() error {
	s.await()
	defer s.mu.Unlock()
	s.body = nil
	return nil
}
