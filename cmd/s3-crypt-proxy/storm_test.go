package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// alone is a keyring of one master that repeats a byte.
func alone(t *testing.T, fill ...byte) *format.Keyring {
	t.Helper()
	var keys []*format.Keys
	for _, b := range fill {
		k, err := format.DeriveKeys(bytes.Repeat([]byte{b}, 32))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	r, err := format.NewKeyring(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// openAlone opens a stored object of one segment at most.
func openAlone(ring format.Ring, where format.Context, stored []byte) ([]byte, error) {
	h, err := format.ParseHeader(stored)
	if err != nil {
		return nil, err
	}
	o, err := format.OpenBlock(ring, where, stored[:h.BlockSize], int64(len(stored)))
	if err != nil {
		return nil, err
	}
	sealed := bytes.Clone(stored[h.BlockSize:][:o.PlainSize()+format.TagSize])
	err = o.OpenInPlace(sealed, 0)
	return sealed[:o.PlainSize()], err
}

// TestStormOfKeys loads and clears at the agent, with two masters of which either
// is the active one, while clients write and read through a proxy, all of it over
// real sockets. Nothing that was acknowledged is under another key than the one its
// header names.
func TestStormOfKeys(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) { storm(t, mode) })
	}
}

func storm(t *testing.T, mode string) {
	l := newLive(t, keyagent.Policy{})
	addr, _, _ := l.start(mode)
	// The buckets end up under different keys: the one that came second.
	for _, step := range []struct{ keys, bucket string }{{"ab", "bkt"}, {"ba", "other"}, {"ba", "bkt"}, {"ab", "other"}} {
		l.holder.Clear()
		l.until(503, "GET", addr, "/"+step.bucket+"/none", nil)
		l.load([]byte(step.keys)...)
		l.until(200, "PUT", addr, "/"+step.bucket+"/first", []byte("first"))
	}

	length := 2 * time.Second
	if testing.Short() {
		length = 500 * time.Millisecond
	}
	began := time.Now()
	var changes, stored, refused, read atomic.Int64
	enough := func() bool {
		return changes.Load() >= 20 && stored.Load() >= 64 && refused.Load() >= 10 && read.Load() >= 32
	}
	// A busy machine gets its time, but not for ever.
	over := func() bool {
		took := time.Since(began)
		return took > 40*time.Second || took > length && enough()
	}
	ended := make(chan struct{})
	var weather, clients sync.WaitGroup
	weather.Go(func() {
		for {
			for _, keys := range []string{"ab", "", "ba", ""} {
				if keys == "" {
					l.holder.Clear()
				} else {
					l.load([]byte(keys)...)
				}
				n := changes.Add(1)
				select {
				case <-ended:
					return
				case <-time.After(time.Duration(1+n%9) * time.Millisecond):
				}
			}
		}
	})
	type object struct {
		path  string
		plain []byte
	}
	var mu sync.Mutex
	acknowledged := []object{{"/bkt/first", []byte("first")}, {"/other/first", []byte("first")}}
	for n := range 32 {
		clients.Go(func() {
			var last *object
			for i := 0; !over(); i++ {
				o := object{fmt.Sprintf("/%s/%d-%d", []string{"bkt", "other"}[i%2], n, i), bytes.Repeat([]byte{byte(n), byte(i)}, (n+i)%5*5000)}
				status, answer, err := l.ask("PUT", addr, o.path, o.plain)
				switch {
				case err != nil:
					t.Errorf("PUT: %v", err)
					return
				case status == 200:
					last = &o
					stored.Add(1)
					mu.Lock()
					acknowledged = append(acknowledged, o)
					mu.Unlock()
				case status == 503:
					refused.Add(1)
				default:
					t.Errorf("PUT gives %d: %s", status, answer)
				}
				if last == nil {
					continue
				}
				status, answer, err = l.ask("GET", addr, last.path, nil)
				switch {
				case err != nil:
					t.Errorf("GET: %v", err)
					return
				case status == 200:
					read.Add(1)
					if !bytes.Equal(answer, last.plain) {
						t.Errorf("GET %s gives other bytes", last.path)
					}
				case status != 503:
					t.Errorf("GET gives %d: %s", status, answer)
				}
			}
		})
	}
	clients.Wait()
	close(ended)
	weather.Wait()

	masters := map[format.KeyID]*format.Keyring{wantID(t, 'a'): alone(t, 'a'), wantID(t, 'b'): alone(t, 'b')}
	buckets := map[string]format.BucketID{}
	for _, bucket := range []string{"bkt", "other"} {
		state, err := format.OpenState(alone(t, 'a', 'b'), l.store.stored("/"+bucket+"/"+format.StateKey))
		if err != nil {
			t.Fatal(err)
		}
		buckets[bucket] = state.BucketID
	}
	under := map[format.KeyID]int{}
	for _, o := range acknowledged {
		sealed := l.store.stored(o.path)
		h, err := format.ParseHeader(sealed)
		if err != nil || masters[h.KeyID] == nil {
			t.Errorf("%s is acknowledged and under key %s: %v", o.path, h.KeyID, err)
			continue
		}
		bucket, key, _ := strings.Cut(o.path[1:], "/")
		where, err := format.NewContext(buckets[bucket], key)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := openAlone(masters[h.KeyID], where, sealed); err != nil || !bytes.Equal(plain, o.plain) {
			t.Errorf("%s is acknowledged and does not open under the key %s that it names: %v", o.path, h.KeyID, err)
		}
		under[h.KeyID]++
	}
	t.Logf("%d changes; %d acknowledged, %d refused, %d read; under %v", changes.Load(), stored.Load(), refused.Load(), read.Load(), under)
	if !enough() || len(under) != 2 {
		t.Error("that was no storm")
	}
}
