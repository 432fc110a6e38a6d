package server

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"os"
	"time"
)

// Errors of a client's body. Each is sticky: the body gives nothing after it.
var (
	// errBodyShort: the client closed or fell silent for good before the
	// declared length; such a body is never taken for a shorter object.
	errBodyShort = errors.New("the request body ended before its Content-Length")
	// errBodyStalled: fewer than progressBytes arrived within ProgressTimeout.
	errBodyStalled = errors.New("the request body made no progress")
	// errBodySHA256: the body is not the one that was signed.
	errBodySHA256 = errors.New("the body does not have the signed SHA-256")
	// errBodyMD5: the body does not have the Content-MD5 of its header.
	errBodyMD5 = errors.New("the body does not have the given Content-MD5")
)

// body is the one way to read a request's body. It wraps fasthttp's stream,
// whose raw form has traps: a cut body ends in a clean io.EOF, a read after the
// end may parse the next request, and an unread rest becomes the next request.
//
// A body counts what it gives, gives never more than the declared length, is
// sticky after its end or first error, moves the connection's read deadline as
// bytes arrive, and proves SHA-256 and MD5 before it says io.EOF. So io.EOF
// from a body means: complete and verified. One goroutine at a time.
type body struct {
	src      io.Reader // nil: the request has no body
	conn     net.Conn
	progress time.Duration

	length int64 // declared
	got    int64
	armed  int64 // bytes at which the deadline was last moved
	err    error // sticky; io.EOF once verified

	sha256 hash.Hash // nil: not to be verified
	md5    hash.Hash
	want   digests
}

// digests are what the client says its body hashes to.
type digests struct {
	sha256 *[sha256.Size]byte // nil: UNSIGNED-PAYLOAD
	md5    *[md5.Size]byte    // nil: no Content-MD5
}

// expect sets what the body must hash to; call it before the first Read.
func (b *body) expect(d digests) {
	b.want = d
	if d.sha256 != nil && hashing {
		b.sha256 = sha256.New()
	}
	if d.md5 != nil && hashing {
		b.md5 = md5.New()
	}
}

// Read gives the next bytes, hashed while they are hot.
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
	n, err := b.receive(p)
	if b.sha256 != nil {
		b.sha256.Write(p[:n])
	}
	if b.md5 != nil {
		b.md5.Write(p[:n])
	}
	if err != nil {
		b.err = err
	}
	return n, err
}

// receive reads from the wire and turns every kind of early end into an error.
func (b *body) receive(p []byte) (int, error) {
	if b.src == nil {
		return 0, errBodyShort
	}
	if b.conn != nil && (b.got == 0 || b.got-b.armed >= progressBytes) {
		b.armed = b.got
		if err := b.conn.SetReadDeadline(time.Now().Add(b.progress)); err != nil {
			return 0, fmt.Errorf("cannot set the read deadline: %w", err)
		}
	}
	n, err := b.src.Read(p)
	b.got += int64(n)
	switch {
	case err == nil || errors.Is(err, io.EOF) && b.got == b.length:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, errBodyStalled
	default: // io.EOF here is fasthttp's word for a cut body
		return n, errBodyShort
	}
}

func (b *body) verify() error {
	if b.sha256 != nil && subtle.ConstantTimeCompare(b.sha256.Sum(nil), b.want.sha256[:]) != 1 {
		return errBodySHA256
	}
	if b.md5 != nil && subtle.ConstantTimeCompare(b.md5.Sum(nil), b.want.md5[:]) != 1 {
		return errBodyMD5
	}
	return io.EOF
}

// left is how many bytes of the body are still on the wire.
func (b *body) left() int64 { return b.length - b.got }

// drain throws the rest away, within maxDrain bytes and drainTime, and reports
// whether the wire stands at the next request. If not, the connection must be
// closed after the answer.
func (b *body) drain() bool {
	if b.left() == 0 {
		return true
	}
	if b.src == nil || b.left() > maxDrain || b.got > 0 && b.err != nil && b.err != io.EOF && b.wireBroken() {
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
		b.got += int64(n)
		if err != nil && b.left() > 0 {
			return false
		}
	}
	return true
}

func (b *body) wireBroken() bool {
	return errors.Is(b.err, errBodyShort) || errors.Is(b.err, errBodyStalled)
}
