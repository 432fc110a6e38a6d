package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// testPiece is what the sources of these tests write at once.
const testPiece = 128 << 10

// lender is a source that writes by itself, and does not always do it well.
type lender struct {
	*bytes.Reader
	piece  int         // bytes of each write
	before func(n int) // is called before the write at n
	cut    int         // it ends with end after so many bytes; 0 = all
	end    error
	more   int // bytes that it has beyond what it said
	writes int
}

func (l *lender) WriteTo(w io.Writer) (int64, error) {
	l.writes++
	rest, err := io.ReadAll(struct{ io.Reader }{l.Reader})
	if err != nil {
		return 0, err
	}
	if l.cut > 0 && l.writes > 1 { // the first is for the checksum
		rest = rest[:min(len(rest), l.cut)]
	}
	rest = append(rest, make([]byte, l.more)...)
	total := 0
	for total < len(rest) {
		if l.before != nil {
			l.before(total)
		}
		n, err := w.Write(rest[total:min(len(rest), total+l.piece)])
		total += n
		if err != nil {
			return int64(total), err
		}
	}
	return int64(total), l.end
}

// TestLentBodiesArriveWhole: what the store gets is the same, whether the bytes are lent or copied, over TLS or not.
func TestLentBodiesArriveWhole(t *testing.T) {
	plain, secret := newScript(t, stored), newTLSScript(t, stored)
	clients := map[*script]*Client{plain: newTestClient(t, plain.URL), secret: newTestClient(t, secret.URL, func(c *Config) { c.CAFile = caFile(t, secret.Certificate()) })}
	for s, c := range clients {
		for _, size := range []int{0, 1, holdBack, lendAbove, lendAbove + 1, continueFrom, testPiece + holdBack, testPiece + holdBack + 1, 1<<20 + 77} {
			for _, piece := range []int{1000, testPiece, 3 << 20} {
				for _, cond := range []Conditions{{}, {IfNoneMatch: true}} {
					src := &lender{Reader: bytes.NewReader(pattern(size)), piece: piece}
					if _, err := c.Put(t.Context(), "bucket", "key", src, int64(size), cond); err != nil {
						t.Fatalf("%d bytes in pieces of %d: %v", size, piece, err)
					}
					r := s.requests()
					if got := r[len(r)-1].body; !bytes.Equal(got, pattern(size)) {
						t.Errorf("%d bytes in pieces of %d: %d arrived", size, piece, len(got))
					}
					if lent := src.writes == 2; lent != (size > lendAbove) {
						t.Errorf("%d bytes in pieces of %d: lent is %v", size, piece, lent)
					}
				}
			}
		}
	}
}

// TestLendingSourceThatFails: a source that says too little, too much, or that it failed leaves the request incomplete.
func TestLendingSourceThatFails(t *testing.T) {
	const size = 1 << 20
	mine := errors.New("it is gone")
	for name, tc := range map[string]struct {
		src  lender
		want error
	}{
		"ends early":               {lender{cut: size - 1}, errShortSource},
		"ends long before":         {lender{cut: size / 2}, errShortSource},
		"goes on":                  {lender{more: 1}, errLongSource},
		"fails in the middle":      {lender{cut: size / 2, end: mine}, mine},
		"fails instead of its end": {lender{end: mine}, mine},
	} {
		for _, piece := range []int{1000, testPiece, 2 * size} {
			whole := make(chan bool, 1)
			s := newScript(t, func(w http.ResponseWriter, r *http.Request) {
				n, err := io.Copy(io.Discard, r.Body)
				whole <- err == nil || n == size
			})
			src := tc.src
			src.Reader, src.piece = bytes.NewReader(pattern(size)), piece
			out := newOutgoing(&src, size, true)
			body := &sendingBody{body: out}
			src.writes = 1 // there is no checksum
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL+"/bucket/key", body)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = size
			c := newTestClient(t, s.URL)
			resp, err := c.transports[0].RoundTrip(req)
			if err == nil {
				resp.Body.Close()
				t.Fatalf("%s: status %d", name, resp.StatusCode)
			}
			body.Close()
			if !errors.Is(out.fail, tc.want) {
				t.Errorf("%s, pieces of %d: %v, not %v", name, piece, out.fail, tc.want)
			}
			if <-whole {
				t.Errorf("%s, pieces of %d: all bytes reached the store", name, piece)
			}
			s.Close()
		}
	}
}

