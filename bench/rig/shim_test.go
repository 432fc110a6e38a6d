package rig

import (
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"syscall"
	"testing"
	"time"
)

// echo is a target that sends back what it gets, and then an end.
func echo(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	return ln.Addr().String()
}

func shim(t *testing.T, f Fault) (*Shim, *net.TCPConn) {
	t.Helper()
	s, err := StartShim(echo(t), func(int) Fault { return f })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return s, c.(*net.TCPConn)
}

func TestShimRelays(t *testing.T) {
	s, c := shim(t, Fault{})
	data := bytes.Repeat([]byte("0123456789"), 100_000)
	go func() { c.Write(data); c.CloseWrite() }()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes came back, %v", len(got), err)
	}
	if up, down := s.Bytes(); up != int64(len(data)) || down != up || s.Connections() != 1 || s.Faults() != 0 {
		t.Errorf("counted %d up, %d down, %d connections, %d faults", up, down, s.Connections(), s.Faults())
	}
}

func TestShimResets(t *testing.T) {
	s, c := shim(t, Fault{ResetDown: 70_000})
	go c.Write(make([]byte, 1<<20))
	n, err := io.Copy(io.Discard, c)
	if !errors.Is(err, syscall.ECONNRESET) || n > 70_000 {
		t.Errorf("%d bytes, %v; want a reset by byte 70000", n, err)
	}
	if s.Faults() != 1 {
		t.Errorf("%d faults counted", s.Faults())
	}
	s, c = shim(t, Fault{ResetUp: 10})
	c.Write(make([]byte, 11))
	if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
	if up, _ := s.Bytes(); up != 10 {
		t.Errorf("%d bytes went up, want 10", up)
	}
}

// A relay that turns a reset into an end would hide what a killed process does to its peer.
func TestShimPassesResetsOn(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s, err := StartShim(ln.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("x"))
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	reset(c)
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the target saw %v, want a reset", err)
	}
	if s.Faults() != 0 {
		t.Error("the client's reset is counted as a fault of the shim")
	}
}

func TestShimHalfCloses(t *testing.T) {
	_, c := shim(t, Fault{HalfClose: 5})
	c.Write([]byte("0123456789"))
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "01234" {
		t.Errorf("%q came back, %v", got, err)
	}
}

func TestShimSlows(t *testing.T) {
	_, c := shim(t, Fault{BytesPerSecond: 100_000})
	began := time.Now()
	go func() { c.Write(make([]byte, 20_000)); c.CloseWrite() }()
	if n, err := io.Copy(io.Discard, c); err != nil || n != 20_000 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if d := time.Since(began); d < 200*time.Millisecond {
		t.Errorf("20 kB at 100 kB/s took %v", d)
	}
	_, c = shim(t, Fault{Latency: 50 * time.Millisecond})
	began = time.Now()
	c.Write([]byte("x"))
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil || time.Since(began) < 100*time.Millisecond {
		t.Errorf("a byte there and back took %v, %v", time.Since(began), err)
	}
}

func TestShimSwallows(t *testing.T) {
	s, c := shim(t, Fault{Blackhole: true})
	c.Write([]byte("x"))
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("the black hole answered")
	}
	if n := s.ResetAll(); n != 1 {
		t.Errorf("reset %d connections, want 1", n)
	}
}

func TestShimSeedRepeats(t *testing.T) {
	plan := func(seed uint64) (f []Fault) {
		for n := range 50 {
			f = append(f, RandomResets(seed, 1<<20)(n))
		}
		return f
	}
	if !reflect.DeepEqual(plan(7), plan(7)) || reflect.DeepEqual(plan(7), plan(8)) {
		t.Error("a seed does not name a plan")
	}
	up := 0
	for _, f := range plan(7) {
		if (f.ResetUp > 0) == (f.ResetDown > 0) || f.ResetUp+f.ResetDown > 1<<20 {
			t.Errorf("fault %+v", f)
		}
		if f.ResetUp > 0 {
			up++
		}
	}
	if up < 10 || up > 40 {
		t.Errorf("%d of 50 resets go up", up)
	}
}
