package main

import (
	"io"
	"net"
	"testing"
	"time"
)

// TestLinkIsAsSlowAsAsked: two connections share the line, and an answer is late.
func TestLinkIsAsSlowAsAsked(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	const size = 1 << 20
	shaped := newLink(ln, 20*time.Millisecond, 8*10<<20, 0) // 10 MiB a second
	go func() {
		for {
			c, err := shaped.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := io.CopyN(io.Discard, c, size); err == nil {
					_, _ = c.Write([]byte("ok")) // the client counts
				}
			}()
		}
	}()
	began := time.Now()
	done := make(chan error, 2)
	for range 2 {
		go func() {
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				done <- err
				return
			}
			defer c.Close()
			if _, err = c.Write(make([]byte, size)); err == nil {
				_, err = io.ReadFull(c, make([]byte, 2))
			}
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	// 2 MiB at 10 MiB/s and one latency: 220 ms. A slow machine may take longer, none less.
	if took := time.Since(began); took < 210*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

// TestConnectionIsAsSlowAsAsked: one has its own share, however much the line carries.
func TestConnectionIsAsSlowAsAsked(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	const size = 1 << 20
	shaped := newLink(ln, 0, 0, 8*10<<20) // 10 MiB a second
	go func() {
		c, err := shaped.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Write(make([]byte, size)) // the client counts
	}()
	began := time.Now()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	// 1 MiB at 10 MiB/s: 100 ms, the last piece of which is seen when it begins to pass.
	if took := time.Since(began); took < 80*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

func TestLinkWithoutKnobsIsTheListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if newLink(ln, 0, 0, 0) != ln {
		t.Error("something is in between")
	}
}

// TestLineGoesOnWhileTheProcessWaits: who comes late for what was ready finds it passed, but no more than the kernels hold;
// who has nothing ready does not get the time back.
func TestLineGoesOnWhileTheProcessWaits(t *testing.T) {
	l := newLine(8 << 20) // a MiB a second
	start := time.Now()
	const took = 62500 * time.Microsecond // of a piece
	first := l.book(piece, start, start)
	if d := first.Sub(start) - took; d < -time.Millisecond || d > time.Millisecond {
		t.Errorf("a piece took %v", first.Sub(start))
	}
	late := first.Add(5 * time.Millisecond)
	second := l.book(piece, first, late)
	if second.Sub(first) != first.Sub(start) {
		t.Errorf("a piece that was ready took %v", second.Sub(first))
	}
	late = second.Add(time.Second)
	if third := l.book(piece, second, late); third.Sub(late) != first.Sub(start)-buffered {
		t.Errorf("after a second's pause a piece took %v", third.Sub(late))
	}
	late = late.Add(time.Second)
	if fourth := l.book(piece, late, late); fourth.Sub(late) != first.Sub(start) {
		t.Errorf("a piece that was not ready took %v", fourth.Sub(late))
	}
}
