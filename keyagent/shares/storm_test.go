package shares

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestCollectorStorm: many administrators, good and bad shares, replays, time-outs and Close at the same time. Every
// keyring that comes out is whole and right, and nothing is held in the end. Run with -race.
func TestCollectorStorm(t *testing.T) {
	ring := testRing(t)
	var wires [][][]byte
	for range 3 {
		set := testSplit(t, ring, 6, 3)
		var w [][]byte
		for _, s := range set {
			w = append(w, wire(t, s))
		}
		wires = append(wires, w)
	}
	c, err := New(Config{Window: 20 * time.Millisecond, Expired: func(Expiry) {}})
	if err != nil {
		t.Fatal(err)
	}
	rounds := 150
	if testing.Short() {
		rounds = 40
	}
	var done atomic.Int64
	began := time.Now()
	blows := func(round int) bool { // on a slow machine, until a ring came out
		return round < rounds || done.Load() == 0 && time.Since(began) < 30*time.Second
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for round := 0; blows(round); round++ {
				b := bytes.Clone(wires[r.IntN(3)][r.IntN(6)])
				bad := r.IntN(8) == 0
				if bad {
					b[r.IntN(len(b))] ^= 1 << r.IntN(8)
				}
				_, _, got, err := c.Add(admin(r.IntN(6)), b, time.Now())
				switch {
				case bad && err == nil:
					t.Error("a bad share was taken")
				case err != nil && !bad && !errors.Is(err, ErrSameAdmin):
					t.Error(err)
				case got != nil:
					done.Add(1)
					if len(got.Keys) != 2 || !got.Keys[0].Master.Equal(ring.Keys[0].Master) || !got.Keys[1].Master.Equal(ring.Keys[1].Master) {
						t.Error("a wrong keyring came out")
					}
					got.Wipe()
				}
				c.Pending()
				c.Expire(time.Now())
			}
		})
	}
	wg.Wait()
	if done.Load() == 0 {
		t.Error("no keyring came out")
	}
	held := (&desk{Collector: c}).secrets()
	c.Close()
	allWiped(t, held, len(held))
	if c.Pending() != 0 {
		t.Errorf("%d shares are held after Close", c.Pending())
	}
}
