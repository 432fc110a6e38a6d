package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/certificate"
)

// countedListener counts the writes of its connections, and fails them when it is told to.
type countedListener struct {
	net.Listener
	writes atomic.Int64
	fails  atomic.Bool
}

type countedConn struct {
	net.Conn
	of *countedListener
}

func (l *countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countedConn{c, l}, err
}

var errCounted = errors.New("no more")

func (c countedConn) Write(p []byte) (int, error) {
	if c.of.fails.Load() {
		return 0, errCounted
	}
	c.of.writes.Add(1)
	return c.Conn.Write(p)
}

// gathered gives both ends of a connection as the product has it.
func gathered(t *testing.T) (serving net.Conn, client *tls.Conn, below *countedListener, buffers *gatherBuffers) {
	t.Helper()
	store, err := certificate.New(certificate.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	below = &countedListener{Listener: tcp}
	gather := NewGatherListener(below)
	ln := newLimitListener(tls.NewListener(gather, store.TLSConfig()), 1, time.Minute)
	t.Cleanup(func() { ln.Close() })
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			c.Read(make([]byte, 1)) // the handshake
		}
		accepted <- c
	}()
	client, err = tls.Dial("tcp", tcp.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	client.SetDeadline(time.Now().Add(time.Minute))
	client.Write([]byte{1})
	if serving = <-accepted; serving == nil {
		t.Fatal("nobody was accepted")
	}
	t.Cleanup(func() { serving.Close() })
	return serving, client, below, gather.(*gatherListener).buffers
}

// TestRecordsOfAWriteAreGathered: they arrive without another write behind them, whatever the size, and a segment's
// in one piece.
func TestRecordsOfAWriteAreGathered(t *testing.T) {
	serving, client, below, _ := gathered(t)
	send := func(n int) int64 {
		before, sent := below.writes.Load(), make(chan error, 1)
		go func() {
			_, err := serving.Write(pattern(n))
			sent <- err
		}()
		got := make([]byte, n)
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, pattern(n)) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		return below.writes.Load() - before
	}
	for _, n := range []int{1, gatherAbove, gatherAbove + 1, 64 << 10, gatherBuffer, 3*gatherBuffer + 5, 1 << 20} { // TLS begins with small records
		send(n)
	}
	if n := send(64 << 10); n != 1 {
		t.Errorf("a segment took %d writes", n)
	}
	if n := send(gatherAbove); n != 1 {
		t.Errorf("a record took %d writes", n)
	}
}

// TestGatherBuffersAreBounded: who finds none writes as without, and all come back.
func TestGatherBuffersAreBounded(t *testing.T) {
	serving, client, _, buffers := gathered(t)
	var taken [][]byte
	for b := buffers.take(); b != nil; b = buffers.take() {
		taken = append(taken, b)
	}
	if len(taken) != cap(buffers.free) {
		t.Fatalf("%d buffers, not %d", len(taken), cap(buffers.free))
	}
	go serving.Write(pattern(64 << 10))
	if got, err := io.ReadAll(io.LimitReader(client, 64<<10)); err != nil || !bytes.Equal(got, pattern(64<<10)) {
		t.Errorf("%d bytes without a buffer: %v", len(got), err)
	}
	for _, b := range taken {
		buffers.free <- b
	}
	var all sync.WaitGroup
	all.Go(func() { // TLS may write on other goroutines, too
		for range 20 {
			serving.Write(pattern(64 << 10))
		}
	})
	all.Go(func() {
		for range 20 {
			serving.Write(pattern(10))
		}
	})
	if _, err := io.CopyN(io.Discard, client, 20*(64<<10)+200); err != nil {
		t.Error(err)
	}
	all.Wait()
	if len(buffers.free) != cap(buffers.free) {
		t.Errorf("%d buffers came back, not %d", len(buffers.free), cap(buffers.free))
	}
}

// TestFailedGatherIsTheLastWrite: TLS does not know that its records did not go out.
func TestFailedGatherIsTheLastWrite(t *testing.T) {
	serving, _, below, buffers := gathered(t)
	below.fails.Store(true)
	if n, err := serving.Write(pattern(64 << 10)); n != 0 || !errors.Is(err, errCounted) {
		t.Errorf("%d bytes, %v", n, err)
	}
	below.fails.Store(false)
	for _, n := range []int{1, 64 << 10} {
		if _, err := serving.Write(pattern(n)); !errors.Is(err, errCounted) {
			t.Errorf("a write behind it: %v", err)
		}
	}
	if int64(len(buffers.free)) != buffers.made.Load() {
		t.Errorf("%d of %d buffers came back", len(buffers.free), buffers.made.Load())
	}
}
