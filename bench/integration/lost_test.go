//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// kills is the number of random points: INTEGRATION_KILLS, or 200.
func kills(t *testing.T) int {
	if v := os.Getenv("INTEGRATION_KILLS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("INTEGRATION_KILLS: %v", err)
		}
		return n
	}
	return 200
}

// write is one PUT under fire.
type write struct {
	key      string
	old, new []byte // old is nil where the key was free
	acked    bool
	err      error
}

// TestNothingLost: at random points the proxy is killed, the client goes away, or the backend's connections are reset.
// Afterwards every acknowledged object is there, and each key holds all of the old or all of the new object, as the
// proxy serves it and as package format opens the stored file.
func TestNothingLost(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(seed(t), 2))
	var shim *rig.Shim
	// Large objects take the multipart way to the backend, small ones do not.
	w := start(t, func(backend string) string {
		var err error
		shim, err = rig.StartShim(backend, nil)
		must(t, err)
		t.Cleanup(shim.Close) // after the proxy's end, which may still be storing what a client left behind
		return shim.Address
	}, "pipeline:\n  whole_object: 5MiB\n")
	count := map[string]int{}
	acked, committed := 0, 0
	for n := range kills(t) {
		how := []string{"kill the proxy", "client leaves", "reset the backend"}[n%3]
		began := time.Now()
		writes := prepare(t, w, rng, n)
		// Three writes in turn take about as long as six at once, on this machine and now; 60 ms at the least.
		fire(t, w, shim, rng, how, writes, max(60*time.Millisecond, time.Since(began)*3/2))
		if how == "kill the proxy" {
			w.startProxy()
		}
		shim.Plan(nil)
		shim.ResetAll() // the connections that still have a planned reset
		a, c := audit(t, w, how, writes)
		acked, committed = acked+a, committed+c
		count[how]++
		if t.Failed() {
			t.Fatalf("violated at point %d (%s)", n, how)
		}
	}
	t.Logf("%v; %d writes acknowledged, all there; %d stored in all; %d connections reset", count, acked, committed, shim.Faults())
	if acked == 0 || committed == acked {
		t.Errorf("the points are not spread over the writes: %d acknowledged, %d stored", acked, committed)
	}
	if left := uploads(w); left != nil {
		t.Logf("unfinished uploads at the backend: %v", left)
	}
}

// prepare stores the old objects of a round.
func prepare(t *testing.T, w *world, rng *rand.Rand, n int) []*write {
	t.Helper()
	c := w.client(t)
	defer c.Close()
	var writes []*write
	for i := range 6 {
		x := &write{key: fmt.Sprintf("lost/%04d/%d", n, i), new: random(rng.Uint64(), size(rng, i))}
		if i%2 == 0 {
			x.old = random(rng.Uint64(), size(rng, i))
			if _, err := c.Put(context.Background(), x.key, pbs.NewBody(x.old), false); err != nil {
				t.Fatalf("before point %d: %v", n, err)
			}
		}
		writes = append(writes, x)
	}
	return writes
}

// size is small for most, of several segments for some, and above whole_object for one in a while.
func size(rng *rand.Rand, i int) int {
	switch {
	case i == 0 && rng.IntN(4) == 0:
		return 5<<20 + rng.IntN(6<<20)
	case i < 3:
		return rng.IntN(2 << 20)
	}
	return rng.IntN(300 << 10)
}

// fire sends the new objects and strikes at a random moment within so long, in which
// they should be through.
func fire(t *testing.T, w *world, shim *rig.Shim, rng *rand.Rand, how string, writes []*write, within time.Duration) {
	t.Helper()
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	if how == "reset the backend" {
		shim.ResetAll() // idle connections too: the planned ones are new
		shim.Plan(rig.RandomResets(rng.Uint64(), 1<<20))
	}
	delay := time.Duration(rng.Int64N(int64(within)))
	c := w.client(t, once)
	defer c.Close()
	var wg sync.WaitGroup
	for _, x := range writes {
		wg.Go(func() {
			_, err := c.Put(ctx, x.key, pbs.NewBody(x.new), x.old == nil)
			x.acked, x.err = err == nil, err
		})
	}
	time.Sleep(delay)
	switch how {
	case "kill the proxy":
		w.proxy.Kill()
	case "client leaves":
		leave()
	case "reset the backend":
		shim.ResetAll()
	}
	wg.Wait()
}

// audit reads each key through the proxy and from the backend's directory.
func audit(t *testing.T, w *world, how string, writes []*write) (acked, committed int) {
	t.Helper()
	offline, err := w.offline()
	must(t, err)
	c := w.client(t)
	defer c.Close()
	for _, x := range writes {
		// What the proxy had sent before it fell may still be committed while we look: both views must be whole, but
		// they may differ.
		got, err := offline.open(w.stored(x.key), x.key)
		x.judge(t, how, "stored file", got, err)
		var body []byte
		o, err := c.Get(context.Background(), x.key)
		if err == nil {
			body = o.Body
		}
		x.judge(t, how, "proxy", body, err)
		if err == nil && bytes.Equal(body, x.new) {
			committed++
		}
		if x.acked {
			acked++
		}
	}
	return acked, committed
}

// judge says what one view of a key may show: the new object, or, if it was not acknowledged, the old one or nothing.
func (x *write) judge(t *testing.T, how, view string, got []byte, err error) {
	t.Helper()
	absent := errors.Is(err, pbs.ErrAbsent) || errors.Is(err, fs.ErrNotExist)
	switch {
	case err == nil && bytes.Equal(got, x.new):
	case x.acked:
		t.Errorf("%s: %s was acknowledged, but the %s shows error %v, %d bytes (new %d, old %d)", how, x.key, view, err, len(got), len(x.new), len(x.old))
	case err == nil && x.old != nil && bytes.Equal(got, x.old):
	case absent && x.old == nil:
	case err == nil:
		t.Errorf("%s: %s is neither the old nor the new object in the %s: %d bytes; old %d, new %d", how, x.key, view, len(got), len(x.old), len(x.new))
	default:
		t.Errorf("%s: %s cannot be read from the %s: %v", how, x.key, view, err)
	}
}

// uploads lists what unfinished multipart uploads left in the backend's directory: litter, not loss.
func uploads(w *world) []string {
	entries, err := os.ReadDir(w.stored(".sgwtmp/multipart"))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
