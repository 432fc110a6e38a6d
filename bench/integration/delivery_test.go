//go:build integration

package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// TestProxyKilledWhileKeysAreDelivered kills the proxy at random points of deliveries, rotations and clears, of right
// rings and of a wrong one, while a client writes. The proxy that is started again serves with the right keys, and with
// none or wrong ones it answers 503; no object is ever under a key but the bucket's own, and every one that was
// acknowledged reads.
func TestProxyKilledWhileKeysAreDelivered(t *testing.T) {
	for _, mode := range []string{"export", "agent"} {
		t.Run(mode, func(t *testing.T) { killedDeliveries(t, mode, max(6, kills(t)/8)) })
	}
}

func killedDeliveries(t *testing.T, mode string, points int) {
	rng := rand.New(rand.NewPCG(seed(t), 7))
	w := start(t, nil, "")
	next, wrong := generated(t), generated(t)
	right := []string{keyIDOf(t, w.master), keyIDOf(t, next)}
	acked := map[string][]byte{}
	put := func(c *pbs.Client, key string) error {
		body := []byte(key + " is what it holds")
		_, err := c.Put(context.Background(), key, pbs.NewBody(body), false)
		if err == nil {
			acked[key] = body
		}
		return err
	}
	c := w.client(t, once)
	must(t, put(c, "first")) // the bucket is the first key's
	must(t, w.keys.Load(next, w.master))
	waitUntil(t, func() bool { return put(c, "second") == nil && w.under(t, "second") == right[1] })
	must(t, w.proxy.Stop())
	w.config.WithoutKey = true
	w.config.Mode = mode
	w.startProxy()

	rings := [][]*keyagent.Secret{{next, w.master}, {wrong}, {wrong, w.master}, {w.master}, nil}
	count := map[string]int{}
	for n := range points {
		c := w.client(t, once)
		stop := make(chan struct{})
		var both sync.WaitGroup
		both.Go(func() { // deliveries
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(rng.IntN(15_000)) * time.Microsecond):
				}
				ring := rings[0] // every other one is the right one, so that there are writes
				if i%2 == 0 {
					ring = rings[rng.IntN(len(rings))]
				}
				if len(ring) == 0 {
					w.keys.Clear()
				} else if err := w.keys.Load(ring...); err != nil {
					t.Error(err)
				}
			}
		})
		both.Go(func() { // a client
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if put(c, fmt.Sprintf("k/%03d-%04d", n, i)) == nil {
					count["written under fire"]++
				}
			}
		})
		time.Sleep(time.Duration(rand.IntN(120)) * time.Millisecond) // the point is random, nothing waits for it
		w.proxy.Kill()
		close(stop)
		both.Wait()

		// It comes up with what the holder has at that moment, and changes with it.
		last := rings[n%len(rings)]
		if len(last) == 0 {
			w.keys.Clear()
		} else {
			must(t, w.keys.Load(last...))
		}
		w.startProxy()
		c = w.client(t, once)
		key := fmt.Sprintf("after/%03d", n)
		if len(last) == 2 && last[0] == next {
			waitUntil(t, func() bool { return put(c, key) == nil })
			count["right"]++
		} else {
			for range 3 {
				if err := put(c, key); status(err) != http.StatusServiceUnavailable {
					t.Errorf("point %d: with a ring that is not the bucket's: %v", n, err)
				}
			}
			count["none or wrong"]++
			must(t, w.keys.Load(next, w.master))
			waitUntil(t, func() bool { return put(c, key) == nil })
		}
		if t.Failed() {
			t.Fatalf("violated at point %d", n)
		}
	}
	c = w.client(t)
	for key, body := range acked {
		compare(t, c, key, body)
	}
	stored := []string{"first", "second"}
	for _, prefix := range []string{"k/", "after/"} {
		entries, err := w.direct(t).ListAll(context.Background(), prefix)
		must(t, err)
		for _, e := range entries {
			stored = append(stored, e.Key)
		}
	}
	objects := len(stored)
	for _, key := range stored {
		if !slices.Contains(right, w.under(t, key)) {
			t.Errorf("%s is under the key %s", key, w.under(t, key))
		}
	}
	t.Logf("%v, %d objects stored", count, objects)
	if count["written under fire"] == 0 || objects < len(acked) {
		t.Errorf("%v: nothing was written while keys changed, or %d of %d objects are stored", count, objects, len(acked))
	}
}

func generated(t *testing.T) *keyagent.Secret {
	t.Helper()
	s, err := keyagent.GenerateSecret()
	must(t, err)
	t.Cleanup(s.Wipe)
	return s
}

// under is the key id that a stored object names.
func (w *world) under(t *testing.T, key string) string {
	t.Helper()
	b, err := os.ReadFile(w.stored(key))
	must(t, err)
	h, err := format.ParseHeader(b)
	must(t, err)
	return h.KeyID.String()
}
