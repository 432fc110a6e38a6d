package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// Errors of a client's body. Each is sticky: the body gives nothing after it.
var (
	// errBodyShort: the client closed or fell silent for good before the
	// declared length; such a body is never taken for a shorter object.
	errBodyShort = errors.New("the request body ended before its declared length")
	// errBodyStalled: fewer than progressBytes arrived within ProgressTimeout.
	errBodyStalled = errors.New("the request body made no progress")
)

// chunkedWire is the wire length of a body in HTTP's chunked transfer coding.
const chunkedWire = -1

// body is the one way to read a request's body. It wraps fasthttp's stream,
// whose raw form has traps: a cut body ends in a clean io.EOF, a read after the
// end may parse the next request, and an unread rest becomes the next request.
//
//	wire (Content-Length or chunked) -> [aws-chunked decoding] -> the object -> digests
//
// A body counts what it gives, gives never more than the declared length, is
// sticky after its end or first error, moves the connection's read deadline as
// bytes arrive, and proves framing and every digest before it says io.EOF. So
// io.EOF from a body means: complete and verified. One goroutine at a time.
type body struct {
	src      io.Reader // nil: the request has no body
	conn     net.Conn
	progress time.Duration
	turn     *pipeline.Turn  // waits for the client are told to it; may be nil
	effort   *backend.Effort // of the request, if the body is an object's

	wire  int64 // bytes declared on the wire, or chunkedWire
	taken int64 // off the wire
	armed int64 // taken bytes at which the deadline was last moved
	ended bool  // chunkedWire: the last HTTP chunk was seen

	file   *formFile     // nil: the object is no file of a form
	stream *sigv4.Stream // nil: what is on the wire is the object
	length int64         // of the object, declared
	got    int64         // of the object, given
	err    error         // sticky; io.EOF once verified

	want digests
}

// Read gives the object's next bytes, hashed while they are hot. It fills p where it
// can: what is hashed in whole segments can be hashed beside another stream.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.got == b.length {
		b.err = b.verify()
		return 0, b.err
	}
	if left := b.length - b.got; int64(len(p)) > left {
		p = p[:left]
	}
	b.effort.Spend() // the client would have to send it again
	n := 0
	for n < len(p) && b.err == nil {
		var k int
		k, b.err = b.decode(p[n:])
		if n += k; k == 0 {
			break
		}
	}
	b.got += int64(n)
	b.want.write(p[:n])
	return n, b.err
}

// decode gives bytes of the object. The end of the wire is an early end here.
func (b *body) decode(p []byte) (int, error) {
	if b.stream == nil {
		if b.file != nil {
			n, err := b.file.Read(p)
			if err == io.EOF {
				err = errBodyShort
			}
			return n, err
		}
		n, err := wireReader{b}.Read(p)
		if err == io.EOF {
			err = errBodyShort
		}
		return n, err
	}
	n, err := b.stream.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		err = errBodyShort
	}
	return n, err
}

// verify is the end of the object: framing, trailer and digests.
func (b *body) verify() error {
	if b.file != nil {
		if err := b.file.end(); err != nil {
			return err
		}
	}
	if b.stream != nil {
		var none [1]byte
		switch _, err := b.stream.Read(none[:]); {
		case err == nil:
			panic("BUG: a stream gave more than its declared length")
		case errors.Is(err, io.ErrUnexpectedEOF):
			return errBodyShort
		case err != io.EOF:
			return err
		}
		if err := b.want.trail(b.stream.Trailer()); err != nil {
			return err
		}
	}
	if err := b.want.prove(); err != nil {
		return err
	}
	return io.EOF
}

// wireReader reads a body's bytes as they are on the wire: never beyond the
// declared length, and never again after its end.
type wireReader struct{ b *body }

func (w wireReader) Read(p []byte) (int, error) {
	b := w.b
	if b.wire != chunkedWire {
		left := b.wire - b.taken
		if left == 0 {
			return 0, io.EOF
		}
		p = p[:min(int64(len(p)), left)]
	} else if b.ended {
		return 0, io.EOF
	}
	if b.src == nil {
		return 0, errBodyShort
	}
	if b.conn != nil && (b.taken == 0 || b.taken-b.armed >= progressBytes) {
		b.armed = b.taken
		if err := b.conn.SetReadDeadline(time.Now().Add(b.progress)); err != nil {
			return 0, fmt.Errorf("cannot set the read deadline: %w", err)
		}
	}
	b.turn.Pause()
	n, err := b.src.Read(p)
	b.turn.Resume(n)
	b.taken += int64(n)
	switch {
	case err == nil || err == io.EOF && b.taken == b.wire:
		return n, nil
	case err == io.EOF && b.wire == chunkedWire:
		b.ended = true
		return n, io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, errBodyStalled
	default: // io.EOF here is fasthttp's word for a cut body
		return n, errBodyShort
	}
}

// left is how many bytes of the body are still on the wire; unknown is as good
// as endless.
func (b *body) left() int64 {
	switch {
	case b.wire != chunkedWire:
		return b.wire - b.taken
	case b.ended:
		return 0
	}
	return maxDrain + 1
}

// drain throws the rest away, within maxDrain bytes and drainTime, and reports
// whether the wire stands at the next request. If not, the connection must be
// closed after the answer.
func (b *body) drain() bool {
	if b.left() == 0 {
		return true
	}
	if b.src == nil || b.left() > maxDrain || b.wireBroken() {
		return false
	}
	if b.conn != nil {
		if err := b.conn.SetReadDeadline(time.Now().Add(min(drainTime, b.progress))); err != nil {
			return false
		}
	}
	buf := make([]byte, progressBytes)
	for b.left() > 0 {
		n, err := b.src.Read(buf[:min(int64(len(buf)), b.left())])
		b.taken += int64(n)
		if err != nil && b.left() > 0 {
			return false
		}
	}
	return true
}

func (b *body) wireBroken() bool {
	return errors.Is(b.err, errBodyShort) || errors.Is(b.err, errBodyStalled)
}
