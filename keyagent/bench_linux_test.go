package keyagent

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// BenchmarkHandOver is one whole hand-over: connect, checks on both sides, HELLO, WAIT, RING with its region, the ring
// in the client's own locked memory, and its wipe. Agent and client share the machine's cores.
func BenchmarkHandOver(b *testing.B) {
	for _, count := range []int{1, 4, MaxKeys} {
		b.Run(fmt.Sprintf("keys=%d", count), func(b *testing.B) {
			socket := serveKeys(b, count)
			client, err := NewClient(ClientConfig{Socket: socket})
			if err != nil {
				b.Fatal(err)
			}
			enough := errors.New("enough")
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := context.WithCancelCause(context.Background())
				got := 0
				_ = client.Run(ctx, func(ring Ring) error {
					got = len(ring.Keys)
					cancel(enough)
					return nil
				})
				if got != count {
					b.Fatalf("%d keys", got)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handovers/s")
		})
	}
}

// BenchmarkPush is one change on a standing connection, from Load to the end of apply.
func BenchmarkPush(b *testing.B) {
	h := newTestHolder(b)
	socket, _ := serveTest(b, h, Policy{})
	got := make(chan uint64, 1)
	runClient(b, ClientConfig{Socket: socket}, func(ring Ring) error {
		got <- ring.Generation
		return nil
	})
	for n := 0; b.Loop(); n++ {
		want := load(b, h, 4*n) // one key
		if g := receive(b, got); g != want {
			b.Fatalf("generation %d, want %d", g, want)
		}
	}
}

// BenchmarkSecret is the life of one key in locked memory.
func BenchmarkSecret(b *testing.B) {
	for b.Loop() {
		s, err := GenerateSecret()
		if err != nil {
			b.Fatal(err)
		}
		s.Wipe()
	}
}

// BenchmarkUse is what a derivation pays to get at a key.
func BenchmarkUse(b *testing.B) {
	s := newTestSecret(b, testKey(1))
	defer s.Wipe()
	sum := byte(0)
	for b.Loop() {
		if err := s.Use(func(key []byte) { sum += key[0] }); err != nil {
			b.Fatal(err)
		}
	}
}

func serveKeys(b *testing.B, count int) (socket string) {
	h := newTestHolder(b)
	var keys []Key
	for i := range count {
		keys = append(keys, Key{Label: "key", Master: newTestSecret(b, testKey(i)), Active: i == 0})
	}
	if _, err := h.Load(keys); err != nil {
		b.Fatal(err)
	}
	socket, _ = serveTest(b, h, Policy{})
	return socket
}
