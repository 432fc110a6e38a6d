package hashing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// TestGroups: the kernels of every number of streams, of unequal lengths, from states in
// mid-stream, at odd addresses. Each hashes what all have, and no more.
func TestGroups(t *testing.T) {
	for _, k := range Kernels()[1:] {
		t.Run(string(k), func(t *testing.T) {
			e := engine(t, k)
			for _, want := range allSums {
				d := e.New(want)
				for n := 2; n <= e.most(d.kind); n++ {
					for blocks := 1; blocks < 20; blocks++ {
						groupOf(t, e, want, n, blocks)
					}
				}
			}
		})
	}
}

func groupOf(t *testing.T, e *Engine, want Sums, n, blocks int) {
	what := fmt.Sprintf("%d blocks, %d streams", blocks, n)
	var g group
	var data [][]byte
	for i := range n {
		done, more := i%3, (n-i)%2 // blocks before and after the group's
		p := random(uint64(i), 1+i+64*(done+blocks+more))[1+i:]
		d := e.New(want)
		d.Write(p[:64*done])
		d.length = uint64(len(p))
		d.visit = visit{d: d, p: p[64*done:]}
		g.visits[i], g.n = &d.visit, i+1
		data = append(data, p)
	}
	before := e.Stats()
	rest := len(g.visits[0].p)
	for _, v := range g.visits[:n] {
		rest = min(rest, len(v.p))
	}
	g.hash()
	for i, v := range g.visits[:n] {
		v.d.blocksAlone(v.p)
		check(t, fmt.Sprintf("%s: stream %d", what, i), v.d, data[i])
	}
	after := e.Stats()
	got := map[bool]uint64{true: after.Paired - before.Paired, false: after.Grouped - before.Grouped}[n == 2]
	if got != uint64(n*rest) {
		t.Errorf("%s: %d bytes were hashed together, want %d", what, got, n*rest)
	}
}

// blocksAlone hashes what a group left.
func (d *Digest) blocksAlone(p []byte) {
	if len(p) > 0 {
		d.alone(p)
	}
}

// TestMeeting: who comes last takes all who wait, as does who has waited enough; each is
// taken once, in the order of coming.
func TestMeeting(t *testing.T) {
	for most := 2; most <= maxLanes; most++ {
		var l place
		visits := make([]visit, most)
		for i := range visits[:most-1] {
			if g := l.enter(&visits[i], most); g.n != 0 {
				t.Fatalf("most %d: stream %d of a place that is not full took %d", most, i, g.n)
			}
		}
		g := l.enter(&visits[most-1], most)
		if g.n != most {
			t.Fatalf("most %d: the last one took %d", most, g.n)
		}
		for i := range visits {
			if g.visits[i] != &visits[i] {
				t.Errorf("most %d: stream %d is not where it came", most, i)
			}
			if left := l.leave(&visits[i], 0); left.n != 0 {
				t.Errorf("most %d: stream %d was taken, and took %d again", most, i, left.n)
			}
		}
		l.enter(&visits[0], most)
		if most > 2 {
			l.enter(&visits[1], most)
		}
		if g := l.leave(&visits[0], 0); g.n != min(2, most-1) || g.visits[0] != &visits[0] {
			t.Errorf("most %d: who leaves takes %d", most, g.n)
		}
		if l.waiting != (group{}) {
			t.Errorf("most %d: a visit was left behind", most)
		}
	}
}

// TestAloneNobodyWaits: without others every byte is hashed at once, by the kernel of one.
func TestAloneNobodyWaits(t *testing.T) {
	for _, k := range Kernels() {
		t.Run(string(k), func(t *testing.T) {
			for _, want := range allSums {
				e, p := engine(t, k), random(7, 4*meetBytes)
				d := e.New(want)
				d.Write(p)
				if s := e.Stats(); s != (Stats{Alone: uint64(len(p))}) {
					t.Errorf("%+v", s)
				}
				check(t, "alone", d, p)
			}
		})
	}
}

// TestMeetingInPairs: where fewer than so many are hashed in pairs, who leaves takes one
// other, and the rest goes on waiting, in the order of coming.
func TestMeetingInPairs(t *testing.T) {
	var l place
	var visits [4]visit
	for i := range visits {
		l.enter(&visits[i], maxLanes)
	}
	for _, c := range []struct {
		leaves int
		takes  []int
	}{{2, []int{2, 0}}, {2, nil}, {0, nil}, {1, []int{1, 3}}, {3, nil}} {
		g := l.leave(&visits[c.leaves], 5)
		var got []int
		for _, v := range g.visits[:g.n] {
			for i := range visits {
				if v == &visits[i] {
					got = append(got, i)
				}
			}
		}
		if !slices.Equal(got, c.takes) {
			t.Errorf("stream %d takes %v, want %v", c.leaves, got, c.takes)
		}
	}
	if l.waiting != (group{}) {
		t.Error("a visit was left behind")
	}
	for i := range visits {
		l.enter(&visits[i], maxLanes)
	}
	if g := l.leave(&visits[1], 4); g.n != 4 {
		t.Errorf("as many as are hashed at once: %d were taken", g.n)
	}
	l.enter(&visits[0], maxLanes)
	if g := l.leave(&visits[0], 5); g.n != 1 || g.visits[0] != &visits[0] {
		t.Errorf("a stream alone takes %d", g.n)
	}
}

// TestStreamsThatMeet: many at once that come and go, of unequal lengths and of every
// kind; under the race detector too.
func TestStreamsThatMeet(t *testing.T) {
	for _, k := range Kernels()[1:] {
		t.Run(string(k), func(t *testing.T) {
			e := engine(t, k)
			// Whether streams meet is the scheduler's choice: go on until some did.
			for round := range 400 {
				meet(t, e, round)
				s := e.Stats()
				if round >= 8 && s.Paired > 0 && (k == Fused || s.Grouped > 0) {
					break
				}
				if round == 399 {
					t.Errorf("no streams met: %+v", s)
				}
			}
			for i := range e.places {
				for kind := range e.places[i] {
					if e.places[i][kind].waiting.n > 0 {
						t.Error("a visit was left behind")
					}
				}
			}
		})
	}
}

// meet hashes sixteen streams.
func meet(t *testing.T, e *Engine, round int) {
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(round), uint64(i)))
			p := random(uint64(round*16+i), r.IntN(400<<10))
			d := e.New(allSums[max(0, i-10)%3])
			for rest := p; len(rest) > 0; {
				n := min(len(rest), r.IntN(70<<10)+1)
				d.Write(rest[:n])
				rest = rest[n:]
			}
			check(t, fmt.Sprintf("round %d, stream %d", round, i), d, p)
		})
	}
	wg.Wait()
}

// TestAllocations: a stream makes its digest and the channel it waits on, nothing else.
func TestAllocations(t *testing.T) {
	p := random(6, 64<<10)
	for _, k := range Kernels()[1:] {
		t.Run(string(k), func(t *testing.T) {
			e := engine(t, k)
			d := e.New(MD5 | SHA256)
			d.Write(p)
			if n := testing.AllocsPerRun(20, func() { d.Write(p) }); n > 0 {
				t.Errorf("a write alone allocates %v times", n)
			}
			var g group
			for i := range e.most(both) {
				g.visits[i], g.n = &visit{d: d, p: p}, i+1
			}
			if n := testing.AllocsPerRun(20, func() {
				for _, v := range g.visits[:g.n] {
					v.p = p
				}
				g.hash()
			}); n > 0 {
				t.Errorf("hashing a group allocates %v times", n)
			}
		})
	}
}