// TestStoreThatAnswersAndStopsReading: its answer counts, and the bytes that it does not take are not waited for. The
// source is free when Put returns.
func TestStoreThatAnswersAndStopsReading(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	end := make(chan struct{})
	defer close(end)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.ReadFull(c, make([]byte, 200)) // the answer comes after the request began
				doc := "<Error><Code>SlowDown</Code></Error>"
				fmt.Fprintf(c, "HTTP/1.1 503 x\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s", len(doc), doc)
				<-end
			}()
		}
	}()
	c := newTestClient(t, "http://"+l.Addr().String(), func(c *Config) { c.Attempts = 2 })
	src := bytes.NewReader(pattern(32 << 20))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = c.Put(ctx, "bucket", "key", src, src.Size(), Conditions{})
	if e := wantKind(t, err, Busy); e.Code != "SlowDown" || e.Attempts != 2 {
		t.Errorf("%+v", e)
	}
	src.Reset(nil) // a write that goes on is a race here
}

// TestClosedBodyIsLentNoFurther: what is over is not sent to its end.
func TestClosedBodyIsLentNoFurther(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	const size = 8 * testPiece
	body := &sendingBody{}
	began := make(chan struct{})
	src := &lender{Reader: bytes.NewReader(pattern(size)), piece: testPiece, before: func(n int) {
		if n == 2*testPiece {
			close(began)
			for !body.closing.Load() {
				time.Sleep(time.Millisecond)
			}
		}
	}}
	body.body = newOutgoing(src, size, true)
	closed := make(chan struct{})
	go func() {
		<-began
		body.Close()
		close(closed)
	}()
	go io.Copy(io.Discard, theirs)
	n, err, ok := body.lend(ours, size)
	if !ok || !errors.Is(err, errBodyClosed) || n != 2*testPiece {
		t.Errorf("%d bytes, %v, %v", n, err, ok)
	}
	<-closed
	if _, _, ok := body.lend(ours, size); ok {
		t.Error("a closed body was lent")
	}
}

// TestClosedBodyCutsAWriteThatHangs: nobody waits for a store that takes nothing any more.
func TestClosedBodyCutsAWriteThatHangs(t *testing.T) {
	ours, theirs := net.Pipe() // where a write ends when it was read
	defer theirs.Close()
	const size = 2 * testPiece
	body := &sendingBody{body: newOutgoing(bytes.NewReader(pattern(size)), size, true)}
	failed := make(chan error, 1)
	go func() {
		_, err, _ := body.lend(ours, size)
		failed <- err
	}()
	if _, err := io.ReadFull(theirs, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	body.Close()
	if err := <-failed; err == nil {
		t.Error("it did not fail")
	}
}

// slowConn takes of each write what it is told to; a write that is not taken whole has run out of time.
type slowConn struct {
	net.Conn
	takes []int
	got   int
}

func (c *slowConn) SetWriteDeadline(time.Time) error { return nil }

func (c *slowConn) Write(p []byte) (int, error) {
	n := min(c.takes[0], len(p))
	c.takes = c.takes[1:]
	c.got += n
	if n < len(p) {
		return n, os.ErrDeadlineExceeded
	}
	return n, nil
}

// TestLongWritesAreBoundByTheirProgress: a store that is slow is waited for, one that is stuck is not.
func TestLongWritesAreBoundByTheirProgress(t *testing.T) {
	const size = 4 * writeProgress
	for name, tc := range map[string]struct {
		takes []int
		sent  int
		ok    bool
	}{
		"at once":       {[]int{size}, size, true},
		"slow":          {[]int{writeProgress, writeProgress, size}, size, true},
		"stuck":         {[]int{0}, 0, false},
		"stuck later":   {[]int{2 * writeProgress, 0}, 2 * writeProgress, false},
		"much too slow": {[]int{writeProgress - 1}, writeProgress - 1, false},
	} {
		below := &slowConn{takes: tc.takes}
		n, err := (&progressConn{Conn: below, limit: time.Minute}).Write(make([]byte, size))
		if n != tc.sent || below.got != tc.sent || tc.ok != (err == nil) || !tc.ok && !errors.Is(err, os.ErrDeadlineExceeded) || len(below.takes) != 0 {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
}
